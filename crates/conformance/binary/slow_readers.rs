//! Clients that do not read their responses, and clients that hold many connections.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use conformance::http::{self, get};

use super::{
    TIMEOUT, deployment,
    metrics::{metric, start_with_admin, until},
};

/// Documented timeout for a client that reads nothing.
const STALL: Duration = Duration::from_secs(15);
/// A response that is larger than what the systems on both sides buffer.
const LARGE: &str = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n";
const SMALL: &str = "GET /dialects HTTP/1.1\r\nhost: x\r\n\r\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// Connects as the client with this last number of its address, and sends `request`.
fn client(number: u8, server: SocketAddr, request: &str) -> TcpStream {
    let mut stream = http::connect_from(Ipv4Addr::new(127, 0, 0, number), server).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // The server may have closed the connection already.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// Reads what the server sent before it closed the connection.
fn read_to_close(mut stream: TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("not closed: {error}, {} bytes", all.len()),
        }
    }
}

/// Returns whether the server answers this client on a new connection.
fn is_served(number: u8, server: SocketAddr) -> bool {
    let mut answer = [0; 12];
    let read = client(number, server, HEALTH).read_exact(&mut answer);
    read.is_ok() && answer == *b"HTTP/1.1 200"
}

#[test]
fn clients_that_read_nothing_are_disconnected_and_others_are_served() {
    let (mut deployment, _folder) = deployment();
    let (server, admin) = start_with_admin(&mut deployment);
    let (large, small) = (client(2, server.address, LARGE), client(2, server.address, &SMALL.repeat(400)));
    let complete = get(server.address, "/docs/swagger-ui-bundle.js").unwrap().body.len();
    let started = Instant::now();
    while started.elapsed() < STALL + Duration::from_secs(1) {
        assert!(is_served(3, server.address));
        thread::sleep(Duration::from_millis(200));
    }
    until(admin, r#"polyreset_connections_closed_total{reason="write_timeout"}"#, |closed| closed >= 2.0);
    let (large, small) = (read_to_close(large), read_to_close(small));
    assert!(large.starts_with(b"HTTP/1.1 200") && large.len() < complete);
    assert!(String::from_utf8_lossy(&small).matches("HTTP/1.1 200").count() < 400);
    let log = deployment.logged();
    assert_eq!(log.matches("clients did not read the response in time").count(), 1, "{log}");
}

#[test]
fn one_client_cannot_take_the_places_of_others() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_LIMITS__CLIENT_CONNECTIONS", "8");
    let (server, admin) = start_with_admin(&mut deployment);
    let head = &HEALTH[..HEALTH.len() - 4];
    let body = "POST /auth/forgot-password HTTP/1.1\r\nhost: x\r\ncontent-length: 60\r\n\r\n{";
    let mut streams = Vec::new();
    for request in [head, body, LARGE, HEALTH].into_iter().cycle().take(40) {
        streams.push(client(2, server.address, request));
        assert!(is_served(3, server.address), "{request}");
    }
    until(admin, "polyreset_connections ", |open| open <= 8.0);
    let closed =
        |reason| metric(admin, &format!("polyreset_connections_closed_total{{reason=\"{reason}\"}}"));
    assert!(closed("rejected") + closed("evicted") >= 1.0);
    // The client itself is served when its connections have waited for a second.
    let started = Instant::now();
    while !is_served(2, server.address) {
        assert!(started.elapsed() < TIMEOUT);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_trusted_proxy_may_have_any_number_of_connections() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_LIMITS__CLIENT_CONNECTIONS", "8");
    deployment.set("POLYRESET_TRUSTED_PROXIES", "127.0.0.2");
    let server = deployment.start().unwrap();
    let mut held: Vec<_> = (0..20).map(|_| client(2, server.address, HEALTH)).collect();
    for stream in &mut held {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}
