//! Rate limits on the wire: what each route counts, how each dialect responds, and a simulated day of an attack.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod own_names;
mod replay;
mod routes;
#[path = "../support/mod.rs"]
mod support;

use bench::{
    HOUR, MINUTE, NEW_PASSWORD, bench, bench_serving, is_success, mails_open_codes, shared, unlimited,
};
use reset_http::ServeOptions;

const CLIENT: &str = "203.0.113.9";
const USER: &str = "user@example.com";
const CODE_ON_PAGE: &str = "by=code&email=user%40example.com&code=000001&password=NewSecretPassword123!";

#[tokio::test]
async fn guesses_from_a_thousand_addresses_at_px0_are_limited_to_five_in_ten_minutes() {
    let bench = shared();
    let px0 = bench.client("px0");
    let all: Vec<_> = (0..1_000)
        .map(|number| {
            let (bench, guess) = (bench.clone(), px0.redeem_with(&format!("{number:06}"), NEW_PASSWORD));
            let client = format!("203.{}.{}.7", number / 250, number % 250);
            tokio::spawn(async move { bench.status(&client, &guess).await })
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
    let px0 = bench.client("px0");
    let code = px0.redeem_with("000001", NEW_PASSWORD);
    for _ in 0..5 {
        assert_eq!(bench.status(CLIENT, &code).await, 400);
    }
    assert_eq!(bench.status(CLIENT, &code).await, 429);
    assert_eq!(bench.status(CLIENT, &px0.redeem_with("0000-0000-0000-0", NEW_PASSWORD)).await, 400);
    bench.memory.clock.advance(HOUR);
    assert_eq!(bench.status(CLIENT, &code).await, 400);
}

#[tokio::test]
async fn clients_cannot_choose_the_address_they_are_counted_by() {
    let bench = bench();
    let spoofed = |number: usize| format!("198.51.100.{number}");
    for (number, client) in bench.clients().cycle().take(5).enumerate() {
        let forwarded = format!("for={}", spoofed(number));
        let headers = [("x-forwarded-for", spoofed(number)), ("forwarded", forwarded)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let step = client.request_for(&format!("user{number}@example.com"));
        let answer = bench.send(CLIENT, &step.path, &step.body, &headers).await;
        assert_ne!(answer.status(), 429, "{}", client.dialect);
    }
    for client in bench.clients() {
        let mapped = bench.status("::ffff:203.0.113.9", &client.request_for(USER)).await;
        assert_eq!(
            mapped, 429,
            "all dialects and notations of an address share one limit: {}",
            client.dialect
        );
    }
    for (host, client) in bench.clients().cycle().take(5).enumerate() {
        let status = bench.status(&format!("2001:db8::{host:x}"), &client.request_for(USER)).await;
        assert_ne!(status, 429, "{}", client.dialect);
    }
    for client in bench.clients() {
        let status = bench.status("2001:DB8:0:0:FFFF::1", &client.request_for(USER)).await;
        assert_eq!(status, 429, "{}", client.dialect);
    }
}

#[tokio::test]
async fn own_servers_have_no_limit_per_client_and_addresses_keep_theirs() {
    let bench = bench_serving(|serving| ServeOptions {
        own_servers: vec!["198.51.100.0/28".parse().unwrap()],
        ..serving
    });
    let own_server = "198.51.100.7";
    for number in 0..40 {
        for client in bench.clients() {
            let request = client.request_for(&format!("user{number}@{}.example.com", client.dialect));
            assert_ne!(bench.status(own_server, &request).await, 429, "{} {number}", client.dialect);
        }
    }
    // Another client is still limited, and so are the guesses at one kind of code.
    let client = bench.client("px0");
    for _ in 0..5 {
        bench.status(CLIENT, &client.request_for(USER)).await;
    }
    assert_eq!(bench.status(CLIENT, &client.request_for(USER)).await, 429);
    let before = bench.memory.store.look_ups();
    for number in 0..50 {
        let guess = client.redeem_with(&format!("{number:06}"), NEW_PASSWORD);
        assert_eq!(bench.status(own_server, &guess).await, 400);
    }
    assert!(bench.memory.store.look_ups() - before <= 5, "the budget of all guesses holds");
}

#[tokio::test]
async fn clients_behind_a_proxy_are_counted_separately() {
    for client in bench().clients() {
        let bench = bench();
        bench.account(USER).await;
        let step = client.request_for(USER);
        let request = async |forwarded: &str| {
            let headers = [("x-forwarded-for", forwarded)];
            bench.send("10.0.0.1", &step.path, &step.body, &headers).await.status()
        };
        for _ in 0..5 {
            assert!(request("198.51.100.1, 203.0.113.9").await.is_success(), "{}", client.dialect);
        }
        assert_eq!(request("198.51.100.2, 203.0.113.9").await, 429, "{}", client.dialect);
        assert!(request("203.0.113.9, 198.51.100.1").await.is_success(), "{}", client.dialect);
    }
}

#[tokio::test]
async fn hosted_pages_share_the_rate_limits_of_the_apis() {
    let bench = bench();
    for _ in 0..5 {
        assert_eq!(bench.post(CLIENT, "/reset", CODE_ON_PAGE).await, 400);
    }
    for client in bench.clients().filter(|client| mails_open_codes(client)) {
        let status = bench.status(CLIENT, &client.redeem_with("000001", NEW_PASSWORD)).await;
        assert_eq!(status, 429, "one limit for codes: {}", client.dialect);
    }
    for _ in 0..5 {
        assert_eq!(bench.post("203.0.113.10", "/forgot", "email=user%40example.com").await, 200);
    }
    for client in bench.clients() {
        let status = bench.status("203.0.113.10", &client.request_for(USER)).await;
        assert_eq!(status, 429, "one limit for reset requests: {}", client.dialect);
    }
}

#[tokio::test]
async fn per_address_limit_is_not_visible_in_responses() {
    for client in bench().clients().filter(|client| client.discloses.is_none()) {
        let bench = bench();
        bench.account(USER).await;
        let response = async |from: &str, email: &str| {
            let step = client.request_for(email);
            let answer = bench.send(from, &step.path, &step.body, &[]).await;
            let mut headers = answer.headers().clone();
            headers.remove("x-reset-reference").expect("every response has a reference");
            (answer.status(), headers, answer.into_body())
        };
        let first = response("203.0.1.1", USER).await;
        for number in 2..30 {
            for email in [USER, "ghost@example.com"] {
                assert!(response(&format!("203.0.{number}.1"), email).await == first, "{}", client.dialect);
            }
        }
        assert_eq!(bench.mails().await.len(), 1, "{}", client.dialect);
    }
}

#[tokio::test]
async fn malformed_requests_and_clients_without_an_address_are_not_counted() {
    for client in bench().clients() {
        let bench = bench();
        bench.account(USER).await;
        let (malformed, request) = (client.request_for(""), client.request_for(USER));
        for _ in 0..20 {
            assert_eq!(bench.status(CLIENT, &malformed).await, 400, "{}", client.dialect);
            assert!(is_success(bench.status("", &request).await), "{}", client.dialect);
        }
        for body in [
            " ",
            "{",
            "null",
            "[]",
            "\u{feff}{}",
            r#"{"email":1}"#,
            r#"{"email":"a@b.com","email":"c@d.com"}"#,
        ] {
            let status = bench.send(CLIENT, &request.path, body, &[]).await.status();
            assert!(status.is_client_error() && status != 429, "{} {body}: {status}", client.dialect);
        }
        assert!(is_success(bench.status(CLIENT, &request).await), "{}", client.dialect);
    }
}

#[tokio::test]
async fn no_request_is_limited_if_limits_are_disabled() {
    for client in unlimited().clients() {
        let bench = unlimited();
        bench.account(USER).await;
        let guess = client.exchange_of(USER, "000001");
        let guess = guess.unwrap_or_else(|| client.redeem_with(&client.forged, NEW_PASSWORD));
        let forged = &bench.traits(client.dialect).forged;
        for _ in 0..100 {
            let status = bench.status(CLIENT, &client.request_for(USER)).await;
            assert!(is_success(status), "{} {status}", client.dialect);
            let status = bench.status(CLIENT, &guess).await;
            assert!(forged.iter().any(|forged| forged.status() == status), "{} {status}", client.dialect);
            bench.memory.clock.advance(MINUTE / 10);
        }
        assert_eq!(bench.mails().await.len(), 100, "{}", client.dialect);
    }
}

#[tokio::test]
async fn after_ten_wrong_insforge_codes_a_working_link_is_mailed() {
    let bench = bench();
    bench.account(USER).await;
    let insforge = bench.client("insforge");
    let request = insforge.request_for(USER);
    let mut mail = None;
    // Three codes with three guesses each, an hour apart, then one more guess. Each comes from another client.
    for number in 0..10 {
        if number % 3 == 0 {
            bench.memory.clock.advance(HOUR);
            bench.step(CLIENT, &request).await;
            mail = bench.mails().await.pop();
        }
        let right = mail.as_ref().unwrap().secret.parse::<u32>().unwrap();
        let wrong = format!("{:06}", (right + 1) % 1_000_000);
        let guess = insforge.exchange_of(USER, &wrong).unwrap();
        assert_eq!(bench.status(&format!("198.51.{number}.1"), &guess).await, 401);
    }
    bench.memory.clock.advance(HOUR);
    let (_, requested) = bench.step(CLIENT, &request).await;
    let code =
        "If your email is registered, we have sent you a password reset code. Please check your inbox.";
    assert!(requested.contains(code), "the usual response");
    let link = bench.mails().await.remove(0).secret;
    let token = link.strip_prefix("http://127.0.0.1:8080/reset?token=").unwrap();
    assert!(bench.logs_in(USER, bench::OLD_PASSWORD).await);
    assert_eq!(bench.status(CLIENT, &insforge.redeem_with(token, NEW_PASSWORD)).await, 200);
    assert!(bench.logs_in(USER, NEW_PASSWORD).await);
}
