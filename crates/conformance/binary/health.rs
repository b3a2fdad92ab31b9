//! The command `healthcheck`, as a container runtime runs it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use conformance::server::TestDeployment;

use super::deployment;

fn check(deployment: &TestDeployment) -> (Output, String) {
    let output = deployment.run(&["healthcheck"], "").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn assert_unhealthy(deployment: &TestDeployment, expected: &str) {
    let (output, said) = check(deployment);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_running_server_is_healthy_on_any_address_and_a_stopped_one_is_not() {
    for host in ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"] {
        let (mut deployment, _folder) = deployment();
        deployment.set("POLYRESET_LISTEN", &format!("{host}:0"));
        let server = deployment.start().unwrap();
        deployment.set("POLYRESET_LISTEN", &format!("{host}:{}", server.address.port()));
        let (output, said) = check(&deployment);
        assert!(output.status.success() && said.is_empty() && output.stdout.is_empty(), "{host}: {said}");
        server.kill();
        assert_unhealthy(&deployment, "no healthy server at ");
    }
}

#[test]
fn healthcheck_works_over_a_unix_socket() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_LISTEN", &format!("unix:{}", folder.path().join("reset.sock").display()));
    assert_unhealthy(&deployment, "no healthy server at unix:");
    let server = deployment.start_on_socket().unwrap();
    let (output, said) = check(&deployment);
    assert!(output.status.success(), "{said}");
    drop(server);
}

#[test]
fn healthcheck_needs_a_fixed_port() {
    let (deployment, _folder) = deployment();
    assert_unhealthy(&deployment, "set a fixed port");
}

#[test]
fn an_unready_foreign_or_silent_server_is_not_healthy() {
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
                // Wait until the client gives up.
                None => drop(stream.read(&mut request)),
            }
        });
        let started = Instant::now();
        assert_unhealthy(&deployment, expected);
        assert!(started.elapsed() < super::TIMEOUT.max(Duration::from_secs(2)));
        other.join().unwrap();
    }
}
