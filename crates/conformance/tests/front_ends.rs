//! Runs every recorded case against every server over TCP.
//!
//! To add a server, add one line to `FRONT_ENDS`.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod stage;

use std::{fs, path::Path};

use bench::{FRONT_ENDS, RunningServer, every_dialect};
use conformance::{
    case::{self, Case},
    http::Connection,
};
use reset_dialects::MODULES;
use reset_http::{
    Dialect,
    client::{Client, MailedSecret},
};
use stage::staged;

/// Returns the cases of the files in a folder of this package; none if there is no such folder.
fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "http")).collect();
    files.sort();
    files.iter().flat_map(|path| case::parse(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// Returns the cases of every dialect, from its own folder, and those of polyreset's own paths.
fn all_cases() -> Vec<Case> {
    let mut all = cases("cases");
    for module in MODULES {
        let name = module.name;
        let own = cases(&format!("../dialects/{name}/cases"));
        assert!(
            !own.is_empty(),
            "{name} has no recorded cases: add crates/dialects/{name}/cases/{name}.http"
        );
        all.extend(own);
    }
    all
}

fn assert_recorded_responses(cases: &[Case], dialects: fn() -> Vec<Dialect>) {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, dialects());
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
    let cases = all_cases();
    assert!(cases.len() > 50, "{} cases", cases.len());
    assert_recorded_responses(&cases, every_dialect);
}

#[test]
fn every_server_sends_the_recorded_responses_in_a_demo() {
    let cases = cases("cases/demo");
    assert!(cases.len() > 10, "{} cases", cases.len());
    assert_recorded_responses(&cases, || staged(&[]));
}

/// A route without a case would have no black-box test.
#[test]
fn every_method_of_every_route_has_a_case() {
    let cases = all_cases().into_iter().chain(cases("cases/demo"));
    let requests: Vec<String> =
        cases.map(|case| String::from_utf8_lossy(&case.request).into_owned()).collect();
    for dialect in staged(&[]) {
        for (path, endpoints) in &dialect.rows {
            for endpoint in endpoints {
                let line = format!("{} {path}", endpoint.method);
                let shown = requests.iter().any(|request| {
                    // HEAD is GET without the body.
                    let request = request.replacen("HEAD ", "GET ", 1);
                    request.strip_prefix(&line).is_some_and(|rest| rest.starts_with([' ', '?']))
                });
                assert!(shown, "no case for {line} of {}", dialect.name);
            }
        }
    }
}

#[test]
fn the_served_documents_equal_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, every_dialect());
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
    let links = every_dialect().into_iter().filter_map(|dialect| dialect.client);
    let links: Vec<Client> =
        links.filter(|client| matches!(client.mailed, MailedSecret::Link { .. })).collect();
    assert!(!links.is_empty());
    for front_end in FRONT_ENDS {
        for client in &links {
            // A server for each dialect: further requests for the address are limited.
            let bench = RunningServer::start(front_end, every_dialect());
            let step = client.request_for("user@example.com");
            let request = format!(
                "POST http://evil.example{} HTTP/1.1\r\nhost: evil.example\r\n\
                 x-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\nx-forwarded-proto: https\r\n\
                 origin: https://evil.example\r\nreferer: https://evil.example/\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
                step.path,
                step.body.len(),
                step.body
            );
            let answer = Connection::open(bench.address).unwrap().send(request.as_bytes()).unwrap();
            assert!(answer.status < 300, "{}: {}", client.dialect, answer.status);
            let mail = bench.next_mail();
            assert!(mail.secret.starts_with("http://127.0.0.1:8080/reset?"), "{}", mail.secret);
            assert!(client.secret_in(&mail.secret).is_some(), "{}", mail.secret);
        }
    }
}
