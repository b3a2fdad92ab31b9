//! Method `link`: a link redirects to the client's page, which sets the password with the link's token.

use reset_testkit::memory::SentKind;

use super::*;

const REQUEST: &str = r#"{"email":"ann@example.org","redirectTo":"https://app.example.com/reset"}"#;
const SENT_LINK: &str = r#"202 {"success":true,"message":"If your email is registered, we have sent you a password reset link. Please check your inbox."}"#;
const NOT_ALLOWED: &str = r#"400 {"error":"INVALID_INPUT","message":"redirectTo is not in the allowed redirect URLs","statusCode":400,"nextActions":"Please add this URL to the allowed redirect URLs in the authentication configuration."}"#;
const UNKNOWN: &str =
    r#"400 {"error":"INVALID_INPUT","message":"Invalid or expired verification token","statusCode":400}"#;
/// The redirect of every expired, used or superseded link.
const DEAD: &str = "https://app.example.com/reset?insforge_status=error&insforge_type=reset_password&insforge_error=Invalid+or+expired+verification+token";

fn token(link: &str) -> &str {
    link.strip_prefix("/api/auth/email/reset-password-link?token=").unwrap()
}

async fn open(bench: &InsForgeBench, link: &str) -> TestResponse {
    bench.call(&format!("GET {link}"), "").await
}

#[tokio::test]
async fn link_redirects_to_the_clients_page_and_its_token_sets_the_password() {
    let bench = bench(Method::Link).await;
    assert_eq!(bench.text(SEND, REQUEST).await, SENT_LINK);
    let mail = bench.mails().await.remove(0);
    assert_eq!((mail.kind, mail.lifetime), (SentKind::Link, TOKEN_LIFETIME));
    let link = mail.secret.strip_prefix("https://auth.example.com").unwrap();
    let token = token(link);
    let opened = open(&bench, link).await;
    assert_eq!(opened.text, "302");
    let ready = format!(
        "https://app.example.com/reset?token={token}&insforge_status=ready&insforge_type=reset_password"
    );
    assert_eq!(opened.location(), Some(ready.as_str()));
    assert_eq!(opened.headers[header::REFERRER_POLICY], "no-referrer");
    assert_eq!(opened.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(bench.reset(token, "newSecurePassword123").await, DONE);
    assert!(bench.is_set("newSecurePassword123").await);
    assert_eq!(bench.reset(token, "anotherPassword").await, DEAD_TOKEN);
    assert_eq!(open(&bench, link).await.location(), Some(DEAD));
}

/// R32: mail scanners open links.
#[tokio::test]
async fn opening_a_link_a_hundred_times_changes_nothing() {
    let bench = bench(Method::Link).await;
    let link = bench.mailed(REQUEST).await;
    let before = bench.memory.store.tickets();
    for _ in 0..100 {
        let (get, head) = (open(&bench, &link).await, bench.call(&format!("HEAD {link}"), "").await);
        assert_eq!((get.text.as_str(), head.text.as_str()), ("302", "302"));
        assert_eq!(get.headers, head.headers);
    }
    assert!(bench.memory.store.tickets() == before);
    assert_eq!(bench.reset(token(&link), "newSecurePassword123").await, DONE);
}

#[tokio::test]
async fn expired_link_redirects_with_an_error_and_no_token() {
    let bench = bench(Method::Link).await;
    let link = bench.mailed(REQUEST).await;
    bench.memory.clock.advance(TOKEN_LIFETIME.saturating_sub(SECOND));
    assert!(open(&bench, &link).await.location().unwrap().contains("insforge_status=ready"));
    bench.memory.clock.advance(SECOND);
    let dead = open(&bench, &link).await;
    assert_eq!((dead.text.as_str(), dead.location()), ("302", Some(DEAD)));
    assert_eq!(bench.reset(token(&link), "newSecurePassword123").await, DEAD_TOKEN);
}

#[tokio::test]
async fn newer_link_voids_the_older_one() {
    let bench = bench(Method::Link).await;
    let (older, newer) = (bench.mailed(REQUEST).await, bench.mailed(REQUEST).await);
    assert_eq!(open(&bench, &older).await.location(), Some(DEAD));
    assert!(open(&bench, &newer).await.location().unwrap().contains("insforge_status=ready"));
    assert_eq!(bench.reset(token(&older), "newSecurePassword123").await, DEAD_TOKEN);
    assert_eq!(bench.reset(token(&newer), "newSecurePassword123").await, DONE);
}

#[tokio::test]
async fn forged_malformed_or_repeated_token_does_not_redirect() {
    let bench = bench(Method::Link).await;
    let link = bench.mailed(REQUEST).await;
    let last = if link.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &link[..link.len() - 1]);
    let path = "/api/auth/email/reset-password-link";
    let issue =
        |text: &str| format!(r#"400 {{"error":"INVALID_INPUT","message":"{text}","statusCode":400}}"#);
    let malformed = issue("token: token must be a 64-character hexadecimal token");
    for (target, expected) in [
        (forged, UNKNOWN.to_owned()),
        (format!("{path}?token={}", "0".repeat(64)), UNKNOWN.to_owned()),
        (path.to_owned(), issue("token: Required")),
        (format!("{path}?token="), malformed.clone()),
        (format!("{path}?token={}", "0".repeat(63)), malformed),
        (
            format!("{link}&{}", &link[link.find("token").unwrap()..]),
            issue("token: Expected string, received array"),
        ),
    ] {
        let answer = open(&bench, &target).await;
        assert_eq!((answer.text, answer.headers.get(header::LOCATION)), (expected, None), "{target}");
    }
}

#[tokio::test]
async fn redirect_target_is_required_must_be_allowed_and_is_never_repeated() {
    let bench = bench(Method::Link).await;
    let request =
        async |target: &str| bench.text(SEND, &format!(r#"{{"email":"{ANN}","redirectTo":{target}}}"#)).await;
    let issue =
        |text: &str| format!(r#"400 {{"error":"INVALID_INPUT","message":"{text}","statusCode":400}}"#);
    assert_eq!(
        bench.text(SEND, r#"{"email":"ann@example.org"}"#).await,
        issue("redirectTo is required when link-based password reset is enabled")
    );
    assert_eq!(request(r#""""#).await, issue("redirectTo: Invalid url"));
    assert_eq!(request(r#""/reset""#).await, issue("redirectTo: Invalid url"));
    assert_eq!(request("null").await, issue("redirectTo: Expected string, received null"));
    assert_eq!(
        request(r#"["https://app.example.com/reset"]"#).await,
        issue("redirectTo: Expected string, received array")
    );
    for target in [
        "https://evil.com/",
        "https://app.example.com/reset?x=<script>",
        "https://app.example.com.evil.com/reset",
        "https://app.example.com@evil.com/reset",
        "https:evil.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.example.com/reset\\r\\nX-Evil: 1",
    ] {
        assert_eq!(request(&format!(r#""{target}""#)).await, NOT_ALLOWED, "{target}");
    }
    assert!(bench.memory.store.jobs().is_empty());
}

#[tokio::test]
async fn empty_allow_list_allows_no_target() {
    let bench = bench_with(Method::Link, &[], POLICY).await;
    assert_eq!(bench.text(SEND, REQUEST).await, NOT_ALLOWED);
}

/// The allow-list is checked again when the link is opened.
#[tokio::test]
async fn target_removed_from_the_allow_list_is_rejected_when_the_link_is_opened() {
    let before = bench(Method::Link).await;
    let link = before.mailed(REQUEST).await;
    let after = bench_with(Method::Link, &["https://other.example.com/reset"], POLICY).await;
    // The same deployment with another allow-list: equal keys, and the ticket of the first one.
    let ticket = before.memory.store.tickets().remove(0);
    let event = Event::of_ticket(EventKind::Matched, &ticket, ticket.issued_at);
    reset_core::ports::Tickets::issue(&*after.memory.store, &ticket, None, &event).await.unwrap();
    let answer = open(&after, &link).await;
    assert_eq!((answer.text.as_str(), answer.location()), (NOT_ALLOWED, None));
}

#[tokio::test]
async fn redirect_keeps_query_and_fragment_of_the_target() {
    let bench = bench_with(Method::Link, &["https://app.example.com?lang=*&token=*#/top"], POLICY).await;
    let request =
        r#"{"email":"ann@example.org","redirectTo":"https://APP.example.com?lang=de&token=x#/top"}"#;
    let link = bench.mailed(request).await;
    let ready = format!(
        "https://app.example.com/?lang=de&token={}&insforge_status=ready&insforge_type=reset_password#/top",
        token(&link)
    );
    assert_eq!(open(&bench, &link).await.location(), Some(ready.as_str()));
}

#[tokio::test]
async fn every_code_is_wrong_if_links_are_mailed() {
    let bench = bench(Method::Link).await;
    bench.mailed(REQUEST).await;
    assert_eq!(bench.exchange("123456").await.text, DEAD_CODE);
}
