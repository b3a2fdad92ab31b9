//! Who answers: polyreset its rows, the back end everything else.

use std::time::Duration;

use conformance::{
    clients,
    http::{Connection, RawResponse, get, post},
};
use reset_http::{
    client::{MailedSecret, Step},
    upstream::UpstreamOptions,
};
use reset_testkit::memory::SentKind;
use serde_json::Value;

use super::{
    RunningServer,
    back_end::PUBLIC_CONFIG,
    bench::{FRONT_ENDS, every_dialect},
    with_each, with_each_of,
};

/// Headers that differ from one response to the next.
const VARYING: [&str; 2] = ["date", "x-reset-reference"];

fn comparable(mut answer: RawResponse) -> RawResponse {
    answer.headers.retain(|(name, _)| !VARYING.contains(&name.as_str()));
    // actix writes headers in any order.
    answer.headers.sort();
    answer
}

#[test]
fn rows_of_polyreset_are_answered_as_without_a_back_end() {
    for front_end in FRONT_ENDS {
        let alone = RunningServer::start(front_end, every_dialect(&[], None));
        let back_end = super::BackEnd::start();
        let options = reset_http::ServeOptions {
            upstream: Some(super::options(back_end.address)),
            ..Default::default()
        };
        let in_front = RunningServer::start_with(front_end, every_dialect(&[], None), options);
        let send = |server: &RunningServer, step: &Step| {
            comparable(conformance::http::send(server.address, step).unwrap())
        };
        for client in clients::all() {
            let steps = [
                client.request_for("ghost@example.com"),
                client.redeem_with(&client.forged, "New Password 1!"),
            ];
            for step in steps {
                assert_eq!(send(&in_front, &step), send(&alone, &step), "{} {}", front_end.0, step.path);
            }
        }
        for path in ["/healthz", "/forgot", "/.well-known/change-password"] {
            let [one, other] =
                [&in_front, &alone].map(|server| comparable(get(server.address, path).unwrap()));
            assert_eq!(one, other, "{} {path}", front_end.0);
        }
        assert_eq!(back_end.seen().len(), 0);
    }
}

#[test]
fn reset_by_the_paths_of_each_dialect_stays_with_polyreset() {
    let user = "user@example.com";
    with_each(|server, back_end| {
        // One account requests one reset at a time without limits, so the mails are in order.
        for client in clients::all() {
            let accepted = conformance::http::send(server.address, &client.request_for(user)).unwrap();
            assert!(accepted.is_success(), "{}: {}", client.dialect, accepted.body);
            let mailed = server.next_mail().secret;
            let secret = match client.mailed {
                MailedSecret::Code => mailed,
                MailedSecret::Link { .. } => client.secret_in(&mailed).unwrap(),
            };
            let secret = clients::exchanged(&client, server.address, user, secret).unwrap();
            let redeemed = client.redeem_with(&secret, "NewSecretPassword123!");
            let reset = conformance::http::send(server.address, &redeemed).unwrap();
            assert!(reset.is_success(), "{}: {}", client.dialect, reset.body);
            assert_eq!(server.next_mail().kind, SentKind::Changed);
            server.memory.clock.advance(Duration::from_secs(60 * 60));
        }
        assert_eq!(back_end.seen().len(), 0);
    });
}

#[test]
fn everything_else_is_answered_by_the_back_end_also_another_method_of_the_same_path() {
    with_each(|server, back_end| {
        for (method, path) in [
            ("GET", "/api/auth/me"),
            ("POST", "/api/auth/local"),
            ("GET", "/api/auth/forgot-password"),
            ("DELETE", "/v1/auth/password-reset/trigger"),
            ("GET", "/Forgot"),
            ("POST", "/forgot/"),
            ("PUT", "/healthz"),
        ] {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
            let answer = Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
            assert_eq!(answer.body, format!("back end: {method} {path}"));
            assert_eq!(back_end.last().target, path);
        }
        let missing = get(server.address, "/missing").unwrap();
        assert_eq!((missing.status, missing.body.as_str()), (404, "not here"));
    });
}

#[test]
fn operation_in_a_spelling_that_only_a_tolerant_back_end_accepts_does_not_reach_it() {
    with_each(|server, back_end| {
        let body = r#"{"email":"user@example.com"}"#;
        for path in [
            "/api/auth/forgot-password//",
            "/api/auth//forgot-password",
            "/api/auth/forgot%2Dpassword",
            "/api/auth/forgot%252dpassword",
            "/api/x/../auth/forgot-password",
            "/api/auth/forgot-password;a=b",
            "/api%2fauth/forgot-password",
        ] {
            let answer = post(server.address, path, body).unwrap();
            assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        }
        let odd = "post /api/auth/forgot-password HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(Connection::open(server.address).unwrap().send(odd.as_bytes()).unwrap().status, 405);
        for path in ["/API/Auth/Forgot-Password", "/V1/Auth/password-reset/trigger/"] {
            let lenient = post(server.address, path, body).unwrap();
            assert_eq!(lenient.status, 200, "Strapi and px0 accept it: {}", lenient.body);
        }
        assert_eq!(back_end.seen().len(), 0);
    });
}

fn preflight(server: &RunningServer, path: &str, method: &str) -> RawResponse {
    let request = format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: https://app.example.com\r\n\
         access-control-request-method: {method}\r\n\r\n"
    );
    Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap()
}

#[test]
fn preflight_belongs_to_the_row_of_the_method_that_it_asks_for() {
    with_each(|server, back_end| {
        let own = preflight(server, "/api/auth/forgot-password", "POST");
        assert_eq!((own.status, own.header("access-control-max-age")), (204, Some("3600")));
        assert_eq!(back_end.seen().len(), 0);
        for (path, method) in [
            ("/api/auth/forgot-password", "GET"),
            ("/api/auth/me", "GET"),
            ("/api/auth/public-config", "GET"),
        ] {
            let theirs = preflight(server, path, method);
            assert_eq!(theirs.header("access-control-max-age"), Some("86400"), "{method} {path}");
        }
    });
}

#[test]
fn back_end_decides_on_cors_of_every_row_if_it_is_asked_to() {
    let cors = |upstream| UpstreamOptions { cors: true, ..upstream };
    with_each_of(cors, &[], |server, back_end| {
        let answered = preflight(server, "/api/auth/forgot-password", "POST");
        assert_eq!(answered.header("access-control-max-age"), Some("86400"));
        let body = r#"{"email":"ghost@example.com"}"#;
        let request = |origin: &str| {
            format!(
                "POST /api/auth/forgot-password HTTP/1.1\r\nhost: a\r\n{origin}content-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let send =
            |request: String| Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
        let answer = send(request("origin: https://app.example.com\r\n"));
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ok":true}"#));
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-reset-reference"),
            ("vary", "Origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let asked = back_end.last();
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("OPTIONS", "/api/auth/forgot-password"));
        assert_eq!(asked.headers["access-control-request-method"], "POST");
        let before = back_end.seen().len();
        assert_eq!(send(request("")).header("access-control-allow-origin"), None);
        assert_eq!(back_end.seen().len(), before, "no browser asks");
    });
}

#[test]
fn public_config_is_that_of_the_back_end_with_the_keys_of_polyreset_replaced() {
    with_each(|server, back_end| {
        let request = "GET /api/auth/public-config HTTP/1.1\r\nhost: a\r\nif-none-match: \"their-bytes\"\r\n\
                       accept-encoding: gzip\r\ncookie: a=b\r\n\r\n";
        let mut connection = Connection::open(server.address).unwrap();
        let answer = connection.send(request.as_bytes()).unwrap();
        let [theirs, merged]: [Value; 2] =
            [PUBLIC_CONFIG, &answer.body].map(|text| serde_json::from_str(text).unwrap());
        for key in ["oAuthProviders", "disableSignup", "theirs"] {
            assert_eq!(merged[key], theirs[key], "{key}");
        }
        assert_eq!(merged["passwordMinLength"], 8);
        assert_eq!(merged["resetPasswordMethod"], "code");
        assert_eq!((answer.header("x-theirs"), answer.header("etag")), (Some("1"), None));
        let seen = back_end.last().headers;
        assert_eq!(
            (seen.get("if-none-match"), &seen["accept-encoding"]),
            (None, &"identity".parse().unwrap())
        );
        assert_eq!(seen["cookie"], "a=b");
        let head = connection.send(request.replace("GET", "HEAD").as_bytes()).unwrap();
        assert_eq!(head.header("content-length"), answer.header("content-length"));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    });
}
