//! Graceful shutdown: requests and mails in flight are completed, and a second signal ends the process at once.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients::Step,
    http::{self, Connection, get},
    server::{Server, TestDeployment},
    sink::Sink,
};
use tempfile::TempDir;

use super::{deployment, mailed_secret, px0};

/// Documented limit of the shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// Extra time that a busy machine may need.
const SLACK: Duration = Duration::from_secs(4);

/// A running server with a slow hash (0.1 s) and a slow mail server, and the request of a valid reset.
struct SlowServer {
    deployment: TestDeployment,
    _folder: TempDir,
    server: Server,
    sink: Sink,
    reset: Step,
}

fn slow_server(pause: Duration) -> SlowServer {
    let (mut deployment, folder) = deployment();
    for email in ["user@example.com", "other@example.com"] {
        deployment.add_user(email, "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    let code = mailed_secret(&deployment, server.address, &px0(), "user@example.com");
    assert!(server.terminate().unwrap().success());
    let sink = Sink::start(pause, |_, _| None).unwrap();
    deployment.set("POLYRESET_MAIL_URL", &sink.url());
    deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "8192");
    deployment.set("POLYRESET_PASSWORD__ARGON2_T", "16");
    let server = deployment.start().unwrap();
    let reset = px0().redeem_with(&code, "New Password 1!");
    SlowServer { deployment, _folder: folder, server, sink, reset }
}

fn request(server: &Server, email: &str) {
    let answer = http::send(server.address, &px0().request_for(email)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Sends the last byte of the request and reads the response.
fn finish_reset(mut in_flight: TcpStream) -> String {
    let mut answer = String::new();
    in_flight.write_all(b"}").unwrap();
    in_flight.read_to_string(&mut answer).unwrap();
    answer
}

impl SlowServer {
    /// Sends the reset without its last byte, so that the request stays in flight.
    fn begin_reset(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(super::TIMEOUT)).unwrap();
        let Step { path, body, .. } = &self.reset;
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{}",
            body.len(),
            body.strip_suffix('}').unwrap()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Waits until the server accepts no more connections.
    fn wait_until_closed(&self) {
        let started = Instant::now();
        while TcpStream::connect(self.server.address).is_ok() {
            assert!(started.elapsed() < super::TIMEOUT, "the server still accepts connections");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server has logged that it is draining.
    fn wait_until_draining(&self) {
        let started = Instant::now();
        // The first server of this deployment has logged it, too.
        while self.deployment.logged().matches("draining").count() < 2 {
            assert!(started.elapsed() < super::TIMEOUT, "{}", self.deployment.logged());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn a_signal_lets_requests_and_mails_in_flight_finish() {
    thread::scope(|scope| {
        for signal in ["TERM", "INT"] {
            scope.spawn(move || {
                let slow_server = slow_server(Duration::from_secs(1));
                request(&slow_server.server, "other@example.com");
                slow_server.sink.wait_for("MAIL", 1);
                let in_flight = slow_server.begin_reset();
                let signaled_at = Instant::now();
                slow_server.server.signal(signal).unwrap();
                slow_server.wait_until_closed();
                assert_eq!(slow_server.sink.count("."), 0, "no mail is in flight");
                let answer = finish_reset(in_flight);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{signal}: {answer}");
                let status = slow_server.server.wait().unwrap();
                assert!(status.success(), "{signal}: {status}");
                assert!(signaled_at.elapsed() < DRAIN + SLACK);
                assert!(slow_server.sink.count(".") > 0, "{signal}: the mail in flight was cut off");
                assert!(slow_server.deployment.accepts("user@example.com", "New Password 1!").unwrap());
            });
        }
    });
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    thread::scope(|scope| {
        for (first, second, code) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)] {
            scope.spawn(move || {
                let slow_server = slow_server(Duration::from_secs(5));
                request(&slow_server.server, "other@example.com");
                slow_server.sink.wait_for("EHLO", 1);
                slow_server.server.signal(first).unwrap();
                slow_server.wait_until_draining();
                let started = Instant::now();
                slow_server.server.signal(second).unwrap();
                assert_eq!(slow_server.server.wait().unwrap().code(), Some(code), "{first}, {second}");
                assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
            });
        }
    });
}

#[test]
fn readiness_turns_503_while_requests_are_still_answered() {
    let slow_server = slow_server(Duration::ZERO);
    assert_eq!(get(slow_server.server.address, "/readyz").unwrap().status, 200);
    let mut keep_alive = Connection::open(slow_server.server.address).unwrap();
    assert_eq!(keep_alive.get("/healthz").unwrap().status, 200);
    let in_flight = slow_server.begin_reset();
    slow_server.server.signal("TERM").unwrap();
    let mut ready = get(slow_server.server.address, "/readyz").unwrap();
    while ready.status == 200 {
        ready = get(slow_server.server.address, "/readyz")
            .expect("the server stopped accepting before `/readyz` reported 503");
    }
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(keep_alive.get("/healthz").unwrap().status, 200, "alive, though not ready");
    assert!(finish_reset(in_flight).starts_with("HTTP/1.1 200 "));
    assert!(slow_server.server.wait().unwrap().success());
}

#[test]
fn idle_connections_do_not_delay_shutdown() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let silent = TcpStream::connect(server.address).unwrap();
    let mut keep_alive = Connection::open(server.address).unwrap();
    assert_eq!(keep_alive.get("/healthz").unwrap().status, 200);
    let started = Instant::now();
    assert!(server.terminate().unwrap().success());
    assert!(started.elapsed() < DRAIN / 2, "{:?}", started.elapsed());
    drop((silent, keep_alive));
}

#[test]
fn a_stalled_client_delays_shutdown_no_longer_than_documented() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let mut head = TcpStream::connect(server.address).unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nhost").unwrap();
    let mut body = TcpStream::connect(server.address).unwrap();
    let half = b"POST /auth/forgot-password HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n{";
    body.write_all(half).unwrap();
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    let started = Instant::now();
    assert!(server.terminate().unwrap().success());
    assert!(started.elapsed() < DRAIN + SLACK, "{:?}", started.elapsed());
    drop((head, body));
}
