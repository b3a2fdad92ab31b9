//! Method `code`: a six-digit code is exchanged for a token, which sets the password.

use reset_testkit::memory::{Outage, SentKind};

use super::*;

const REQUEST: &str = r#"{"email":"ann@example.org"}"#;

#[tokio::test]
async fn code_is_exchanged_for_a_token_that_sets_the_password_once() {
    let bench = bench(Method::Code).await;
    let sent = bench.call(SEND, REQUEST).await;
    assert_eq!(sent.text, SENT);
    assert_eq!(sent.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
    let mail = bench.mails().await.remove(0);
    assert_eq!((mail.kind, mail.to.as_str(), mail.lifetime), (SentKind::Code, ANN, CODE_LIFETIME));

    let exchanged = bench.exchange(&mail.secret).await.text;
    let (token, end) = exchanged.strip_prefix(r#"200 {"token":""#).unwrap().split_at(64);
    assert!(token.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    // The frozen clock shows 2026-01-16 14:40:00.
    assert_eq!(end, r#"","expiresAt":"2026-01-16T15:40:00.000Z"}"#);
    assert_eq!(bench.exchange(&mail.secret).await.text, DEAD_CODE);

    assert_eq!(bench.reset(token, "newSecurePassword123").await, DONE);
    assert!(bench.is_set("newSecurePassword123").await);
    assert_eq!(bench.reset(token, "anotherPassword").await, DEAD_TOKEN);
    assert!(bench.is_set("newSecurePassword123").await);
}

#[tokio::test]
async fn code_is_accepted_as_people_type_and_paste_it() {
    let typed: [fn(&str) -> String; 4] = [
        |code| format!(" {code} "),
        |code| format!("{}-{}", &code[..3], &code[3..]),
        |code| code.replace('0', "o").replace('1', "I"),
        |code| code.chars().map(|digit| char::from_u32(digit as u32 + 0xfee0).unwrap()).collect(),
    ];
    for typed in typed {
        let bench = bench(Method::Code).await;
        let code = bench.mailed(REQUEST).await;
        bench.token(&typed(&code)).await;
    }
}

#[tokio::test]
async fn three_wrong_attempts_invalidate_a_code() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert_eq!(bench.exchange(wrong).await.text, DEAD_CODE);
    }
    assert_eq!(bench.exchange(&code).await.text, DEAD_CODE);
}

#[tokio::test]
async fn third_attempt_may_succeed() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        assert_eq!(bench.exchange(wrong).await.text, DEAD_CODE);
    }
    bench.token(&code).await;
}

/// R45: an attempt is counted before the code is compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_guesses_cannot_exceed_three_attempts() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
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

/// R5: one of many concurrent resets succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_resets_set_one_password() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(REQUEST).await).await;
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
async fn code_expires_after_its_lifetime() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
    bench.memory.clock.advance(CODE_LIFETIME);
    assert_eq!(bench.exchange(&code).await.text, DEAD_CODE);
    let code = bench.mailed(REQUEST).await;
    bench.memory.clock.advance(CODE_LIFETIME.saturating_sub(SECOND));
    bench.token(&code).await;
}

#[tokio::test]
async fn exchanged_token_expires_after_its_own_lifetime() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(REQUEST).await).await;
    bench.memory.clock.advance(TOKEN_LIFETIME);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
    let token = bench.token(&bench.mailed(REQUEST).await).await;
    bench.memory.clock.advance(TOKEN_LIFETIME.saturating_sub(SECOND));
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
}

#[tokio::test]
async fn weak_password_neither_uses_up_nor_reveals_the_token() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(REQUEST).await).await;
    for otp in [token.as_str(), &"0".repeat(64), "x"] {
        assert_eq!(bench.reset(otp, "").await, TOO_SHORT);
        assert_eq!(bench.reset(otp, "1234567").await, TOO_SHORT);
    }
    assert_eq!(bench.reset(&token.to_uppercase(), "12345678").await, DONE);
}

/// R13: the responses differ only in the reference, which is random.
#[tokio::test]
async fn known_unknown_and_blocked_addresses_get_the_same_response() {
    let bench = bench(Method::Code).await;
    bench.add("blocked@example.org").await;
    bench.block("blocked@example.org").await;
    let request = async |email: &str| {
        let mut answer = bench.call(SEND, &format!(r#"{{"email":"{email}"}}"#)).await;
        assert_eq!(answer.headers.remove("x-reset-reference").unwrap().len(), 10);
        (answer.text, answer.headers)
    };
    let known = request(ANN).await;
    assert_eq!(known.0, SENT);
    for email in ["nobody@example.org", "blocked@example.org", "ANN@Example.ORG"] {
        assert_eq!(request(email).await, known);
    }
    assert!(bench.mails().await.iter().all(|mail| mail.to == ANN));
}

/// R18: the response does not reveal why a code was rejected.
#[tokio::test]
async fn code_for_an_unknown_or_blocked_account_fails_like_a_wrong_one() {
    let bench = bench(Method::Code).await;
    bench.add("blocked@example.org").await;
    bench.block("blocked@example.org").await;
    for email in [ANN, "nobody@example.org", "blocked@example.org"] {
        let body = format!(r#"{{"email":"{email}","code":"123456"}}"#);
        assert_eq!(bench.text(EXCHANGE, &body).await, DEAD_CODE);
    }
}

#[tokio::test]
async fn blocking_an_account_invalidates_its_token() {
    let bench = bench(Method::Code).await;
    let token = bench.token(&bench.mailed(REQUEST).await).await;
    bench.block(ANN).await;
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
}

#[tokio::test]
async fn newer_code_invalidates_the_older_code_and_its_token() {
    let bench = bench(Method::Code).await;
    let older = bench.mailed(REQUEST).await;
    let newer = bench.mailed(REQUEST).await;
    if older != newer {
        assert_eq!(bench.exchange(&older).await.text, DEAD_CODE);
    }
    let token = bench.token(&newer).await;
    bench.mailed(REQUEST).await;
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DEAD_TOKEN);
}

/// R8: each kind of secret works only for its own operation.
#[tokio::test]
async fn code_sets_no_password_and_exchanged_token_is_not_a_link() {
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
    assert_eq!(bench.reset(&code, "newSecurePassword123").await, DEAD_TOKEN);
    let token = bench.token(&code).await;
    let open = format!("GET /api/auth/email/reset-password-link?token={token}");
    let no_target = r#"400 {"error":"INVALID_INPUT","message":"No redirect target configured for this reset link","statusCode":400}"#;
    assert_eq!(bench.text(&open, "").await, no_target);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
    assert_eq!(bench.text(&open, "").await, no_target);
}

#[tokio::test]
async fn store_failure_reveals_and_changes_nothing() {
    const FAILED: &str =
        r#"500 {"error":"INTERNAL_ERROR","message":"Internal server error","statusCode":500}"#;
    let bench = bench(Method::Code).await;
    let code = bench.mailed(REQUEST).await;
    bench.memory.store.set_outage(Outage::Everything);
    assert_eq!(bench.text(SEND, REQUEST).await, FAILED);
    assert_eq!(bench.exchange(&code).await.text, FAILED);
    bench.memory.store.set_outage(Outage::None);
    let token = bench.token(&code).await;
    bench.memory.store.set_outage(Outage::Only("redeem"));
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, FAILED);
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(bench.reset(&token, "newSecurePassword123").await, DONE);
}
