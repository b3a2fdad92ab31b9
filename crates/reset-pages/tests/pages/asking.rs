//! Reset requests on `/forgot`.

use http::Method;
use reset_http::{ClientLimits, ServeOptions};

use crate::bench::{BASE, PERSON, bench, bench_with, form, settings};

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_bytes_except_the_reference() {
    let bench = bench().await;
    let mut responses = Vec::new();
    for email in [PERSON, "ghost@example.com", "USER@Example.com "] {
        let response = bench.send(Method::POST, "/forgot", &[], &form(&[("email", email)])).await;
        let reference = response.headers()["x-reset-reference"].to_str().unwrap().to_owned();
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert_eq!(body.matches(&reference).count(), 1, "the page quotes it once");
        let mut headers = response.headers().clone();
        headers.remove("x-reset-reference");
        // The page shows the submitted address unchanged, and its form sends it again.
        assert_eq!(body.matches(email.trim()).count(), 2);
        headers.remove("content-length");
        responses.push((
            response.status(),
            headers,
            body.replace(&reference, "REFERENCE").replace(email.trim(), "ADDRESS"),
        ));
    }
    assert!(responses.windows(2).all(|pair| pair[0] == pair[1]));
    let mails = bench.mails().await;
    assert!(!mails.is_empty() && mails.iter().all(|mail| mail.to == PERSON));
}

#[tokio::test]
async fn mail_uses_the_language_of_the_page() {
    for (language, tag) in [("fr-CA", "fr"), ("zh-TW", "zh-Hans"), ("it", "en")] {
        let bench = bench().await;
        let mut browser = bench.browser();
        browser.language = language;
        browser.post("/forgot", &[("email", PERSON)]).await;
        assert_eq!(bench.mails().await[0].locale.as_deref(), Some(tag), "{language}");
    }
}

#[tokio::test]
async fn form_from_another_site_is_rejected_and_sends_no_mail() {
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
            let response = bench.send(Method::POST, path, &headers, &body).await;
            assert_eq!(response.status(), 403, "{path} {site}");
        }
    }
    assert!(bench.mails().await.is_empty() && bench.logs_in(crate::bench::OLD).await);
}

#[tokio::test]
async fn client_over_its_rate_limit_gets_a_page_with_the_wait() {
    let serving = ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
    let bench = bench_with(settings(BASE), serving).await;
    let mut browser = bench.browser();
    browser.language = "de";
    for _ in 0..5 {
        // An invalid address does not count towards the limit.
        assert_eq!(browser.post("/forgot", &[("email", "nobody")]).await.status, 400);
        assert_eq!(browser.post("/forgot", &[("email", "ghost@example.com")]).await.status, 200);
    }
    let limited = browser.post("/forgot", &[("email", "ghost@example.com")]).await;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "900"));
    limited.says("<h1>Zu viele Versuche</h1>");
    limited.says("Versuchen Sie es in 15 Minuten noch einmal.");
    limited.says("<a class=\"button\" href=\"forgot\">Passwort zurücksetzen</a>");
    assert!(limited.headers.contains_key("x-reset-reference"));
}
