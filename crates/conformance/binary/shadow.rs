//! Shadow mode as an operator uses it: the settings, the notice, the log, the metrics, and the report of another process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use conformance::{
    http::{get, post},
    server::TestDeployment,
};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::BigInt};

use super::{
    TIMEOUT, deployment,
    metrics::{metric, start_with_admin},
};

const REQUEST: &str = "/api/auth/forgot-password";
const RESET: &str = "/api/auth/reset-password";
const ADDRESS: &str = "ann@example.com";
const PASSWORD: &str = "Canary-Password-77";
const CODE: &str = "c4n4ryc0de0123456789";

/// Starts a back end that accepts every request, names its fields by what it got, and returns a token.
fn back_end() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or_default() <= 2 {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let body = format!(r#"{{"ok":1,"{ADDRESS}":true,"{CODE}":"x","sentAt":"{PASSWORD}"}}"#);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-theirs: 1\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn printed(deployment: &TestDeployment, arguments: &[&str]) -> String {
    let output = deployment.run(arguments, "").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[test]
fn shadow_mode_reports_differences_and_leaves_nothing_else_behind() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_UPSTREAM_URL", &format!("http://{}", back_end()));
    deployment.set("POLYRESET_UPSTREAM_MODE", "shadow");
    deployment.add_user(ADDRESS, "the first password").unwrap();
    let (server, admin) = start_with_admin(&mut deployment);
    for _ in 0..3 {
        let answer = post(server.address, REQUEST, &format!(r#"{{"email":"{ADDRESS}"}}"#)).unwrap();
        assert!(
            answer.body.contains(r#""ok":1"#) && answer.header("x-theirs") == Some("1"),
            "{}",
            answer.body
        );
    }
    let reset = format!(r#"{{"code":"{CODE}","password":"{PASSWORD}","passwordConfirmation":"{PASSWORD}"}}"#);
    assert_eq!(post(server.address, RESET, &reset).unwrap().status, 200);
    assert_eq!(get(server.address, "/readyz").unwrap().status, 200);
    let started = Instant::now();
    let report = loop {
        let report = printed(&deployment, &["shadow", "report"]);
        if report.contains("not comparable") {
            break report;
        }
        assert!(started.elapsed() < TIMEOUT, "{report}");
        thread::sleep(Duration::from_millis(100));
    };
    for line in [
        "POST /api/auth/forgot-password",
        "  3 compared: 0 same, 3 different",
        "         3  body ok is boolean instead of number",
        "         3  body lacks sentAt",
        "         3  header x-theirs only there",
        "         3  header x-reset-reference only here",
        "POST /api/auth/reset-password",
        "         1  not comparable: only the back end knows the secret",
    ] {
        assert!(report.lines().any(|printed| printed == line), "{line} is not in\n{report}");
    }
    let of = |route: &str, rest: &str| format!(r#"{{dialect="strapi",route="{route}",{rest}}}"#);
    for (name, labels, expected) in [
        ("requests", of(REQUEST, r#"result="different""#), 3.0),
        ("requests", of(RESET, r#"result="not_comparable""#), 1.0),
        ("differences", of(REQUEST, r#"kind="header""#), 6.0),
    ] {
        let counted = metric(admin, &format!("polyreset_shadow_{name}_total{labels}"));
        assert!(counted >= expected, "{name}{labels}: {counted}");
    }
    let log = deployment.logged();
    assert!(log.contains("mails nothing for the dialects' operations"), "{log}");
    assert_eq!(log.matches("body lacks sentAt").count(), 1, "{log}");
    let mut db = SqliteConnection::establish(deployment.database().to_str().unwrap()).unwrap();
    for table in ["jobs", "tickets", "events", "budgets", "guesses"] {
        let count: Count =
            sql_query(format!("SELECT count(*) AS count FROM {table}")).get_result(&mut db).unwrap();
        assert_eq!(count.count, 0, "{table}");
    }
    let mails = deployment.mails().read_dir().map(Iterator::count).unwrap_or_default();
    assert_eq!(mails, 0, "no mail");
    for canary in [ADDRESS, PASSWORD, CODE] {
        assert!(!report.contains(canary) && !log.contains(canary), "{canary}");
    }
    assert!(printed(&deployment, &["doctor"]).contains("ok    upstream_mode: shadow: the back end answers"));
    printed(&deployment, &["shadow", "clear"]);
    assert!(printed(&deployment, &["shadow", "report"]).starts_with("no request was compared yet"));
}

#[test]
fn shadow_mode_without_a_back_end_stops_the_start() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_UPSTREAM_MODE", "shadow");
    let output = deployment.run(&["serve"], "").unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("upstream_mode is shadow, but"), "{error}");
}
