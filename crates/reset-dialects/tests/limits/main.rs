//! Limits on the wire: which row counts what, in whose words it says so, and a day of an attack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod own_names;
mod replay;

use bench::{HOUR, LimitsBench, MINUTE, bench, shared, unlimited};
use http::{Method, header};

const ASK: &str = r#"{"email":"user@example.com"}"#;
const CODE: &str = r#"{"code":"000001","new_password":"NewSecretPassword123!"}"#;
const LONG_CODE: &str = r#"{"code":"0000-0000-0000-0","new_password":"NewSecretPassword123!"}"#;
const EXCHANGE: &str = r#"{"email":"user@example.com","code":"000001"}"#;
const PX0: &str = "/v1/auth/password-reset/reset";
const PX0_BUDGET: &str = "guesses.px0";

const CODE_ON_PAGE: &str = "by=code&email=user%40example.com&code=000001&password=NewSecretPassword123!";

/// What a row takes, and so what bounds the guesses at it.
enum Takes {
    /// An address: its asks are counted.
    Ask(&'static str),
    /// A code that can be guessed: a budget in the store is taken from.
    Code(&'static str, usize),
    /// A secret with a tag, without which nothing is looked up.
    Tagged(String),
    /// No secret, but a body all the same.
    Words(&'static str),
    Nothing,
}

/// Every row that is served. One that is missing here fails the test: say what bounds the guesses at it.
fn takes(path: &str) -> Option<Takes> {
    let (forged, long) = ("a".repeat(64), "a".repeat(128));
    let strapi =
        format!(r#"{{"code":"{long}","password":"a new password","passwordConfirmation":"a new password"}}"#);
    Some(match path {
        "/v1/auth/password-reset/trigger"
        | "/auth/api/v1/forgot-password"
        | "/auth/forgot-password"
        | "/api/auth/forgot-password"
        | "/api/auth/email/send-reset-password" => Takes::Ask(ASK),
        "/forgot" => Takes::Ask("email=user%40example.com"),
        PX0 => Takes::Code(CODE, 5),
        "/reset" => Takes::Code(CODE_ON_PAGE, 5),
        "/api/auth/email/exchange-reset-password-token" => Takes::Code(EXCHANGE, 10),
        "/auth/api/v1/reset-password" => {
            Takes::Tagged(r#"{"password":"a new password","reset_token":"a.b.c"}"#.to_owned())
        }
        "/auth/reset-password" | "/api/auth/reset-password" => Takes::Tagged(strapi),
        "/api/auth/email/reset-password" => {
            Takes::Tagged(format!(r#"{{"newPassword":"a new password","otp":"{forged}"}}"#))
        }
        "/api/auth/email/reset-password-link" => Takes::Tagged(String::new()),
        "/reset/strength" => Takes::Words("password=000001&code=000001&email=user%40example.com"),
        "/not-me" => Takes::Tagged(format!("token={forged}")),
        "/api/auth/public-config"
        | "/healthz"
        | "/readyz"
        | "/.well-known/change-password"
        | "/openapi.json"
        | "/openapi.yaml"
        | "/docs"
        | "/docs/swagger-ui-bundle.js"
        | "/docs/swagger-ui.css"
        | "/dialects" => Takes::Nothing,
        _ => return None,
    })
}

/// The error of the dialect that `path` is one of.
fn error(dialect: &str) -> &'static str {
    match dialect {
        "px0" => r#"{"error":"too many requests, try again later"}"#,
        "worthai" => {
            r#"{"status":"fail","message":"Too many requests","errorCode":"ERR_TOO_MANY_REQUESTS","data":{"errorName":"RateLimitError"}}"#
        }
        "strapi" => {
            r#"{"code":429,"message":"Too many requests, please try again later.","data":null,"error":{"status":429,"name":"RateLimitError","message":"Too many requests, please try again later.","details":{}}}"#
        }
        "insforge" => {
            r#"{"error":"TOO_MANY_REQUESTS","message":"Too many requests, please try again later","statusCode":429}"#
        }
        "pages" => "<h1>Too many tries</h1>",
        other => panic!("{other} refuses nobody"),
    }
}

async fn refused(bench: &LimitsBench, client: &str, dialect: &str, uri: &str, body: &str, wait: u64) {
    let answer = bench.send(client, uri, body, &[]).await;
    assert_eq!(answer.status(), 429, "{uri}");
    assert_eq!(answer.headers()[header::RETRY_AFTER], wait.to_string(), "{uri}");
    let (said, error) = (std::str::from_utf8(answer.body()).unwrap(), error(dialect));
    assert!(said == error || (dialect == "pages" && said.contains(error)), "{uri}: {said}");
}

#[tokio::test]
async fn every_row_that_takes_a_secret_counts_and_refuses_in_its_dialects_words() {
    const CLIENT: &str = "203.0.113.9";
    for route in bench().api.routes().to_vec() {
        let bench = bench();
        bench.account("user@example.com").await;
        let path = route.path.as_str();
        let takes =
            takes(path).unwrap_or_else(|| panic!("{path} is a new row: what bounds the guesses at it?"));
        let (uri, body, free, wait) = match takes {
            Takes::Nothing => {
                assert!(!route.endpoints.iter().any(|endpoint| endpoint.method == Method::POST), "{path}");
                continue;
            }
            Takes::Words(body) => {
                for _ in 0..100 {
                    assert_eq!(bench.send(CLIENT, path, body, &[]).await.status(), 200, "{path}");
                }
                let budgets = [PX0_BUDGET, "guesses.insforge.nobody"];
                assert_eq!(budgets.map(|name| bench.memory.store.taken(name)), [0, 0], "{path}");
                assert_eq!(bench.memory.store.look_ups(), 0, "{path}");
                continue;
            }
            Takes::Ask(body) => (path.to_owned(), body.to_owned(), 5, 15 * 60),
            Takes::Code(body, 5) => (path.to_owned(), body.to_owned(), 5, 60 * 60),
            Takes::Code(body, free) => (path.to_owned(), body.to_owned(), free, 15 * 60),
            Takes::Tagged(body) if body.is_empty() => {
                (format!("{path}?token={}", "a".repeat(64)), body, 60, 60 * 60)
            }
            Takes::Tagged(body) => (path.to_owned(), body, 60, 60 * 60),
        };
        for number in 0..free {
            let status = bench.send(CLIENT, &uri, &body, &[]).await.status();
            assert_ne!(status, 429, "{uri}, request {number}");
        }
        refused(&bench, CLIENT, route.dialect, &uri, &body, wait).await;
        // A budget was taken from, or there was nothing to take it for.
        let guessed = bench.memory.store.taken(PX0_BUDGET);
        match path {
            PX0 | "/reset" => assert_eq!((guessed, bench.memory.store.look_ups()), (5, 5)),
            "/api/auth/email/exchange-reset-password-token" => {
                assert_eq!(bench.memory.store.taken("guesses.insforge.nobody"), 10);
            }
            _ => assert_eq!((guessed, bench.memory.store.look_ups()), (0, 0), "{path}"),
        }
    }
}

#[tokio::test]
async fn of_a_thousand_addresses_guessing_at_px0_five_guesses_are_evaluated_in_ten_minutes() {
    let bench = shared();
    let all: Vec<_> = (0..1_000)
        .map(|number| {
            let bench = bench.clone();
            tokio::spawn(async move {
                let client = format!("203.{}.{}.7", number / 250, number % 250);
                let body = format!(r#"{{"code":"{number:06}","new_password":"NewSecretPassword123!"}}"#);
                bench.post(&client, PX0, &body).await
            })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), 400, "the ordinary answer");
    }
    assert_eq!(bench.memory.store.look_ups(), 5);
}

#[tokio::test]
async fn long_codes_are_never_refused_for_short_guesses() {
    let bench = bench();
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 400);
    }
    assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 429);
    assert_eq!(bench.post("203.0.113.9", PX0, LONG_CODE).await, 400);
    bench.memory.clock.advance(HOUR);
    assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 400);
}

#[tokio::test]
async fn nothing_that_a_client_sends_chooses_its_count() {
    let bench = bench();
    let spoofed = |number: u32| format!("198.51.100.{number}");
    for number in 0..5 {
        let forwarded = format!("for={}", spoofed(number));
        let headers = [("x-forwarded-for", spoofed(number)), ("forwarded", forwarded)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = format!(r#"{{"email":"user{number}@example.com","ignored":"{number}"}}"#);
        bench.send("203.0.113.9", "/v1/auth/password-reset/trigger", &body, &headers).await;
    }
    let mapped = bench.send("::ffff:203.0.113.9", "/auth/forgot-password", ASK, &[]).await;
    assert_eq!(mapped.status(), 429, "one count over all dialects, however the address is written");
    for host in 0..5 {
        assert_ne!(bench.post(&format!("2001:db8::{host:x}"), "/auth/forgot-password", ASK).await, 429);
    }
    assert_eq!(bench.post("2001:DB8:0:0:FFFF::1", "/auth/forgot-password", ASK).await, 429);
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_count() {
    let bench = bench();
    let ask = async |forwarded: &str| {
        let headers = [("x-forwarded-for", forwarded)];
        bench.send("10.0.0.1", "/auth/forgot-password", ASK, &headers).await.status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(ask("198.51.100.1, 203.0.113.9").await, 200);
    }
    assert_eq!(ask("198.51.100.2, 203.0.113.9").await, 429);
    assert_eq!(ask("203.0.113.9, 198.51.100.1").await, 200);
}

#[tokio::test]
async fn a_page_is_no_way_around_a_limit() {
    let bench = bench();
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.9", "/reset", CODE_ON_PAGE).await, 400);
    }
    assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 429, "one count of codes");
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.10", "/forgot", "email=user%40example.com").await, 200);
    }
    assert_eq!(bench.post("203.0.113.10", "/auth/forgot-password", ASK).await, 429, "one count of asks");
}

#[tokio::test]
async fn the_limit_of_an_address_cannot_be_seen() {
    let bench = bench();
    bench.account("user@example.com").await;
    let bytes = async |client: &str, email: &str| {
        let body = format!(r#"{{"email":"{email}"}}"#);
        let answer = bench.send(client, "/auth/forgot-password", &body, &[]).await;
        let mut headers = answer.headers().clone();
        headers.remove("x-reset-reference").expect("on every answer");
        (answer.status(), headers, answer.into_body())
    };
    let first = bytes("203.0.113.1", "user@example.com").await;
    for number in 2..30 {
        for email in ["user@example.com", "ghost@example.com"] {
            assert!(bytes(&format!("203.0.113.{number}"), email).await == first);
        }
    }
    assert_eq!(bench.mails().await.len(), 1);
}

#[tokio::test]
async fn malformed_asks_and_clients_without_an_address_are_not_counted() {
    let bench = bench();
    for _ in 0..20 {
        assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", r#"{"email":""}"#).await, 400);
        assert_eq!(bench.post("", "/auth/forgot-password", ASK).await, 200);
    }
    assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", ASK).await, 200);
}

#[tokio::test]
async fn without_limits_nobody_is_refused() {
    let bench = unlimited();
    bench.account("user@example.com").await;
    for _ in 0..100 {
        assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", ASK).await, 200);
        assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 400);
        bench.memory.clock.advance(MINUTE / 10);
    }
    assert_eq!(bench.mails().await.len(), 100);
}

#[tokio::test]
async fn after_ten_wrong_insforge_codes_a_link_is_mailed_and_resets() {
    let bench = bench();
    bench.account("user@example.com").await;
    let exchange = "/api/auth/email/exchange-reset-password-token";
    let mut mail = None;
    // Three codes of three guesses each, an hour apart, then one guess more; each from another client.
    for number in 0..10 {
        if number % 3 == 0 {
            bench.memory.clock.advance(HOUR);
            bench.post("203.0.113.9", "/api/auth/email/send-reset-password", ASK).await;
            mail = bench.mails().await.pop();
        }
        let right = mail.as_ref().unwrap().secret.parse::<u32>().unwrap();
        let body = format!(r#"{{"email":"user@example.com","code":"{:06}"}}"#, (right + 1) % 1_000_000);
        assert_eq!(bench.post(&format!("198.51.{number}.1"), exchange, &body).await, 401);
    }
    bench.memory.clock.advance(HOUR);
    let asked = bench.send("203.0.113.9", "/api/auth/email/send-reset-password", ASK, &[]).await;
    let code =
        "If your email is registered, we have sent you a password reset code. Please check your inbox.";
    assert!(String::from_utf8(asked.body().to_vec()).unwrap().contains(code), "it looks as ever");
    let link = bench.mails().await.remove(0).secret;
    let token = link.strip_prefix("http://127.0.0.1:8080/reset?token=").unwrap();
    assert!(bench.logs_in("user@example.com", bench::OLD_PASSWORD).await);
    let body = format!(r#"{{"newPassword":"NewSecretPassword123!","otp":"{token}"}}"#);
    assert_eq!(bench.post("203.0.113.9", "/api/auth/email/reset-password", &body).await, 200);
    assert!(bench.logs_in("user@example.com", "NewSecretPassword123!").await);
}
