//! The webhook of the real process, with retries.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use conformance::http;

use super::{TIMEOUT, deployment, mailed_secret, px0};

/// Reads one JSON request, responds with `status`, and returns the request.
fn respond(stream: &mut TcpStream, status: &str) -> String {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"}}") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the request ended early");
        request.extend_from_slice(&buffer[..count]);
    }
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {request}")).split_once(": ").unwrap().1
}

#[test]
fn a_webhook_is_retried_until_it_succeeds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut deployment, _folder) = deployment();
    let url = format!("http://127.0.0.1:{}/hooks/reset", listener.local_addr().unwrap().port());
    deployment.set("POLYRESET_NOTIFY__WEBHOOK_URL", &url);
    deployment.set("POLYRESET_NOTIFY__WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    let code = mailed_secret(&deployment, server.address, &px0(), "user@example.com");
    let reset = px0().redeem_with(&code, "New Password 1!");
    assert_eq!(http::send(server.address, &reset).unwrap().status, 200);

    let first = respond(&mut listener.accept().unwrap().0, "503 Service Unavailable");
    let second = respond(&mut listener.accept().unwrap().0, "204 No Content");
    assert!(first.starts_with("POST /hooks/reset HTTP/1.1\r\n"), "{first}");
    assert_eq!(header(&first, "webhook-id"), header(&second, "webhook-id"));
    assert!(header(&second, "webhook-signature").starts_with("v1,"));
    let body = |request: &str| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&first), body(&second));
    assert!(body(&first).starts_with(r#"{"type":"password.reset","timestamp":"20"#), "{first}");
    assert!(body(&first).ends_with(r#""data":{"account":"1","dialect":"px0"}}"#), "{first}");
    assert!(!first.contains("example.com"), "the event holds no address");
}
