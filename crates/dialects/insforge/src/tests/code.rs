//! Method `code`: six digits, exchanged for a token, which sets the password.

use reset_testkit::memory::{Outage, SentKind};

use super::*;

const ASK: &str = r#"{"email":"ann@example.org"}"#;

#[tokio::test]
async fn a_code_becomes_a_token_and_the_token_sets_the_password_once() {
    let bench = bench(Method::Code).await;
    let sent = bench.call(SEND, ASK).await;
    assert_eq!(sent.text, SENT);
    assert_eq!(sent.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
    let mail = bench.mails().await.remove(0);
    assert_eq!((mail.kind, mail.to.as_str(), mail.lifetime), (SentKind::Code, ANN, CODE_LIFE));

    let exchanged = bench.exchange(&mail.secret).await.text;
    let (token, end) = exchanged.strip_prefix(r#"200 {"token":""#).unwrap().split_at(64);
    assert!(token.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    // The clock stands at 2026-01-16 14:40:00.
    assert_eq!(end, r#"","expiresAt":"2026-01-16T15:40:00.000Z"}"#);
    assert_eq!(bench.exchange(&mail.secret).await.text, DEAD_CODE);

    assert_eq!(bench.reset(token, "newSecurePassword123").await, DONE);
    assert!(bench.is_set("newSecurePassword123").await);
    assert_eq!(bench.reset(token, "anotherPassword").await, DEAD_TOKEN);
    assert!(bench.is_set("newSecurePassword123").await);
}

#[tokio::test]
async fn three_wrong_guesses_kill_a_code() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert_eq!(bench.exchange(wrong).await.text, DEAD_CODE);
    }
    assert_eq!(bench.exchange(&code).await.text, DEAD_CODE);
}

#[tokio::test]
async fn the_third_guess_may_still_be_right() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        assert_eq!(bench.exchange(wrong).await.text, DEAD_CODE);
    }
    bench.token(&code).await;
}

/// R45: guesses are taken before they are compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_guesses_cannot_exceed_three() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    let right: u32 = code.parse().unwrap();
    let guesses = (1..=64_u32).map(|step| {
        let guess = (right + step) % 1_000_000;
        let (api, body) = (bench.api.clone(), format!(r#"{{"email":"{ANN}","code":"{guess:06}"}}"#));
        tokio::spawn(async move { answer(&api, EXCHANGE, &body).await.text })
    });
    for guess in guesses.collect::<Vec<_>>() {
        assert_eq!(guess.await.unwrap(), DEAD_CODE);
    }
    assert_eq!(bench.memory.store.tickets()[0].attempts, 3);
    assert_eq!(bench.exchange(&code).await.text, DEAD_CODE);
}

/// R5: of many, one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_resets_sets_one_password() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(ASK).await).await;
    let resets = (0..16).map(|number| {
        let (api, body) =
            (bench.api.clone(), format!(r#"{{"newPassword":"password-{number}","otp":"{token}"}}"#));
        tokio::spawn(async move { answer(&api, RESET, &body).await.text })
    });
    let mut winners = Vec::new();
    for (number, reset) in resets.collect::<Vec<_>>().into_iter().enumerate() {
        let text = reset.await.unwrap();
        if text == DONE { winners.push(number) } else { assert!(!text.starts_with("200"), "{text}") }
    }
    let [winner] = winners[..] else { panic!("{winners:?}") };
    assert!(bench.is_set(&format!("password-{winner}")).await);
}

#[tokio::test]
async fn a_code_ends_with_its_time() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    bench.memory.clock.advance(CODE_LIFE);
    assert_eq!(bench.exchange(&code).await.text, DEAD_CODE);
    let code = bench.mailed(ASK).await;
    bench.memory.clock.advance(CODE_LIFE.saturating_sub(SECOND));
    bench.token(&code).await;
}

#[tokio::test]
async fn an_exchanged_token_ends_with_its_own_time() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(ASK).await).await;
    bench.memory.clock.advance(TOKEN_LIFE);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
    let token = bench.token(&bench.mailed(ASK).await).await;
    bench.memory.clock.advance(TOKEN_LIFE.saturating_sub(SECOND));
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
}

#[tokio::test]
async fn a_weak_password_leaves_the_token_alive_and_tells_nothing_of_it() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(ASK).await).await;
    for otp in [token.as_str(), &"0".repeat(64), "x"] {
        assert_eq!(bench.reset(otp, "").await, TOO_SHORT);
        assert_eq!(bench.reset(otp, "1234567").await, TOO_SHORT);
    }
    assert_eq!(bench.reset(&token.to_uppercase(), "12345678").await, DONE);
}

/// R13: nothing but the reference, which is drawn for each answer, tells the answers apart.
#[tokio::test]
async fn known_unknown_and_blocked_addresses_are_answered_alike() {
    let bench = bench(Method::Code).await;
    bench.add("blocked@example.org").await;
    bench.block("blocked@example.org").await;
    let ask = async |email: &str| {
        let mut answer = bench.call(SEND, &format!(r#"{{"email":"{email}"}}"#)).await;
        assert_eq!(answer.headers.remove("x-reset-reference").unwrap().len(), 10);
        (answer.text, answer.headers)
    };
    let known = ask(ANN).await;
    assert_eq!(known.0, SENT);
    for email in ["nobody@example.org", "blocked@example.org", "ANN@Example.ORG"] {
        assert_eq!(ask(email).await, known);
    }
    assert!(bench.mails().await.iter().all(|mail| mail.to == ANN));
}

/// R18: one answer for every reason.
#[tokio::test]
async fn nobodys_code_fails_like_a_wrong_one() {
    let bench = bench(Method::Code).await;
    bench.add("blocked@example.org").await;
    bench.block("blocked@example.org").await;
    for email in [ANN, "nobody@example.org", "blocked@example.org"] {
        let body = format!(r#"{{"email":"{email}","code":"123456"}}"#);
        assert_eq!(bench.text(EXCHANGE, &body).await, DEAD_CODE);
    }
}

#[tokio::test]
async fn a_block_kills_what_was_mailed() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(ASK).await).await;
    bench.block(ANN).await;
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
}

#[tokio::test]
async fn a_newer_code_replaces_the_older_and_its_token() {
    let bench = bench(Method::Code).await;
    let older = bench.mailed(ASK).await;
    let newer = bench.mailed(ASK).await;
    if older != newer {
        assert_eq!(bench.exchange(&older).await.text, DEAD_CODE);
    }
    let token = bench.token(&newer).await;
    bench.mailed(ASK).await;
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
}

/// R8: each secret opens its own redemption alone.
#[tokio::test]
async fn a_code_sets_no_password_and_a_token_is_no_link() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    assert_eq!(bench.reset(&code, "newSecurePassword123").await, DEAD_TOKEN);
    let token = bench.token(&code).await;
    let open = format!("GET /api/auth/email/reset-password-link?token={token}");
    let no_target = r#"400 {"error":"INVALID_INPUT","message":"No redirect target configured for this reset link","statusCode":400}"#;
    assert_eq!(bench.text(&open, "").await, no_target);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
    assert_eq!(bench.text(&open, "").await, no_target);
}

#[tokio::test]
async fn our_own_failure_is_no_oracle_and_changes_nothing() {
    const FAILED: &str =
        r#"500 {"error":"INTERNAL_ERROR","message":"Internal server error","statusCode":500}"#;
    let bench = bench(Method::Code).await;
    let code = bench.mailed(ASK).await;
    bench.memory.store.set_outage(Outage::Everything);
    assert_eq!(bench.text(SEND, ASK).await, FAILED);
    assert_eq!(bench.exchange(&code).await.text, FAILED);
    bench.memory.store.set_outage(Outage::None);
    let token = bench.token(&code).await;
    bench.memory.store.set_outage(Outage::Only("redeem"));
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, FAILED);
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
}
