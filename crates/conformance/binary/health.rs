//! The command `healthcheck`, as a container's runtime runs it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use conformance::server::Deployment;

use super::deployment;

fn check(deployment: &Deployment) -> (Output, String) {
    let output = deployment.run(&["healthcheck"], "").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn refused(deployment: &Deployment, expected: &str) {
    let (output, said) = check(deployment);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_running_server_is_healthy_wherever_it_listens_and_an_ended_one_is_not() {
    for every in ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"] {
        let (mut deployment, _folder) = deployment();
        deployment.set("POLYRESET_LISTEN", &format!("{every}:0"));
        let server = deployment.start().unwrap();
        deployment.set("POLYRESET_LISTEN", &format!("{every}:{}", server.address.port()));
        let (output, said) = check(&deployment);
        assert!(output.status.success() && said.is_empty() && output.stdout.is_empty(), "{every}: {said}");
        server.kill();
        refused(&deployment, "no healthy server at ");
    }
}

#[test]
fn a_unix_socket_is_asked_as_well() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_LISTEN", &format!("unix:{}", folder.path().join("reset.sock").display()));
    refused(&deployment, "no healthy server at unix:");
    let server = deployment.start_on_socket().unwrap();
    let (output, said) = check(&deployment);
    assert!(output.status.success(), "{said}");
    drop(server);
}

#[test]
fn a_port_that_nobody_named_cannot_be_asked() {
    let (deployment, _folder) = deployment();
    refused(&deployment, "set a fixed port");
}

#[test]
fn whatever_else_answers_or_says_nothing_is_not_healthy() {
    for (answer, expected) in [
        (Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"), "/readyz returned 503"),
        (Some("220 mail.example.org ESMTP\r\n"), "is not HTTP/1.1"),
        (None, "did not respond within 2s"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut deployment, _folder) = deployment();
        deployment.set("POLYRESET_LISTEN", &listener.local_addr().unwrap().to_string());
        let other = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:"));
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Until the other side has had enough.
                None => drop(stream.read(&mut request)),
            }
        });
        let begun = Instant::now();
        refused(&deployment, expected);
        assert!(begun.elapsed() < super::TIMEOUT.max(Duration::from_secs(2)));
        other.join().unwrap();
    }
}
