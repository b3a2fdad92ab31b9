//! Checks the headers of every response, for each route, status and server, against an exact list (R35).

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use bench::{FRONT_ENDS, RunningServer, every_dialect};
use conformance::http::{Connection, RawResponse};
use reset_http::{
    Dialect,
    client::{Client, Step},
    cors::CORS_HEADERS,
};
use stage::staged;

/// Headers of every response.
const ALWAYS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
];

/// Paths of the hosted pages, the demo and the API page.
const PAGES: [&str; 13] = [
    "/",
    "/ask",
    "/mailbox",
    "/mail",
    "/mail/html",
    "/sign-in",
    "/docs",
    "/dialects",
    "/forgot",
    "/reset",
    "/reset/strength",
    "/not-me",
    "/.well-known/change-password",
];

/// Returns whether a further header is allowed: by its value, or by its name if the value varies.
fn is_allowed(name: &str, value: &str) -> bool {
    match name {
        "content-type" => {
            let kinds = ["application/json", "application/problem+json", "application/yaml"];
            kinds.contains(&value.trim_end_matches("; charset=utf-8"))
                || ["text/html", "text/css", "text/javascript"]
                    .iter()
                    .any(|kind| value.strip_prefix(kind) == Some("; charset=utf-8"))
        }
        "allow" | "access-control-allow-methods" => {
            ["POST, OPTIONS", "GET, HEAD, OPTIONS", "GET, HEAD, POST, OPTIONS"].contains(&value)
        }
        "access-control-allow-headers" => value == CORS_HEADERS.join(", "),
        "access-control-max-age" => value == "3600",
        "connection" => ["close", "keep-alive"].contains(&value),
        "location" => {
            value.starts_with("https://app.example.com/reset?") || value == "http://127.0.0.1:8080/forgot"
        }
        "content-language" => value == "en",
        "content-encoding" => value == "gzip",
        "vary" => ["Accept", "Accept-Language, Cookie", "Accept-Encoding"].contains(&value),
        "x-reset-reference" => value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "date" | "content-length" => true,
        _ => false,
    }
}

/// Returns whether a response is one of [`PAGES`].
fn is_page(path: &str, answer: &RawResponse) -> bool {
    PAGES.contains(&path) && answer.header("content-type") == Some("text/html; charset=utf-8")
}

/// Returns the first fault in the headers of a response.
fn fault(path: &str, answer: &RawResponse) -> Option<String> {
    let mut headers: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &answer.headers {
        if headers.insert(name, value).is_some() {
            return Some(format!("{name} twice"));
        }
    }
    for (name, expected) in ALWAYS {
        match headers.remove(name) {
            // A page may use only its own style sheet and script.
            Some(value) if name == "content-security-policy" && is_page(path, answer) => {
                if !value.starts_with("default-src 'none'; style-src 'sha256-") || value.contains("unsafe") {
                    return Some(format!("a page with {name}: {value}"));
                }
            }
            Some(value) if value == expected => {}
            other => return Some(format!("{name}: {other:?}")),
        }
    }
    headers
        .iter()
        .find(|(name, value)| !is_allowed(name, value))
        .map(|(name, value)| format!("{name}: {value}"))
}

/// Returns the dialects of a demo, which serve every route, with InsForge mailing links, so that there is a link to open.
fn dialects() -> Vec<Dialect> {
    staged(&[
        ("insforge.method", "link"),
        ("insforge.allowed_redirect_urls", "https://app.example.com/reset"),
    ])
}

/// Returns the requests of every client, with addresses that have an account and that have none, and with forged secrets.
fn steps(dialects: &[Dialect]) -> Vec<Step> {
    let each = |client: &Client| {
        let (known, unknown) = ("user@example.com", "ghost@example.com");
        let mut steps = vec![client.request_for(known), client.request_for(unknown)];
        steps.extend(client.exchange_of(known, "000000"));
        steps.push(client.redeem_with(&client.forged, "New Password 1!"));
        steps
    };
    dialects.iter().filter_map(|dialect| dialect.client.as_ref()).flat_map(each).collect()
}

/// Returns requests that together cause every status of the route.
fn requests(method: &str, path: &str, steps: &[Step], link: &str) -> Vec<String> {
    let post = |kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let without_body = |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n");
    let json = "application/json";
    let mut all = vec![
        without_body("OPTIONS", path),
        without_body("DELETE", path),
        without_body("GET", &format!("{path}/nothing-there")),
    ];
    if method == "POST" {
        // Each path gets the bodies of every dialect, not only of its own.
        all.extend(steps.iter().map(|step| post(json, &step.body)));
        all.extend([
            post(json, r#"{"email":"user@example.com"}"#),
            post(json, r#"{"email":"user@example.com","code":"000000"}"#),
            post(json, "{"),
            post("text/plain", "{}"),
            post(json, &format!(r#"{{"email":"{}"}}"#, "a".repeat(70_000))),
            without_body("GET", path),
        ]);
    } else {
        all.extend([
            without_body("GET", path),
            without_body("HEAD", path),
            format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n"),
            without_body("GET", link),
            without_body("HEAD", link),
            post(json, "{}"),
        ]);
    }
    all
}

#[test]
fn every_response_has_the_security_headers_and_only_allowed_others() {
    for front_end in FRONT_ENDS {
        let (bench, dialects) = (RunningServer::start(front_end, dialects()), dialects());
        let insforge = dialects.iter().find(|dialect| dialect.name == "insforge").unwrap();
        let step = insforge.client.as_ref().unwrap().request_for("user@example.com");
        let accepted = Connection::open(bench.address).unwrap().post(&step.path, &step.body);
        assert_eq!(accepted.unwrap().status, 202);
        let steps = steps(&dialects);
        let mail = bench.next_mail();
        let link = mail.secret.strip_prefix("http://127.0.0.1:8080").unwrap();
        let (mut faults, mut statuses) = (Vec::new(), BTreeSet::new());
        for (path, endpoints) in dialects.iter().flat_map(|dialect| &dialect.rows) {
            for request in requests(endpoints[0].method.as_str(), path, &steps, link) {
                let answer = Connection::open(bench.address).unwrap().send(request.as_bytes()).unwrap();
                statuses.insert(answer.status);
                let request_line = request.lines().next().unwrap();
                faults.extend(
                    fault(path, &answer).map(|fault| format!("{request_line}: {} {fault}", answer.status)),
                );
            }
        }
        assert!(faults.is_empty(), "{}:\n{}", front_end.0, faults.join("\n"));
        let expected = [200, 202, 204, 302, 303, 400, 401, 403, 404, 405, 413, 415, 500];
        assert_eq!(statuses, BTreeSet::from(expected), "{}: other statuses than expected", front_end.0);
    }
}

/// A route has exactly one path, whatever the router and URL parser of the server would accept (R42).
#[test]
fn path_variants_do_not_reach_a_route() {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, every_dialect(&[], None));
        let body = r#"{"email":"user@example.com"}"#;
        for (path, status) in [
            ("/auth/forgot-password", 200),
            ("//auth/forgot-password", 404),
            ("/auth//forgot-password", 404),
            ("/./auth/forgot-password", 404),
            ("/auth/./forgot-password", 404),
            ("/x/../auth/forgot-password", 404),
            ("/auth/x/../forgot-password", 404),
            ("/auth%2fforgot-password", 404),
            ("/auth%2Fforgot-password", 404),
            ("/auth/forgot%2dpassword", 404),
            ("/%61uth/forgot-password", 404),
            ("/auth/forgot-password;x=1", 404),
            ("/auth/forgot-password%00", 404),
            ("/auth/forgot-password%20", 404),
            ("/auth/forgot-password.json", 404),
            ("/auth/forgot-password//", 404),
            // worthai distinguishes case, and a slash at the end.
            ("/auth/api/v1/forgot-password", 200),
            ("/auth/api/v1/forgot-password/", 404),
            ("/Auth/api/v1/forgot-password", 404),
            // px0 and Strapi accept any case and one slash at the end (docs/dialects.md#px0).
            ("/Auth/Forgot-Password/", 200),
            ("/V1/Auth/Password-Reset/Trigger/", 200),
            ("/v1/auth/password-reset//trigger", 404),
            ("/v1/auth/password-reset/trigger//", 404),
        ] {
            let answer = Connection::open(bench.address).unwrap().post(path, body).unwrap();
            assert_eq!(answer.status, status, "{} {path}", front_end.0);
        }
    }
}
