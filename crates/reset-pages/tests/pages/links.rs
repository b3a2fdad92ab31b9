//! Resets with mailed links.

use http::Method;
use reset_core::{
    email::EmailAddress,
    event::{Event, EventKind},
    ports::Accounts as _,
};
use reset_http::{ServeOptions, client::MailedSecret};
use reset_pages::hosted::NAME;

use crate::bench::{BASE, NEW, OLD, PERSON, PagesBench, bench, bench_with, settings};

/// Builds a fixture in which every dialect that can mail links does.
async fn bench_with_links(public_url: &str) -> PagesBench {
    bench_with(settings(public_url).with_insforge_links(), ServeOptions::default()).await
}

/// Requests a reset on the hosted page and returns the mailed link.
async fn hosted_link(bench: &PagesBench) -> String {
    let page = bench.browser().post("/forgot", &[("email", PERSON)]).await;
    assert_eq!(page.status, 200);
    bench.mails().await.remove(0).secret
}

/// Requests a reset through each dialect that mails links and last on the hosted page. Returns the links, by the name of
/// their dialect.
async fn every_link(bench: &PagesBench) -> Vec<(&'static str, String)> {
    let mut links = Vec::new();
    for client in bench.mailing_links() {
        links.push((client.dialect, bench.mailed(client).await));
    }
    links.push((NAME, hosted_link(bench).await));
    links
}

#[tokio::test]
async fn link_of_each_dialect_opens_the_form_and_sets_the_password_once() {
    let clients = bench_with_links(BASE).await;
    for dialect in clients.mailing_links().into_iter().map(|client| client.dialect).chain([NAME]) {
        let bench = bench_with_links(BASE).await;
        let (_, link) = every_link(&bench).await.into_iter().find(|(name, _)| *name == dialect).unwrap();
        let mut browser = bench.browser();
        let form = browser.open(&link).await;
        form.says("<h1>Set a new password</h1>");
        form.says("autocomplete=\"new-password\"");
        let secret = link.rsplit('=').next().unwrap();
        assert!(!form.html.contains(secret), "{link}: the page contains the secret");
        assert!(bench.logs_in(OLD).await, "loading the form changes nothing");
        let done = browser.set(NEW).await;
        assert_eq!(done.status, 200, "{link}: {}", done.main());
        done.says("<h1>Your new password is set</h1>");
        done.says("We&#39;ll email you a confirmation.");
        assert!(bench.logs_in(NEW).await);
        assert_eq!(
            browser.cookies.keys().collect::<Vec<_>>(),
            ["polyreset-done"],
            "the secret cookie is deleted"
        );
        for reloaded in [browser.set(NEW).await, browser.form("").await] {
            assert_eq!(reloaded.status, 200);
            reloaded.says("<h1>You&#39;ve already set a new password</h1>");
        }

        let again = browser.open(&link).await;
        // A dialect that checks its links itself does not say why it refuses one.
        if bench.checking.contains(&dialect) {
            assert_eq!(again.status, 400);
            again.says("It was already used, or it has expired.");
        } else {
            assert_eq!(again.status, 200);
            again.says("<h1>You&#39;ve already set a new password</h1>");
        }
        again.says("href=\"forgot\">Request a new email</a>");
        let other = bench.browser().open(&link).await;
        assert_eq!(other.status, 400, "another browser did not set the password");
        assert!(!browser.set("Another Password 2?").await.main().contains("Your new password is set"));
        assert!(bench.logs_in(NEW).await);
    }
}

#[tokio::test]
async fn loading_a_link_fifty_times_changes_nothing() {
    let bench = bench_with_links(BASE).await;
    let links = every_link(&bench).await;
    let before = bench.memory.store.tickets();
    for (_, link) in &links {
        let target = link.strip_prefix(BASE).unwrap();
        for round in 0..50 {
            let method = if round % 2 == 0 { Method::HEAD } else { Method::GET };
            let response = bench.send(method, target, &[("sec-purpose", "prefetch")], "").await;
            assert!(response.status() == 200 || response.status() == 302, "{target}");
        }
        bench.browser().open(link).await;
    }
    assert!(bench.memory.store.tickets() == before && bench.logs_in(OLD).await);
    let (dialect, hosted) = links.last().unwrap();
    assert_eq!((*dialect, bench.browser().open(hosted).await.status), (NAME, 200));
}

#[tokio::test]
async fn weak_password_is_explained_and_keeps_the_link_valid() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    for (weak, line) in [
        ("short", "Too short. Use at least 8 characters."),
        ("", "Too short."),
        ("password1", "Too common – it&#39;s on every attacker&#39;s list."),
    ] {
        let page = browser.set(weak).await;
        assert_eq!(page.status, 400);
        page.says(line);
        page.says("aria-invalid=\"true\" autofocus");
        assert!(!page.html.contains("value=\"short\""));
    }
    assert_eq!(browser.set(NEW).await.status, 200);
    assert!(bench.logs_in(NEW).await);
}

#[tokio::test]
async fn dead_link_says_why_and_offers_a_new_request() {
    let bench = bench().await;
    let first = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&first).await;
    let second = hosted_link(&bench).await;
    let page = browser.set(NEW).await;
    assert_eq!(page.status, 400);
    page.says("There&#39;s a newer link, or your password has changed since.");
    page.says("href=\"forgot\">Request a new email</a>");

    let worthai = bench.mailed(bench.client("worthai")).await;
    bench.memory.clock.advance(std::time::Duration::from_secs(31 * 60));
    for link in [&second, &worthai] {
        let page = bench.browser().open(link).await;
        assert_eq!(page.status, 400, "{link}");
        page.says("<h1>This link has expired</h1>");
    }
    let cut = &second[..second.len() - 5];
    bench.browser().open(cut).await.says("It&#39;s incomplete.");
    assert!(bench.logs_in(OLD).await);
}

#[tokio::test]
async fn link_that_expires_while_its_form_is_open_sets_no_password() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    bench.memory.clock.advance(std::time::Duration::from_secs(31 * 60));
    browser.set(NEW).await.says("<h1>This link has expired</h1>");
    let mut without = bench.browser();
    without.get("/reset?by=link").await.says("Your browser didn&#39;t keep the link");
    without.set(NEW).await.says("Your browser didn&#39;t keep the link");
    assert!(bench.logs_in(OLD).await);
}

#[tokio::test]
async fn busy_server_keeps_the_link_valid() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    bench.set_busy(true);
    let busy = browser.set(NEW).await;
    assert_eq!((busy.status, busy.headers["retry-after"].to_str().unwrap()), (503, "2"));
    busy.says("We&#39;re busy right now. Nothing was lost; try again in a minute.");
    bench.set_busy(false);
    assert_eq!(browser.set(NEW).await.status, 200);
}

#[tokio::test]
async fn links_and_cookies_stay_below_the_path_of_the_public_url() {
    let url = "https://example.org/accounts";
    let bench = bench_with_links(url).await;
    for (_, link) in every_link(&bench).await {
        let target = link.strip_prefix(url).unwrap();
        let response = bench.send(Method::GET, target, &[], "").await;
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.ends_with("; Path=/accounts/reset; Max-Age=900; HttpOnly; SameSite=Strict; Secure"),
                "{cookie}"
            );
        } else {
            assert_eq!(response.status(), 302, "{link}");
        }
        let mut browser = bench.browser();
        browser.open(&link).await.says("<form method=\"post\" action=\"reset\"");
    }
    let redirect = bench.send(Method::GET, "/.well-known/change-password", &[], "").await;
    assert_eq!(
        (redirect.status().as_u16(), redirect.headers()["location"].to_str().unwrap()),
        (303, "https://example.org/accounts/forgot")
    );
}

#[tokio::test]
async fn language_is_kept_from_the_link_to_the_confirmation() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.language = "de-CH, en;q=0.5";
    browser.open(&link).await.says("<h1>Neues Passwort festlegen</h1>");
    browser.get("/reset?lang=fr").await.says("<html lang=\"fr\"");
    browser.set(NEW).await.says("<html lang=\"fr\"");
    assert!(bench.logs_in(NEW).await);
    let notice = bench.mails().await.remove(0);
    assert_eq!(notice.locale.as_deref(), Some("fr"), "the notice is in the language of the page");
}

#[tokio::test]
async fn response_to_a_form_uses_the_language_of_the_form() {
    let bench = bench().await;
    let mut browser = bench.browser();
    let form = browser.get("/forgot").await;
    form.says("<input type=\"hidden\" name=\"lang\" value=\"en\">");
    browser.language = "ja";
    browser.post("/forgot", &[("lang", "fr"), ("email", "x")]).await.says("<html lang=\"fr\"");
    assert!(browser.cookies.is_empty(), "the language of a form is not remembered");
    browser.get("/forgot").await.says("<html lang=\"ja\"");
}

#[tokio::test]
async fn account_language_applies_when_the_browser_names_no_supported_language() {
    let bench = bench().await;
    bench.memory.store.speak(&EmailAddress::parse(PERSON).unwrap(), "fr-CA");
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.language = "it";
    browser.get("/forgot").await.says("<html lang=\"en\"");
    let form = browser.open(&link).await;
    form.says("<html lang=\"fr\"");
    form.says("<input type=\"hidden\" name=\"lang\" value=\"fr\">");
    browser.language = "de";
    browser.form("").await.says("<html lang=\"de\"");
}

#[tokio::test]
async fn form_shows_the_account_address_to_users_and_password_managers() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    let shown =
        "type=\"email\" autocomplete=\"username\" readonly tabindex=\"-1\" value=\"user@example.com\">";
    browser.open(&link).await.says(shown);
    browser.set("short").await.says(shown);
    bench.set_busy(true);
    browser.set(NEW).await.says(shown);
    let without_cookie = bench.browser().get("/reset?by=link").await;
    assert!(!without_cookie.html.contains("user@example.com"));
}

#[tokio::test]
async fn forms_of_two_links_in_two_tabs_each_use_their_own_secret() {
    let bench = bench().await;
    let (one, other) = (hosted_link(&bench).await, bench.mailed(bench.mailing_links()[0]).await);
    let mut browser = bench.browser();
    browser.open(&one).await;
    let first = browser.link.clone();
    browser.open(&other).await;
    assert!(first != browser.link && first.len() == 16 && !one.contains(&first));
    // Without the tag of a link no password is set, whatever secrets the cookies hold.
    for link in ["", "0123456789abcdef", "x", "; Path=/"] {
        let none = browser.post("/reset", &[("password", NEW), ("link", link)]).await;
        assert_eq!(none.status, 400, "{link}");
        none.says("<h1>Open the link again</h1>");
    }
    assert!(bench.logs_in(OLD).await);
    assert_eq!(browser.post("/reset", &[("password", NEW), ("link", &first)]).await.status, 200);
    assert!(bench.logs_in(NEW).await);
    // The first reset voided the other link, and its page says so.
    browser
        .set("Another Password 2?")
        .await
        .says("There&#39;s a newer link, or your password has changed since.");
}

#[tokio::test]
async fn invalid_link_does_not_discard_a_valid_one() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    let mut bad = vec!["/reset?token=garbage".to_owned()];
    for client in bench.mailing_links() {
        let MailedSecret::Link { parameters } = client.mailed else {
            unreachable!("the dialect mails links")
        };
        let forged = parameters.iter().zip(client.forged.splitn(parameters.len(), '/'));
        let query = forged.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        bad.push(format!("/reset?{query}"));
        bad.push(format!("/reset?{}=x", parameters.join("=x&")));
    }
    for bad in bad {
        assert_eq!(browser.get(&bad).await.status, 400, "{bad}");
    }
    assert_eq!(browser.set(NEW).await.status, 200);
}

#[tokio::test]
async fn only_the_latest_four_secrets_are_kept_and_a_cookie_must_match_its_name() {
    let bench = bench().await;
    let mut browser = bench.browser();
    let mut tags = Vec::new();
    for _ in 0..6 {
        browser.open(&hosted_link(&bench).await).await;
        tags.push(browser.link.clone());
    }
    let secret_cookies = |browser: &crate::bench::Browser<'_>| {
        browser.cookies.keys().filter(|name| name.starts_with("polyreset-reset-")).count()
    };
    assert!(secret_cookies(&browser) <= 4, "{:?}", browser.cookies.keys());
    // A cookie whose secret does not match the tag in its name.
    let (mine, theirs) = (format!("polyreset-reset-{}", browser.link), "polyreset-reset-0123456789abcdef");
    let secret = browser.cookies[&mine].clone();
    browser.cookies.insert(theirs.to_owned(), secret);
    let swapped = browser.post("/reset", &[("password", NEW), ("link", "0123456789abcdef")]).await;
    assert_eq!(swapped.status, 400);
    assert_eq!(browser.set(NEW).await.status, 200);
}

#[tokio::test]
async fn account_address_is_hidden_if_it_changed_or_the_account_is_blocked() {
    let bench = bench().await;
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    let person = EmailAddress::parse(PERSON).unwrap();
    bench.memory.store.rename(&person, "elsewhere@example.com");
    for page in [browser.form("").await, browser.set("short").await] {
        page.says("name=\"password\"");
        assert!(!page.html.contains("elsewhere@"), "{}", page.main());
    }
    let event = Event::new(EventKind::Blocked, bench.resets.adapters().clock.now());
    let elsewhere = EmailAddress::parse("elsewhere@example.com").unwrap();
    assert!(bench.memory.store.set_blocked(&elsewhere, true, &event).await.unwrap());
    for page in [browser.form("").await, browser.set("short").await] {
        assert!(page.status == 400 && !page.html.contains("name=\"password\""), "{}", page.main());
    }
}

#[tokio::test]
async fn form_for_a_code_sets_no_password_when_codes_are_disabled() {
    let settings = settings(BASE).retain(|client| client.mailed != MailedSecret::Code);
    let bench = bench_with(settings, ServeOptions::default()).await;
    assert!(bench.mailing_codes().is_empty() && !bench.mailing_links().is_empty());
    let link = hosted_link(&bench).await;
    let mut browser = bench.browser();
    browser.open(&link).await;
    let tag = browser.link.clone();
    let fields =
        [("by", "code"), ("email", "b@example.com"), ("code", "123456"), ("password", NEW), ("link", &*tag)];
    assert_eq!(browser.post("/reset", &fields).await.status, 400);
    assert!(bench.logs_in(OLD).await);
}

#[tokio::test]
async fn browser_without_cookies_gets_instructions() {
    let bench = bench().await;
    let lost = bench.browser().get("/reset?by=link").await;
    assert_eq!(lost.status, 400);
    lost.says("<h1>Open the link again</h1>");
    lost.says("Allow cookies for this page, or open the link from the email in another browser.");
}
