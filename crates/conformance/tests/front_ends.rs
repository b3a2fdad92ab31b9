//! Runs every recorded case against every server over TCP.
//!
//! To add a server, add one line to `FRONT_ENDS`.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod stage;

use std::{fs, path::Path};

use bench::{FRONT_ENDS, RunningServer, default_settings};
use conformance::{
    case::{self, Case},
    http::Connection,
};
use reset_dialects::{DialectSettings, dialects};
use stage::staged;

fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().flat_map(|path| case::parse(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn assert_recorded_responses(cases: &[Case], settings: fn() -> DialectSettings) {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, settings());
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                let answer = Connection::open(bench.address).unwrap().send(&case.request);
                let compared = answer.and_then(|answer| case.compare(&answer));
                compared.err().map(|error| format!("{}: {error:#}", front_end.0))
            })
            .collect();
        assert!(wrong.is_empty(), "{} cases differ\n\n{}", wrong.len(), wrong.join("\n\n"));
    }
}

#[test]
fn every_server_sends_the_recorded_responses() {
    let cases = cases("cases");
    assert!(cases.len() > 50, "{} cases", cases.len());
    assert_recorded_responses(&cases, default_settings);
}

#[test]
fn every_server_sends_the_recorded_responses_in_a_demo() {
    let cases = cases("cases/demo");
    assert!(cases.len() > 10, "{} cases", cases.len());
    assert_recorded_responses(&cases, staged);
}

/// A route without a case would have no black-box test.
#[test]
fn every_method_of_every_route_has_a_case() {
    let cases = cases("cases").into_iter().chain(cases("cases/demo"));
    let requests: Vec<String> =
        cases.map(|case| String::from_utf8_lossy(&case.request).into_owned()).collect();
    for dialect in dialects(staged()) {
        for (path, endpoints) in &dialect.rows {
            for endpoint in endpoints {
                let line = format!("{} {path}", endpoint.method);
                let shown = requests.iter().any(|request| {
                    // HEAD is GET without the body.
                    let request = request.replacen("HEAD ", "GET ", 1);
                    request.strip_prefix(&line).is_some_and(|rest| rest.starts_with([' ', '?']))
                });
                assert!(shown, "no case for {line}");
            }
        }
    }
}

#[test]
fn the_served_documents_equal_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, default_settings());
        for name in ["openapi.json", "openapi.yaml"] {
            let answer = Connection::open(bench.address).unwrap().get(&format!("/{name}")).unwrap();
            let file = fs::read_to_string(folder.join(name)).unwrap();
            assert!(
                answer.body == file,
                "{} serves a {name} that differs from the file in openapi/",
                front_end.0
            );
        }
    }
}

#[test]
fn mailed_links_ignore_request_headers() {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, default_settings());
        let body = r#"{"email":"user@example.com"}"#;
        let request = format!(
            "POST http://evil.example/auth/api/v1/forgot-password HTTP/1.1\r\nhost: evil.example\r\n\
             x-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\nx-forwarded-proto: https\r\n\
             origin: https://evil.example\r\nreferer: https://evil.example/\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = Connection::open(bench.address).unwrap().send(request.as_bytes()).unwrap();
        assert_eq!(answer.status, 200);
        let mail = bench.next_mail();
        assert!(mail.secret.starts_with("http://127.0.0.1:8080/reset?reset_token="), "{}", mail.secret);
    }
}
