//! What a connection may cost: time, bytes and company, the same on every server.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use conformance::http::{Connection, get, post};

use super::{deployment, reset_mail};

/// What is stated for a head, and for the idle time before it.
const HEAD: Duration = Duration::from_secs(5);
/// What is stated for a body, with what a busy machine adds.
const BODY_AT_MOST: Duration = Duration::from_secs(15);
/// What a busy machine adds to a time.
const SLACK: Duration = Duration::from_secs(4);
/// Largest head in bytes.
const HEAD_MAX: usize = 16 * 1024;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(super::TIMEOUT)).unwrap();
    stream
}

/// Everything until the connection is closed, whether in order or by a reset.
fn rest(stream: &mut TcpStream) -> String {
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

/// The connection is closed without a word [`HEAD`] from now.
fn cut(stream: &mut TcpStream, begun: Instant, case: &str) {
    let said = rest(stream);
    let after = begun.elapsed();
    println!("{case}: closed after {after:?}");
    assert_eq!(said, "", "{case}");
    assert!(after + Duration::from_millis(500) > HEAD && after < HEAD + SLACK, "{case}: {after:?}");
}

/// Sends `bytes` one a second until the connection is closed. How long that took.
fn drip(mut stream: TcpStream, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    for byte in bytes {
        let mut buffer = [0; 4096];
        match stream.write(&[*byte]).and_then(|_| stream.read(&mut buffer)) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    begun.elapsed()
}

#[test]
fn a_client_that_dawdles_is_cut_off_and_nobody_else_notices() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let address = server.address;
    let crowd: Vec<_> = (0..300).map(|_| connect(address)).collect();
    let half = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-ha";
    // All at once: the process has a clock of its own, and its times are seconds.
    thread::scope(|scope| {
        scope.spawn(|| cut(&mut connect(address), Instant::now(), "nothing is sent"));
        scope.spawn(|| {
            let (mut stream, begun) = (connect(address), Instant::now());
            stream.write_all(half).unwrap();
            cut(&mut stream, begun, "half a head");
        });
        for (case, second) in [("idle after an answer", &b""[..]), ("half a second head", half)] {
            scope.spawn(move || {
                let mut stream = connect(address);
                let begun = Instant::now();
                stream.write_all(HEALTH).unwrap();
                let mut answer = [0; 4096];
                let count = stream.read(&mut answer).unwrap();
                assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "{case}");
                stream.write_all(second).unwrap();
                cut(&mut stream, begun, case);
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
                assert!(after < BODY_AT_MOST, "a body that drips, {head}: {after:?}");
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                let begun = Instant::now();
                assert_eq!(get(address, "/readyz").unwrap().status, 200);
                assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
            }
        });
    });
    drop(crowd);
}

/// A request whose head has so many bytes, in so many lines of headers.
fn request(bytes: usize, headers: usize) -> String {
    let mut head = "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned();
    for number in 2..headers {
        head.extend(["x-", &number.to_string(), ": y\r\n"]);
    }
    let padding = bytes.saturating_sub(head.len() + "x-pad: \r\n\r\n".len());
    format!("{head}x-pad: {}\r\n\r\n", "p".repeat(padding))
}

#[test]
fn a_head_has_sixteen_kibibytes_and_ninety_six_lines_at_most() {
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
    // Far more than that: whoever is still sending may see the connection break before the answer.
    let mut stream = connect(server.address);
    let _ = stream.write_all(request(64 * HEAD_MAX, 2).as_bytes());
    let said = rest(&mut stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
}

#[test]
fn http_2_is_the_proxys_and_its_preface_is_refused() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let mut stream = connect(server.address);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let said = rest(&mut stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said:?}");
    // A polite upgrade is not taken up, and the request is answered as it is.
    let upgrade = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = Connection::open(server.address).unwrap().send(upgrade.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.header("upgrade")), (200, None));
}

#[test]
fn forty_people_at_once_get_their_mails() {
    let (deployment, _folder) = deployment();
    let people: Vec<_> = (0..40).map(|number| format!("user{number}@example.com")).collect();
    for email in &people {
        deployment.add_user(email, "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    // Two triggers, so that every worker of every server meets the database and the worker.
    let triggers = ["/v1/auth/password-reset/trigger", "/auth/forgot-password"];
    thread::scope(|scope| {
        for (number, email) in people.iter().enumerate() {
            let (address, path) = (server.address, triggers[number % triggers.len()]);
            scope.spawn(move || {
                let answer = post(address, path, &format!(r#"{{"email":"{email}"}}"#)).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
            });
        }
    });
    for email in &people {
        reset_mail(&deployment, email);
    }
}
