//! Where a person asks.

use http::Method;
use reset_dialects::{ClientLimits, ServeOptions};

use crate::bench::{PERSON, bench, bench_with, form, settings};

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_bytes_but_for_the_reference() {
    let bench = bench().await;
    let mut answers = Vec::new();
    for email in [PERSON, "ghost@example.com", "USER@Example.com "] {
        let answer = bench.send(Method::POST, "/forgot", &[], &form(&[("email", email)])).await;
        let reference = answer.headers()["x-reset-reference"].to_str().unwrap().to_owned();
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        assert_eq!(body.matches(&reference).count(), 1, "the page quotes it once");
        let mut headers = answer.headers().clone();
        headers.remove("x-reset-reference");
        // What was typed is shown, as it was typed.
        assert_eq!(body.matches(email.trim()).count(), 1);
        headers.remove("content-length");
        answers.push((
            answer.status(),
            headers,
            body.replace(&reference, "REFERENCE").replace(email.trim(), "ADDRESS"),
        ));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let mails = bench.mails().await;
    assert!(!mails.is_empty() && mails.iter().all(|mail| mail.to == PERSON));
}

#[tokio::test]
async fn the_mail_is_in_the_language_of_the_page() {
    for (language, tag) in [("fr-CA", "fr"), ("zh-TW", "zh-Hans"), ("it", "en")] {
        let bench = bench().await;
        let mut browser = bench.browser();
        browser.language = language;
        browser.post("/forgot", &[("email", PERSON)]).await;
        assert_eq!(bench.mails().await[0].locale.as_deref(), Some(tag), "{language}");
    }
}

#[tokio::test]
async fn a_form_from_another_site_asks_for_nothing() {
    let bench = bench().await;
    let link = {
        bench.browser().post("/forgot", &[("email", PERSON)]).await;
        bench.mails().await.remove(0).secret
    };
    let mut browser = bench.browser();
    browser.open(&link).await;
    let (name, value) = browser.cookies.iter().next().unwrap();
    let cookie = format!("{name}={value}");
    for site in ["cross-site", "same-site", "nonsense"] {
        for path in ["/forgot", "/reset", "/not-me"] {
            let headers = [("sec-fetch-site", site), ("cookie", cookie.as_str())];
            let body = form(&[
                ("email", PERSON),
                ("password", crate::bench::NEW),
                ("link", &browser.link),
                ("token", "ab"),
            ]);
            let answer = bench.send(Method::POST, path, &headers, &body).await;
            assert_eq!(answer.status(), 403, "{path} {site}");
        }
    }
    assert!(bench.mails().await.is_empty() && bench.logs_in(crate::bench::OLD).await);
}

#[tokio::test]
async fn who_asks_too_often_gets_a_page_that_says_when() {
    let serving = ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
    let bench = bench_with(settings("http://127.0.0.1:8080"), serving).await;
    let mut browser = bench.browser();
    browser.language = "de";
    for _ in 0..5 {
        // What is no address is not counted.
        assert_eq!(browser.post("/forgot", &[("email", "nobody")]).await.status, 400);
        assert_eq!(browser.post("/forgot", &[("email", "ghost@example.com")]).await.status, 200);
    }
    let refused = browser.post("/forgot", &[("email", "ghost@example.com")]).await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (429, "900"));
    refused.says("<h1>Zu viele Versuche</h1>");
    refused.says("Versuchen Sie es in 15 Minuten noch einmal.");
    assert!(refused.headers.contains_key("x-reset-reference"));
}
