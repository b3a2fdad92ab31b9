//! What people do to links and forms: press twice, paste with punctuation, open a used link again.

use std::time::Duration;

use http::Method;
use reset_core::budget::{Budgeting, Window};
use reset_http::ServeOptions;

use crate::bench::{
    BASE, Browser, NEW, OLD, PERSON, PagesBench, Settings, bench, bench_with, form, settings,
};

/// Requests a reset on the hosted page and returns the mailed link.
async fn hosted_link(bench: &PagesBench) -> String {
    bench.browser().post("/forgot", &[("email", PERSON)]).await;
    bench.mails().await.remove(0).secret
}

/// Sends the form of the opened link with the cookies that `browser` had when it was shown, as the second press of a
/// double click does. Returns status and page.
async fn press(bench: &PagesBench, cookies: &str, link: &str, password: &str) -> (u16, String) {
    let headers = [("cookie", cookies), ("sec-fetch-site", "same-origin")];
    let body = form(&[("lang", "en"), ("link", link), ("password", password)]);
    let response = bench.send(Method::POST, "/reset", &headers, &body).await;
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

fn cookies_of(browser: &Browser<'_>) -> String {
    let pairs: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

#[tokio::test]
async fn second_press_of_a_double_click_gets_the_success_of_the_first() {
    let bench = bench().await;
    let mut browser = bench.browser();
    browser.open(&hosted_link(&bench).await).await;
    let (cookies, link) = (cookies_of(&browser), browser.link.clone());
    let first = press(&bench, &cookies, &link, NEW).await;
    let second = press(&bench, &cookies, &link, NEW).await;
    assert!(first.0 == 200 && first.1.contains("<h1>Your new password is set</h1>"), "{}", first.1);
    assert_eq!(first, second);
    assert!(bench.logs_in(NEW).await);
}

#[tokio::test]
async fn second_press_with_another_password_is_told_that_the_link_was_used() {
    let bench = bench().await;
    let mut browser = bench.browser();
    browser.open(&hosted_link(&bench).await).await;
    let (cookies, link) = (cookies_of(&browser), browser.link.clone());
    assert_eq!(press(&bench, &cookies, &link, NEW).await.0, 200);
    let (status, page) = press(&bench, &cookies, &link, "Another Password 2?").await;
    assert!(status == 400 && page.contains("<h1>This link was already used</h1>"), "{page}");
    assert!(bench.logs_in(NEW).await, "single use: the second password is not set");
}

#[tokio::test]
async fn repeat_after_a_minute_is_told_that_the_link_was_used() {
    let bench = bench().await;
    let mut browser = bench.browser();
    browser.open(&hosted_link(&bench).await).await;
    let (cookies, link) = (cookies_of(&browser), browser.link.clone());
    assert_eq!(press(&bench, &cookies, &link, NEW).await.0, 200);
    bench.memory.clock.advance(Duration::from_secs(60));
    assert_eq!(press(&bench, &cookies, &link, NEW).await.0, 200);
    bench.memory.clock.advance(Duration::from_secs(1));
    let (status, page) = press(&bench, &cookies, &link, NEW).await;
    assert!(status == 400 && page.contains("<h1>This link was already used</h1>"), "{page}");
}

#[tokio::test]
async fn second_press_on_the_form_for_a_code_gets_the_success_of_the_first() {
    let bench = bench().await;
    let code = bench.mailed(bench.client("px0")).await;
    let fields =
        |password| [("by", "code"), ("email", PERSON), ("code", code.as_str()), ("password", password)];
    for _ in 0..2 {
        let page = bench.browser().post("/reset", &fields(NEW)).await;
        assert_eq!(page.status, 200, "{}", page.main());
        page.says("<h1>Your new password is set</h1>");
    }
    let other = bench.browser().post("/reset", &fields("Another Password 2?")).await;
    assert_eq!(other.status, 400);
    other.says("This code isn&#39;t valid.");
    assert!(bench.logs_in(NEW).await);
}

#[tokio::test]
async fn link_works_with_the_punctuation_that_a_chat_leaves_behind_it() {
    for tail in [".", ",", ")", "%3E", ".)", "%20", "%22", "%E2%80%A6", "*"] {
        let bench = bench().await;
        let link = hosted_link(&bench).await;
        let mut browser = bench.browser();
        browser.open(&format!("{link}{tail}")).await.says("<h1>Set a new password</h1>");
        assert_eq!(browser.set(NEW).await.status, 200, "{tail}");
    }
    // A letter too many is no punctuation.
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    for tail in ["a", "0", "-", "_"] {
        assert_eq!(bench.browser().open(&format!("{link}{tail}")).await.status, 400, "{tail}");
    }
    assert!(bench.logs_in(OLD).await);
}

#[tokio::test]
async fn form_for_a_code_is_filled_in_by_a_form_without_a_password() {
    let bench = bench().await;
    let code = bench.mailed(bench.mailing_codes()[0]).await;
    let fields = [("by", "code"), ("email", PERSON), ("code", code.as_str())];
    let form = bench.browser().post("/reset", &fields).await;
    assert_eq!(form.status, 200);
    form.says(&format!("value=\"{PERSON}\""));
    form.says(&format!("value=\"{code}\""));
    assert!(!form.html.contains("class=\"error") && bench.logs_in(OLD).await);
    // The code is still good.
    let fields = [&fields[..], &[("password", NEW)]].concat();
    assert_eq!(bench.browser().post("/reset", &fields).await.status, 200);
}

#[tokio::test]
async fn page_after_a_request_links_to_the_webmail_and_says_when_to_send_again() {
    let windows = vec![Window::new(5, Duration::from_secs(3600)), Window::new(1, Duration::from_secs(90))];
    let budgeting = Budgeting { requests: windows, ..Budgeting::default() };
    let bench = bench_with(Settings { budgeting, ..settings(BASE) }, ServeOptions::default()).await;
    let sent = bench.browser().post("/forgot", &[("email", "Ann+x@Gmail.com")]).await;
    sent.says("<strong class=\"address\">Ann+x@Gmail.com</strong>");
    sent.says("href=\"https://mail.google.com/\" target=\"_blank\" rel=\"noopener noreferrer\">Open Gmail");
    sent.says("<input type=\"hidden\" name=\"email\" value=\"Ann+x@Gmail.com\">");
    sent.says("data-wait=\"90\" data-waiting=\"Resend in {time}\">Resend</button>");
    sent.says("The link expires in 30 minutes and can be used once.");
    let plain = bench.browser().post("/forgot", &[("email", PERSON)]).await;
    assert!(!plain.html.contains("https://"), "{}", plain.main());
}
