//! How the process ends: what is in flight is finished, and who asks twice is obeyed at once.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use conformance::{
    http::{Connection, get, post},
    server::{Deployment, Server},
    sink::Sink,
};
use tempfile::TempDir;

use super::{deployment, reset_mail};

/// Longest time that the process states for its end.
const DRAIN: Duration = Duration::from_secs(10);
/// What a busy machine adds to a time.
const SLACK: Duration = Duration::from_secs(4);

/// A running server with a hash of a tenth of a second and a slow mail server, and a reset that it will accept.
struct Slow {
    deployment: Deployment,
    _folder: TempDir,
    server: Server,
    sink: Sink,
    reset: String,
}

fn slow(pause: Duration) -> Slow {
    let (mut deployment, folder) = deployment();
    for email in ["user@example.com", "other@example.com"] {
        deployment.add_user(email, "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    ask(&server, "user@example.com");
    let code = reset_mail(&deployment, "user@example.com").code().unwrap().to_owned();
    assert!(server.terminate().unwrap().success());
    let sink = Sink::start(pause, |_, _| None).unwrap();
    deployment.set("POLYRESET_MAIL_URL", &sink.url());
    deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "8192");
    deployment.set("POLYRESET_PASSWORD__ARGON2_T", "16");
    let server = deployment.start().unwrap();
    let reset = format!(r#"{{"code":"{code}","new_password":"New Password 1!"}}"#);
    Slow { deployment, _folder: folder, server, sink, reset }
}

fn ask(server: &Server, email: &str) {
    let body = format!(r#"{{"email":"{email}"}}"#);
    let answer = post(server.address, "/v1/auth/password-reset/trigger", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Sends the last byte and reads the answer.
fn finish_reset(mut in_flight: TcpStream) -> String {
    let mut answer = String::new();
    in_flight.write_all(b"}").unwrap();
    in_flight.read_to_string(&mut answer).unwrap();
    answer
}

impl Slow {
    /// Sends the reset but for its last byte: a request in flight for as long as the test likes.
    fn begin_reset(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(super::TIMEOUT)).unwrap();
        let request = format!(
            "POST /v1/auth/password-reset/reset HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{}",
            self.reset.len(),
            self.reset.strip_suffix('}').unwrap()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Returns when nobody can connect any more.
    fn closed(&self) {
        let begun = Instant::now();
        while TcpStream::connect(self.server.address).is_ok() {
            assert!(begun.elapsed() < super::TIMEOUT, "it still accepts");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns when the process has understood its first signal.
    fn draining(&self) {
        let begun = Instant::now();
        // The first server of this deployment drained, too.
        while self.deployment.logged().matches("draining").count() < 2 {
            assert!(begun.elapsed() < super::TIMEOUT, "{}", self.deployment.logged());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn a_signal_lets_the_request_in_flight_and_the_worker_finish() {
    thread::scope(|scope| {
        for signal in ["TERM", "INT"] {
            scope.spawn(move || {
                let slow = slow(Duration::from_secs(1));
                ask(&slow.server, "other@example.com");
                slow.sink.wait_for("MAIL", 1);
                let in_flight = slow.begin_reset();
                let asked_to_end = Instant::now();
                slow.server.signal(signal).unwrap();
                slow.closed();
                assert_eq!(slow.sink.count("."), 0, "no mail is in flight");
                let answer = finish_reset(in_flight);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{signal}: {answer}");
                let status = slow.server.wait().unwrap();
                assert!(status.success(), "{signal}: {status}");
                assert!(asked_to_end.elapsed() < DRAIN + SLACK);
                assert!(slow.sink.count(".") > 0, "{signal}: the mail in flight was cut off");
                assert!(slow.deployment.accepts("user@example.com", "New Password 1!").unwrap());
            });
        }
    });
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    thread::scope(|scope| {
        for (first, second, code) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)] {
            scope.spawn(move || {
                let slow = slow(Duration::from_secs(5));
                ask(&slow.server, "other@example.com");
                slow.sink.wait_for("EHLO", 1);
                slow.server.signal(first).unwrap();
                slow.draining();
                let begun = Instant::now();
                slow.server.signal(second).unwrap();
                assert_eq!(slow.server.wait().unwrap().code(), Some(code), "{first}, {second}");
                assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn readiness_turns_503_while_requests_are_still_answered() {
    let slow = slow(Duration::ZERO);
    assert_eq!(get(slow.server.address, "/readyz").unwrap().status, 200);
    let mut kept = Connection::open(slow.server.address).unwrap();
    assert_eq!(kept.get("/healthz").unwrap().status, 200);
    let in_flight = slow.begin_reset();
    slow.server.signal("TERM").unwrap();
    let mut ready = get(slow.server.address, "/readyz").unwrap();
    while ready.status == 200 {
        ready =
            get(slow.server.address, "/readyz").expect("nobody was told before the server stopped accepting");
    }
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(kept.get("/healthz").unwrap().status, 200, "alive, though not ready");
    assert!(finish_reset(in_flight).starts_with("HTTP/1.1 200 "));
    assert!(slow.server.wait().unwrap().success());
}

#[test]
fn connections_without_a_request_do_not_hold_up_the_end() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let silent = TcpStream::connect(server.address).unwrap();
    let mut kept = Connection::open(server.address).unwrap();
    assert_eq!(kept.get("/healthz").unwrap().status, 200);
    let begun = Instant::now();
    assert!(server.terminate().unwrap().success());
    assert!(begun.elapsed() < DRAIN / 2, "{:?}", begun.elapsed());
    drop((silent, kept));
}

#[test]
fn a_client_that_stalls_holds_up_the_end_for_no_longer_than_stated() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let mut head = TcpStream::connect(server.address).unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nhost").unwrap();
    let mut body = TcpStream::connect(server.address).unwrap();
    let half = b"POST /auth/forgot-password HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n{";
    body.write_all(half).unwrap();
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    let begun = Instant::now();
    assert!(server.terminate().unwrap().success());
    assert!(begun.elapsed() < DRAIN + SLACK, "{:?}", begun.elapsed());
    drop((head, body));
}
