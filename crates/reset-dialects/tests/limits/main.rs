//! Rate limits on the wire: what each route counts, how each dialect responds, and a simulated day of an attack.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod own_names;
mod replay;

use bench::{HOUR, LimitsBench, MINUTE, bench, shared, unlimited};
use http::{Method, header};

const REQUEST: &str = r#"{"email":"user@example.com"}"#;
const CODE: &str = r#"{"code":"000001","new_password":"NewSecretPassword123!"}"#;
const LONG_CODE: &str = r#"{"code":"0000-0000-0000-0","new_password":"NewSecretPassword123!"}"#;
const EXCHANGE: &str = r#"{"email":"user@example.com","code":"000001"}"#;
const PX0: &str = "/v1/auth/password-reset/reset";
const PX0_BUDGET: &str = "guesses.px0";

const CODE_ON_PAGE: &str = "by=code&email=user%40example.com&code=000001&password=NewSecretPassword123!";

/// The input of a route, which determines what bounds guessing there.
enum RouteInput {
    /// An address: reset requests are counted.
    Address(&'static str),
    /// A guessable code: guesses use up a budget in the store. With the number of attempts per client.
    Code(&'static str, usize),
    /// A secret with a tag; nothing is looked up unless the tag is valid.
    TaggedSecret(String),
    /// A body without a secret.
    NoSecret(&'static str),
    Nothing,
}

/// Returns the input of every served route. A route that is missing here fails the test: add what bounds guessing
/// there.
fn input_of(path: &str) -> Option<RouteInput> {
    let (forged, long) = ("a".repeat(64), "a".repeat(128));
    let strapi =
        format!(r#"{{"code":"{long}","password":"a new password","passwordConfirmation":"a new password"}}"#);
    Some(match path {
        "/v1/auth/password-reset/trigger"
        | "/auth/api/v1/forgot-password"
        | "/auth/forgot-password"
        | "/api/auth/forgot-password"
        | "/api/auth/email/send-reset-password" => RouteInput::Address(REQUEST),
        "/forgot" => RouteInput::Address("email=user%40example.com"),
        PX0 => RouteInput::Code(CODE, 5),
        "/reset" => RouteInput::Code(CODE_ON_PAGE, 5),
        "/api/auth/email/exchange-reset-password-token" => RouteInput::Code(EXCHANGE, 10),
        "/auth/api/v1/reset-password" => {
            RouteInput::TaggedSecret(r#"{"password":"a new password","reset_token":"a.b.c"}"#.to_owned())
        }
        "/auth/reset-password" | "/api/auth/reset-password" => RouteInput::TaggedSecret(strapi),
        "/api/auth/email/reset-password" => {
            RouteInput::TaggedSecret(format!(r#"{{"newPassword":"a new password","otp":"{forged}"}}"#))
        }
        "/api/auth/email/reset-password-link" => RouteInput::TaggedSecret(String::new()),
        "/reset/strength" => RouteInput::NoSecret("password=000001&code=000001&email=user%40example.com"),
        "/not-me" => RouteInput::TaggedSecret(format!("token={forged}")),
        "/api/auth/public-config"
        | "/healthz"
        | "/readyz"
        | "/.well-known/change-password"
        | "/openapi.json"
        | "/openapi.yaml"
        | "/docs"
        | "/docs/swagger-ui-bundle.js"
        | "/docs/swagger-ui.css"
        | "/dialects" => RouteInput::Nothing,
        _ => return None,
    })
}

/// Returns the 429 body of a dialect; for the hosted pages, a part of it.
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
        other => panic!("{other} has no 429"),
    }
}

async fn assert_limited(bench: &LimitsBench, client: &str, dialect: &str, uri: &str, body: &str, wait: u64) {
    let answer = bench.send(client, uri, body, &[]).await;
    assert_eq!(answer.status(), 429, "{uri}");
    assert_eq!(answer.headers()[header::RETRY_AFTER], wait.to_string(), "{uri}");
    let (body, error) = (std::str::from_utf8(answer.body()).unwrap(), error(dialect));
    assert!(body == error || (dialect == "pages" && body.contains(error)), "{uri}: {body}");
}

#[tokio::test]
async fn every_route_that_takes_a_secret_is_limited_with_its_dialects_429() {
    const CLIENT: &str = "203.0.113.9";
    for route in bench().api.routes().to_vec() {
        let bench = bench();
        bench.account("user@example.com").await;
        let path = route.path.as_str();
        let input =
            input_of(path).unwrap_or_else(|| panic!("{path} is a new route: add what bounds guessing there"));
        let (uri, body, free, wait) = match input {
            RouteInput::Nothing => {
                assert!(!route.endpoints.iter().any(|endpoint| endpoint.method == Method::POST), "{path}");
                continue;
            }
            RouteInput::NoSecret(body) => {
                for _ in 0..100 {
                    assert_eq!(bench.send(CLIENT, path, body, &[]).await.status(), 200, "{path}");
                }
                let budgets = [PX0_BUDGET, "guesses.insforge.nobody"];
                assert_eq!(budgets.map(|name| bench.memory.store.taken(name)), [0, 0], "{path}");
                assert_eq!(bench.memory.store.look_ups(), 0, "{path}");
                continue;
            }
            RouteInput::Address(body) => (path.to_owned(), body.to_owned(), 5, 15 * 60),
            RouteInput::Code(body, 5) => (path.to_owned(), body.to_owned(), 5, 60 * 60),
            RouteInput::Code(body, free) => (path.to_owned(), body.to_owned(), free, 15 * 60),
            RouteInput::TaggedSecret(body) if body.is_empty() => {
                (format!("{path}?token={}", "a".repeat(64)), body, 60, 60 * 60)
            }
            RouteInput::TaggedSecret(body) => (path.to_owned(), body, 60, 60 * 60),
        };
        for number in 0..free {
            let status = bench.send(CLIENT, &uri, &body, &[]).await.status();
            assert_ne!(status, 429, "{uri}, request {number}");
        }
        assert_limited(&bench, CLIENT, route.dialect, &uri, &body, wait).await;
        // A guess used up a budget, or it caused no lookup.
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
async fn guesses_from_a_thousand_addresses_at_px0_are_limited_to_five_in_ten_minutes() {
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
        assert_eq!(one.await.unwrap(), 400, "the usual response");
    }
    assert_eq!(bench.memory.store.look_ups(), 5);
}

#[tokio::test]
async fn short_code_guesses_do_not_limit_long_codes() {
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
async fn clients_cannot_choose_the_address_they_are_counted_by() {
    let bench = bench();
    let spoofed = |number: u32| format!("198.51.100.{number}");
    for number in 0..5 {
        let forwarded = format!("for={}", spoofed(number));
        let headers = [("x-forwarded-for", spoofed(number)), ("forwarded", forwarded)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = format!(r#"{{"email":"user{number}@example.com","ignored":"{number}"}}"#);
        bench.send("203.0.113.9", "/v1/auth/password-reset/trigger", &body, &headers).await;
    }
    let mapped = bench.send("::ffff:203.0.113.9", "/auth/forgot-password", REQUEST, &[]).await;
    assert_eq!(mapped.status(), 429, "all dialects and notations of an address share one limit");
    for host in 0..5 {
        assert_ne!(bench.post(&format!("2001:db8::{host:x}"), "/auth/forgot-password", REQUEST).await, 429);
    }
    assert_eq!(bench.post("2001:DB8:0:0:FFFF::1", "/auth/forgot-password", REQUEST).await, 429);
}

#[tokio::test]
async fn clients_behind_a_proxy_are_counted_separately() {
    let bench = bench();
    let request = async |forwarded: &str| {
        let headers = [("x-forwarded-for", forwarded)];
        bench.send("10.0.0.1", "/auth/forgot-password", REQUEST, &headers).await.status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(request("198.51.100.1, 203.0.113.9").await, 200);
    }
    assert_eq!(request("198.51.100.2, 203.0.113.9").await, 429);
    assert_eq!(request("203.0.113.9, 198.51.100.1").await, 200);
}

#[tokio::test]
async fn hosted_pages_share_the_rate_limits_of_the_apis() {
    let bench = bench();
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.9", "/reset", CODE_ON_PAGE).await, 400);
    }
    assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 429, "one limit for codes");
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.10", "/forgot", "email=user%40example.com").await, 200);
    }
    assert_eq!(
        bench.post("203.0.113.10", "/auth/forgot-password", REQUEST).await,
        429,
        "one limit for reset requests"
    );
}

#[tokio::test]
async fn per_address_limit_is_not_visible_in_responses() {
    let bench = bench();
    bench.account("user@example.com").await;
    let response = async |client: &str, email: &str| {
        let body = format!(r#"{{"email":"{email}"}}"#);
        let answer = bench.send(client, "/auth/forgot-password", &body, &[]).await;
        let mut headers = answer.headers().clone();
        headers.remove("x-reset-reference").expect("every response has a reference");
        (answer.status(), headers, answer.into_body())
    };
    let first = response("203.0.113.1", "user@example.com").await;
    for number in 2..30 {
        for email in ["user@example.com", "ghost@example.com"] {
            assert!(response(&format!("203.0.113.{number}"), email).await == first);
        }
    }
    assert_eq!(bench.mails().await.len(), 1);
}

#[tokio::test]
async fn malformed_requests_and_clients_without_an_address_are_not_counted() {
    let bench = bench();
    for _ in 0..20 {
        assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", r#"{"email":""}"#).await, 400);
        assert_eq!(bench.post("", "/auth/forgot-password", REQUEST).await, 200);
    }
    assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", REQUEST).await, 200);
}

#[tokio::test]
async fn no_request_is_limited_if_limits_are_disabled() {
    let bench = unlimited();
    bench.account("user@example.com").await;
    for _ in 0..100 {
        assert_eq!(bench.post("203.0.113.9", "/auth/forgot-password", REQUEST).await, 200);
        assert_eq!(bench.post("203.0.113.9", PX0, CODE).await, 400);
        bench.memory.clock.advance(MINUTE / 10);
    }
    assert_eq!(bench.mails().await.len(), 100);
}

#[tokio::test]
async fn after_ten_wrong_insforge_codes_a_working_link_is_mailed() {
    let bench = bench();
    bench.account("user@example.com").await;
    let exchange = "/api/auth/email/exchange-reset-password-token";
    let mut mail = None;
    // Three codes with three guesses each, an hour apart, then one more guess. Each comes from another client.
    for number in 0..10 {
        if number % 3 == 0 {
            bench.memory.clock.advance(HOUR);
            bench.post("203.0.113.9", "/api/auth/email/send-reset-password", REQUEST).await;
            mail = bench.mails().await.pop();
        }
        let right = mail.as_ref().unwrap().secret.parse::<u32>().unwrap();
        let body = format!(r#"{{"email":"user@example.com","code":"{:06}"}}"#, (right + 1) % 1_000_000);
        assert_eq!(bench.post(&format!("198.51.{number}.1"), exchange, &body).await, 401);
    }
    bench.memory.clock.advance(HOUR);
    let requested = bench.send("203.0.113.9", "/api/auth/email/send-reset-password", REQUEST, &[]).await;
    let code =
        "If your email is registered, we have sent you a password reset code. Please check your inbox.";
    assert!(String::from_utf8(requested.body().to_vec()).unwrap().contains(code), "the usual response");
    let link = bench.mails().await.remove(0).secret;
    let token = link.strip_prefix("http://127.0.0.1:8080/reset?token=").unwrap();
    assert!(bench.logs_in("user@example.com", bench::OLD_PASSWORD).await);
    let body = format!(r#"{{"newPassword":"NewSecretPassword123!","otp":"{token}"}}"#);
    assert_eq!(bench.post("203.0.113.9", "/api/auth/email/reset-password", &body).await, 200);
    assert!(bench.logs_in("user@example.com", "NewSecretPassword123!").await);
}
