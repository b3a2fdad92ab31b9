//! Limits of a connection in time, bytes and number, which are the same on every server.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients,
    http::{self, Connection, get},
};

use super::{deployment, reset_mail};

/// Documented timeout of a head, including the idle time before it.
const HEAD: Duration = Duration::from_secs(5);
/// Documented timeout of a body, plus slack for a busy machine.
const BODY: Duration = Duration::from_secs(15);
/// Extra time that a busy machine may need.
const SLACK: Duration = Duration::from_secs(4);
/// Maximum size of a head in bytes.
const HEAD_MAX: usize = 16 * 1024;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(super::TIMEOUT)).unwrap();
    stream
}

/// Reads until the connection is closed or reset.
fn read_to_close(stream: &mut TcpStream) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("not closed: {error}, {}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Asserts that the connection is closed without a response [`HEAD`] after `started`.
fn assert_timed_out(stream: &mut TcpStream, started: Instant, case: &str) {
    let received = read_to_close(stream);
    let after = started.elapsed();
    println!("{case}: closed after {after:?}");
    assert_eq!(received, "", "{case}");
    assert!(after + Duration::from_millis(500) > HEAD && after < HEAD + SLACK, "{case}: {after:?}");
}

/// Sends one byte per second until the connection is closed, and returns how long that took.
fn drip(mut stream: TcpStream, bytes: &[u8]) -> Duration {
    let started = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    for byte in bytes {
        let mut buffer = [0; 4096];
        match stream.write(&[*byte]).and_then(|_| stream.read(&mut buffer)) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    started.elapsed()
}

#[test]
fn slow_clients_time_out_and_others_are_served() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let address = server.address;
    let idle_connections: Vec<_> = (0..300).map(|_| connect(address)).collect();
    let half = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-ha";
    // The cases run in parallel, because the process uses the real clock and each takes seconds.
    thread::scope(|scope| {
        scope.spawn(|| assert_timed_out(&mut connect(address), Instant::now(), "nothing is sent"));
        scope.spawn(|| {
            let (mut stream, started) = (connect(address), Instant::now());
            stream.write_all(half).unwrap();
            assert_timed_out(&mut stream, started, "half a head");
        });
        for (case, second) in [("idle after a response", &b""[..]), ("half a second head", half)] {
            scope.spawn(move || {
                let mut stream = connect(address);
                let started = Instant::now();
                stream.write_all(HEALTH).unwrap();
                let mut answer = [0; 4096];
                let count = stream.read(&mut answer).unwrap();
                assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "{case}");
                stream.write_all(second).unwrap();
                assert_timed_out(&mut stream, started, case);
            });
        }
        scope.spawn(|| {
            let after = drip(connect(address), HEALTH);
            println!("a head that drips: closed after {after:?}");
            assert!(after < HEAD + SLACK, "a head that drips: {after:?}");
        });
        for head in ["content-length: 60", "transfer-encoding: chunked\r\n\r\n3c"] {
            scope.spawn(move || {
                let mut stream = connect(address);
                write!(stream, "POST /auth/forgot-password HTTP/1.1\r\nhost: x\r\n{head}\r\n").unwrap();
                stream.write_all(if head.ends_with("3c") { b"" } else { b"\r\n" }).unwrap();
                let after = drip(stream, &[b' '; 30]);
                println!("a body that drips, {head:?}: answered or closed after {after:?}");
                assert!(after < BODY, "a body that drips, {head}: {after:?}");
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                let started = Instant::now();
                assert_eq!(get(address, "/readyz").unwrap().status, 200);
                assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
            }
        });
    });
    drop(idle_connections);
}

/// Returns a request with `headers` headers whose head is at least `bytes` long.
fn request(bytes: usize, headers: usize) -> String {
    let mut head = "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned();
    for number in 2..headers {
        head.extend(["x-", &number.to_string(), ": y\r\n"]);
    }
    let padding = bytes.saturating_sub(head.len() + "x-pad: \r\n\r\n".len());
    format!("{head}x-pad: {}\r\n\r\n", "p".repeat(padding))
}

#[test]
fn a_head_is_limited_to_16_kib_and_96_headers() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let send = |request: &str| Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
    for (bytes, headers, status) in [
        (HEAD_MAX, 2, 200),
        (HEAD_MAX + 1, 2, 431),
        (HEAD_MAX, 96, 200),
        (HEAD_MAX + 1, 96, 431),
        (0, 97, 431),
    ] {
        let answer = send(&request(bytes, headers));
        assert_eq!(answer.status, status, "{bytes} bytes, {headers} headers");
        if status == 431 {
            let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(answer.body, "");
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(
                names.iter().all(|name| ["connection", "content-length", "date"].contains(name)),
                "{names:?}"
            );
        }
    }
    // With a much larger head, the connection may break before the client has read the response.
    let mut stream = connect(server.address);
    let _ = stream.write_all(request(64 * HEAD_MAX, 2).as_bytes());
    let received = read_to_close(&mut stream);
    assert!(received.is_empty() || received.starts_with("HTTP/1.1 431 "), "{received}");
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
}

#[test]
fn http_2_is_rejected_and_an_upgrade_is_ignored() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let mut stream = connect(server.address);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let received = read_to_close(&mut stream);
    assert!(received.is_empty() || received.starts_with("HTTP/1.1 400 "), "{received:?}");
    // An upgrade to HTTP/2 is ignored, and the request is served over HTTP/1.1.
    let upgrade = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = Connection::open(server.address).unwrap().send(upgrade.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.header("upgrade")), (200, None));
}

#[test]
fn forty_parallel_requests_each_send_a_mail() {
    let (deployment, _folder) = deployment();
    let people: Vec<_> = (0..40).map(|number| format!("user{number}@example.com")).collect();
    for email in &people {
        deployment.add_user(email, "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    // Every dialect's routes, so that every HTTP worker uses the database and the job queue.
    let clients = clients::all();
    thread::scope(|scope| {
        for (email, client) in people.iter().zip(clients.iter().cycle()) {
            let (address, step) = (server.address, client.request_for(email));
            scope.spawn(move || {
                let answer = http::send(address, &step).unwrap();
                assert!(answer.status < 300, "{}: {}", answer.status, answer.body);
            });
        }
    });
    for email in &people {
        reset_mail(&deployment, email);
    }
}
