//! The names of cookies over https, which keep other hosts from planting them.

use http::Method;
use reset_http::ServeOptions;

use crate::bench::{BASE, NEW, PERSON, PagesBench, bench_with, settings};

async fn bench_at(public_url: &str) -> PagesBench {
    bench_with(settings(public_url), ServeOptions::default()).await
}

/// Requests a reset on the hosted page and returns the mailed link.
async fn hosted_link(bench: &PagesBench) -> String {
    bench.browser().post("/forgot", &[("email", PERSON)]).await;
    bench.mails().await.remove(0).secret
}

#[tokio::test]
async fn cookie_of_a_secret_is_sent_by_the_browser_over_https_only_and_sets_the_password() {
    for (url, prefix) in
        [("https://example.org", "__Secure-"), ("https://example.org/accounts", "__Secure-"), (BASE, "")]
    {
        let bench = bench_at(url).await;
        let mut browser = bench.browser();
        browser.open(&hosted_link(&bench).await).await.says("<h1>Set a new password</h1>");
        let secret = format!("{prefix}polyreset-reset-{}", browser.link);
        assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [&secret], "{url}");
        // A cookie that a neighbouring host can plant has no prefix, and replaces none that has it.
        if !prefix.is_empty() {
            let mut fooled = bench.browser();
            let planted = (format!("polyreset-reset-{}", browser.link), browser.cookies[&secret].clone());
            fooled.cookies.extend([planted]);
            let page = fooled.post("/reset", &[("password", NEW), ("link", &browser.link)]).await;
            assert_eq!(page.status, 400, "{url}");
            page.says("Allow cookies for this page");
        }
        assert_eq!(browser.set(NEW).await.status, 200, "{url}");
        assert!(bench.logs_in(NEW).await);
        assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [&format!("{prefix}polyreset-done")]);
        browser.set(NEW).await.says("You&#39;ve already set a new password");
    }
}

#[tokio::test]
async fn only_the_latest_four_secrets_are_kept_under_prefixed_names_too() {
    let bench = bench_at("https://example.org").await;
    let mut browser = bench.browser();
    for _ in 0..6 {
        browser.open(&hosted_link(&bench).await).await;
    }
    assert!(browser.cookies.len() <= 4, "{:?}", browser.cookies.keys());
}

#[tokio::test]
async fn language_cookie_belongs_to_the_host_alone_if_the_service_has_the_whole_host() {
    for (url, name, path) in [
        ("https://example.org", "__Host-polyreset-lang", "/"),
        ("https://example.org/accounts", "__Secure-polyreset-lang", "/accounts/"),
    ] {
        let bench = bench_at(url).await;
        let response = bench.send(Method::GET, "/forgot?lang=fr", &[], "").await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(
            cookie,
            format!("{name}=fr; Path={path}; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure")
        );
        for (name, language) in [(name, "fr"), ("polyreset-lang", "en")] {
            let cookie = format!("{name}=fr");
            let page = bench.send(Method::GET, "/forgot", &[("cookie", cookie.as_str())], "").await;
            let html = String::from_utf8_lossy(page.body()).into_owned();
            assert!(html.contains(&format!("<html lang=\"{language}\"")), "{url} {name}");
        }
    }
}
