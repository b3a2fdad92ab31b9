//! Where a person asks.

use http::Method;
use reset_dialects::{PerClient, Serving};

use crate::world::{PERSON, form, settings, world, world_with};

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_bytes_but_for_the_reference() {
    let world = world().await;
    let mut answers = Vec::new();
    for email in [PERSON, "ghost@example.com", "USER@Example.com "] {
        let answer = world.send(Method::POST, "/forgot", &[], &form(&[("email", email)])).await;
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
    let mails = world.mails().await;
    assert!(!mails.is_empty() && mails.iter().all(|mail| mail.to == PERSON));
}

#[tokio::test]
async fn the_mail_is_in_the_language_of_the_page() {
    for (language, tag) in [("fr-CA", "fr"), ("zh-TW", "zh-Hans"), ("it", "en")] {
        let world = world().await;
        let mut browser = world.browser();
        browser.language = language;
        browser.post("/forgot", &[("email", PERSON)]).await;
        assert_eq!(world.mails().await[0].locale.as_deref(), Some(tag), "{language}");
    }
}

#[tokio::test]
async fn a_form_from_another_site_asks_for_nothing() {
    let world = world().await;
    let link = {
        world.browser().post("/forgot", &[("email", PERSON)]).await;
        world.mails().await.remove(0).secret
    };
    let mut browser = world.browser();
    browser.open(&link).await;
    let (name, value) = browser.cookies.iter().next().unwrap();
    let cookie = format!("{name}={value}");
    for site in ["cross-site", "same-site", "nonsense"] {
        for path in ["/forgot", "/reset", "/not-me"] {
            let headers = [("sec-fetch-site", site), ("cookie", cookie.as_str())];
            let body = form(&[
                ("email", PERSON),
                ("password", crate::world::NEW),
                ("link", &browser.link),
                ("token", "ab"),
            ]);
            let answer = world.send(Method::POST, path, &headers, &body).await;
            assert_eq!(answer.status(), 403, "{path} {site}");
        }
    }
    assert!(world.mails().await.is_empty() && world.logs_in(crate::world::OLD).await);
}

#[tokio::test]
async fn who_asks_too_often_gets_a_page_that_says_when() {
    let serving = Serving { per_client: Some(PerClient::default()), ..Serving::default() };
    let world = world_with(settings("http://127.0.0.1:8080"), serving).await;
    let mut browser = world.browser();
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
