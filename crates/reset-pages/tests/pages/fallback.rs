//! Paths that no dialect has: what a browser and what a client of the API gets.

use http::Method;
use reset_http::ServeOptions;

use crate::bench::{BASE, NEW, PERSON, Page, bench, bench_with, settings};

/// The `Accept` of a browser that loads a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn unknown_path_is_a_page_for_a_browser_and_problem_details_for_a_client() {
    let bench = bench().await;
    for path in ["/nothing", "/a/deep/path", "/forgotten", "/healthz/x"] {
        for (accept, media) in [
            (BROWSER, "text/html; charset=utf-8"),
            ("application/json", "application/problem+json"),
            ("*/*", "application/problem+json"),
        ] {
            let headers = [("accept", accept), ("accept-language", "de")];
            let page = Page::of(bench.send(Method::GET, path, &headers, "").await);
            assert_eq!(
                (page.status, page.headers["content-type"].to_str().unwrap()),
                (404, media),
                "{path} {accept}"
            );
            let varies = page.headers.get_all("vary").iter().any(|value| value == "Accept");
            assert!(varies, "{path} {accept}");
            if accept == BROWSER {
                page.says("<h1>Seite nicht gefunden</h1>");
                // Relative links would lead below the path.
                page.says("<a class=\"button\" href=\"/forgot\">");
                page.says("href=\"/forgot?lang=fr\"");
            } else {
                assert_eq!(page.html, r#"{"status":404,"title":"No such path"}"#);
            }
        }
    }
}

#[tokio::test]
async fn error_of_a_service_path_is_a_page_for_a_browser() {
    let bench = bench().await;
    let route = bench.api.routes().iter().find(|route| route.path == "/healthz").unwrap();
    for (accept, media) in [(BROWSER, "text/html; charset=utf-8"), ("*/*", "application/problem+json")] {
        let request = http::Request::builder().header("accept", accept).body(()).unwrap();
        let page = Page::of(bench.api.wrong_method(route, &Method::DELETE, request.headers()));
        assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (405, media));
        assert_eq!(page.headers["allow"], "GET, HEAD, OPTIONS");
    }
}

#[tokio::test]
async fn other_spellings_of_a_page_are_redirected_with_their_query() {
    for url in [BASE, "https://example.org/accounts"] {
        let bench = bench_with(settings(url), ServeOptions::default()).await;
        for (target, to, status) in [
            ("/", "/forgot", 303),
            ("/?utm_source=x", "/forgot", 303),
            ("/forgot/", "/forgot", 308),
            ("/Forgot", "/forgot", 308),
            ("/RESET/?code=ab%20c", "/reset?code=ab%20c", 308),
            ("/Not-Me?token=ab", "/not-me?token=ab", 308),
        ] {
            let response = bench.send(Method::GET, target, &[], "").await;
            let location = response.headers()["location"].to_str().unwrap();
            assert_eq!((response.status().as_u16(), location), (status, &*format!("{url}{to}")), "{target}");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
    }
}

#[tokio::test]
async fn form_sent_to_another_spelling_keeps_its_method() {
    let bench = bench().await;
    let response = bench.send(Method::POST, "/forgot/", &[], "email=user%40example.com").await;
    assert_eq!(response.status(), 308);
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn browser_gets_an_icon() {
    let bench = bench().await;
    let icon = Page::of(bench.send(Method::GET, "/favicon.ico", &[], "").await);
    assert_eq!((icon.status, icon.headers["content-type"].to_str().unwrap()), (200, "image/svg+xml"));
    icon.says("fill=\"#1d4ed8\"");
    icon.says(">P</text>");
}

#[tokio::test]
async fn without_hosted_pages_every_client_gets_problem_details() {
    let mut settings = settings(BASE);
    settings.pages = None;
    let bench = bench_with(settings, ServeOptions::default()).await;
    for path in ["/", "/forgot/", "/favicon.ico", "/nothing"] {
        let page = Page::of(bench.send(Method::GET, path, &[("accept", BROWSER)], "").await);
        assert_eq!(page.status, 404, "{path}");
        assert_eq!(page.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn client_over_its_rate_limit_learns_why_and_where_to_start_again() {
    let serving =
        ServeOptions { client_limits: Some(reset_http::ClientLimits::default()), ..ServeOptions::default() };
    let bench = bench_with(settings(BASE), serving).await;
    let fields = [("by", "code"), ("email", PERSON), ("code", "000000"), ("password", NEW), ("lang", "en")];
    let mut last = bench.browser().post("/reset", &fields).await;
    for _ in 0..30 {
        last = bench.browser().post("/reset", &fields).await;
    }
    assert_eq!(last.status, 429);
    last.says("<h1>Too many attempts</h1>");
    last.says("we limit how often this can be tried.");
    last.says("<a class=\"button\" href=\"forgot\">Reset your password</a>");
}
