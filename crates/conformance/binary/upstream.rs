//! A back end behind the server, as an operator configures it. `crates/conformance/tests/upstream` has the details.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use conformance::{
    http::{get, send},
    server::TestDeployment,
    tls_back_end::{Authority, Validity},
};

use super::{deployment, px0};

#[test]
fn server_passes_on_what_is_not_its_own_and_logs_a_failing_back_end_without_addresses() {
    let (mut deployment, _folder) = deployment();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    deployment.set("POLYRESET_UPSTREAM_URL", &format!("http://{address}"));
    deployment.set("POLYRESET_CORS_ORIGINS", "upstream");
    // Requests and responses at this level are logged in full by careless libraries.
    deployment.set("POLYRESET_LOG", "info");
    let server = deployment.start().unwrap();
    let back_end = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi").unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let answer = get(server.address, "/api/auth/me?of=ann").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hi"));
    let head = back_end.join().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /api/auth/me?of=ann http/1.1\r\n"), "{head}");
    assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n") && head.contains("host: test\r\n"), "{head}");
    let row = send(server.address, &px0().request_for("ghost@example.com")).unwrap();
    assert_eq!(row.status, 404, "px0 answers: {}", row.body);
    for _ in 0..3 {
        let down = get(server.address, "/api/auth/me?of=ann@example.com").unwrap();
        assert_eq!(down.status, 502, "{}", down.body);
    }
    let log = deployment.logged();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("upstream_url")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("connection refused") && !lines[0].contains("127.0.0.1"), "{}", lines[0]);
    assert!(!log.contains("ann@example.com") && !log.contains(&address), "{log}");
}

/// Only a certificate of a trusted authority, for the host in the URL and valid now, gets a request with its passwords.
#[test]
fn back_end_over_tls_needs_a_valid_certificate_and_the_log_says_what_is_wrong_with_it() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    for (authority_of_back_end, name, validity, wrong) in [
        (&authority, "127.0.0.1", Validity::Current, None),
        (&authority, "back-end.example", Validity::Current, Some("the certificate is for another name")),
        (&authority, "127.0.0.1", Validity::Expired, Some("the certificate has expired")),
        (&stranger, "127.0.0.1", Validity::Current, Some("the certificate's authority is unknown")),
    ] {
        let (mut deployment, folder) = deployment();
        let file = folder.path().join("authority.pem");
        fs::write(&file, authority.pem()).unwrap();
        let back_end = authority_of_back_end.back_end(name, validity).unwrap();
        deployment.set("SSL_CERT_FILE", &file.display().to_string());
        deployment.set("POLYRESET_UPSTREAM_URL", &format!("https://{back_end}"));
        let server = deployment.start().unwrap();
        let answer = get(server.address, "/api/auth/me").unwrap();
        let log = deployment.logged();
        let line = log.lines().find(|line| line.contains("requests failed at the back end"));
        match wrong {
            None => {
                assert_eq!((answer.status, answer.body.as_str()), (200, "over TLS"));
                assert_eq!(line, None);
            }
            Some(wrong) => {
                assert_eq!(answer.status, 502, "{name} {validity:?}: {}", answer.body);
                assert!(line.is_some_and(|line| line.contains(wrong)), "{name} {validity:?}: {log}");
            }
        }
        assert_eq!(send(server.address, &px0().request_for("ghost@example.com")).unwrap().status, 404);
    }
}

#[test]
fn doctor_connects_to_the_back_end() {
    let (mut deployment, _folder) = deployment();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    deployment.set("POLYRESET_UPSTREAM_URL", &url);
    let line = |deployment: &TestDeployment| {
        let output = deployment.run(&["doctor"], "").unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let line = printed.lines().find(|line| line.contains("upstream_url: ")).map(ToOwned::to_owned);
        (output.status.success(), line.unwrap_or(printed))
    };
    assert_eq!(line(&deployment), (true, "ok    upstream_url: the back end accepts connections".to_owned()));
    drop(listener);
    let (healthy, line) = line(&deployment);
    assert!(!healthy && line.starts_with("FAIL  upstream_url: the back end cannot be reached: "), "{line}");
}

#[test]
fn impossible_settings_of_a_back_end_stop_the_start() {
    for (name, value, expected) in [
        ("POLYRESET_UPSTREAM_URL", "http://back-end/base", "upstream_url (POLYRESET_UPSTREAM_URL) is"),
        ("POLYRESET_CORS_ORIGINS", "upstream", "cors_origins is upstream, but"),
        ("POLYRESET_UPSTREAM_TIMEOUT", "0s", "upstream_timeout (POLYRESET_UPSTREAM_TIMEOUT) is"),
        ("POLYRESET_UPSTREAM_HOST", "other", "upstream_host (POLYRESET_UPSTREAM_HOST) is"),
    ] {
        let (mut deployment, _folder) = deployment();
        deployment.set(name, value);
        let output = deployment.run(&["serve"], "").unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
