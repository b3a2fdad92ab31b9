//! Headers, languages, branding and escaping of the hosted pages.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use reset_core::language::{Language, direction};
use reset_http::{BodyError, ServeOptions};
use reset_pages::hosted::brand::{Brand, Colour, Logo};
use sha2::{Digest, Sha256};

use crate::bench::{BASE, NEW, PERSON, Page, PagesBench, bench, bench_with, form, settings};

/// Walks through a reset and returns a page of each kind, with a name.
async fn pages(bench: &PagesBench) -> Vec<(&'static str, Page)> {
    let mut browser = bench.browser();
    let mut all = vec![
        ("forgot", browser.get("/forgot").await),
        ("invalid address", browser.post("/forgot", &[("email", "x")]).await),
        ("sent", browser.post("/forgot", &[("email", PERSON)]).await),
        ("code", browser.get("/reset").await),
        ("dead link", browser.get("/reset?token=x").await),
    ];
    let link = bench.mails().await.remove(0).secret;
    let target = link.strip_prefix(BASE).unwrap();
    all.push(("refresh", browser.get(target).await));
    all.push(("form", browser.open(&link).await));
    all.push(("weak", browser.set("x").await));
    all.push(("done", browser.set(NEW).await));
    let notice = bench.mails().await.remove(0).secret;
    all.push(("not me", browser.open(&notice).await));
    all.push(("not me, dead", browser.get("/not-me?token=x").await));
    all
}

fn between<'a>(html: &'a str, start: &str, end: &str) -> Option<&'a str> {
    html.split_once(start)?.1.split(end).next()
}

#[tokio::test]
async fn every_page_forbids_caching_framing_and_external_resources() {
    let bench = bench().await;
    for (name, page) in pages(&bench).await {
        let header = |header: &str| page.headers.get(header).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"), "{name}");
        assert_eq!(header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{name}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(header("content-language"), Some("en"), "{name}");
        let digest = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
        let style = between(&page.html, "<style>", "</style>").unwrap();
        let policy = header("content-security-policy").unwrap();
        let (before, after) = policy.split_once("; script-src ").unwrap();
        assert_eq!(before, format!("default-src 'none'; style-src {}", digest(style)), "{name}");
        let (script, after) = after.split_once("; ").unwrap();
        assert_eq!(
            after,
            "img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{name}"
        );
        if let Some(served) = between(&page.html, "<script>", "</script>") {
            assert_eq!(script, digest(served), "{name}");
        }
    }
}

#[tokio::test]
async fn no_page_loads_an_external_resource() {
    let bench = bench().await;
    for (name, page) in pages(&bench).await {
        for absent in ["http://", "https://", "href=\"//", "<iframe", "<object", " src=", "@import", "url("] {
            assert!(!page.html.contains(absent), "{name}: {absent}");
        }
        let icon = "<link rel=\"icon\" href=\"data:image/svg+xml;base64,";
        assert_eq!((page.html.matches("<link").count(), page.html.matches(icon).count()), (1, 1), "{name}");
        // Inline attributes that the Content-Security-Policy would block.
        for absent in [" style=", " onclick=", " onload=", "javascript:"] {
            assert!(!page.html.contains(absent), "{name}: {absent}");
        }
    }
}

#[tokio::test]
async fn language_follows_accept_language_the_menu_and_the_cookie() {
    let bench = bench().await;
    for language in Language::ALL {
        let html = format!("<html lang=\"{}\" dir=\"{}\">", language.tag(), direction(language.tag()));
        let mut browser = bench.browser();
        let accepts = format!("it, {}-XX;q=0.9, en;q=0.1", language.primary());
        let response = bench.send(Method::GET, "/forgot", &[("accept-language", &accepts)], "").await;
        assert!(String::from_utf8_lossy(response.body()).contains(&html), "{accepts}");
        browser.get(&format!("/forgot?lang={}", language.primary())).await.says(&html);
        browser.get("/reset").await.says(&html);
        let page = browser.get("/forgot").await;
        page.says(&html);
        page.says(&format!("hreflang=\"{}\" aria-current=\"true\">{}", language.tag(), language.name()));
        assert_eq!(browser.cookies.len(), 1);
    }
    for nonsense in ["xx", "", "%22%3E%3Cscript%3E", "de%0D%0ASet-Cookie:x=y"] {
        let mut browser = bench.browser();
        browser.get(&format!("/forgot?lang={nonsense}")).await.says("<html lang=\"en\"");
        assert!(browser.cookies.is_empty(), "{nonsense}");
    }
}

#[tokio::test]
async fn common_errors_are_pages_in_the_clients_language() {
    let bench = bench().await;
    let german = [("accept-language", "de"), ("cookie", "polyreset-lang=fr")];
    for (path, method) in [("/forgot", Method::PUT), ("/.well-known/change-password", Method::POST)] {
        let route = bench.api.routes().iter().find(|route| route.path == path).unwrap();
        assert!(route.endpoint(&method).is_none());
        for (headers, title) in
            [(&german[..1], "Das kann diese Seite nicht"), (&german, "Cette page ne permet pas cela")]
        {
            let mut request = http::Request::builder();
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            let page = Page::of(bench.api.wrong_method(route, &method, request.headers()));
            assert_eq!(
                (page.status, page.headers["content-type"].to_str().unwrap()),
                (405, "text/html; charset=utf-8")
            );
            page.says(title);
        }
    }
    let route = bench.api.routes().iter().find(|route| route.path == "/reset").unwrap();
    for (error, status) in
        [(BodyError::TooLarge, 413), (BodyError::Unreadable, 400), (BodyError::TooSlow, 408)]
    {
        let request = http::Request::builder().header("accept-language", "es").body(Err(error)).unwrap();
        let endpoint = route.endpoint(&Method::POST).unwrap();
        let page = Page::of(bench.api.answer(route, endpoint, request).await);
        assert_eq!(page.status, status);
        page.says("El formulario no ha llegado");
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("style-src 'sha256-"));
    }
}

#[tokio::test]
async fn submitted_text_is_escaped() {
    const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=y>{{7*7}}&amp;";
    let bench = bench().await;
    let mut browser = bench.browser();
    let fields =
        [("by", "code"), ("email", HOSTILE), ("code", HOSTILE), ("password", HOSTILE), ("token", HOSTILE)];
    let query =
        crate::bench::form(&[("token", HOSTILE), ("lang", HOSTILE), ("code", HOSTILE), ("by", HOSTILE)]);
    let mut responses = Vec::new();
    for path in ["/forgot", "/reset", "/not-me"] {
        responses.push(browser.post(path, &fields).await);
        responses.push(browser.get(&format!("{path}?{query}")).await);
    }
    let wrong = [("by", "code"), ("email", PERSON), ("code", HOSTILE), ("password", NEW)];
    responses.push(browser.post("/reset", &wrong).await);
    for tag in ["0123456789abcdef", "\"><script>alert(1)</script>"] {
        browser.cookies.insert(format!("polyreset-reset-{tag}"), "x\"><script>alert(1)</script>".into());
        responses.push(
            browser.get(&format!("/reset?by=link&link={}", form(&[("", tag)]).trim_start_matches('='))).await,
        );
    }
    let echoed = responses.iter().filter(|page| page.html.contains("&#60;script&#62;alert(1)")).count();
    assert!(echoed >= 3, "{echoed}");
    for page in responses {
        assert!(!page.html.contains("<script>alert") && !page.html.contains("<img"), "{}", page.main());
    }
}

#[tokio::test]
async fn branding_appears_on_the_pages() {
    let mut settings = settings(BASE);
    let pages = settings.pages.as_mut().unwrap();
    pages.brand = Brand {
        name: "Ärzte & <Söhne>".to_owned(),
        logo: Some(Logo::read("svg", b"<svg/>".to_vec()).unwrap()),
        logo_dark: Some(Logo::read("svg", b"<svg />".to_vec()).unwrap()),
        accent: Colour::parse("#7a1fa2"),
        support: Some("help@example.org".to_owned()),
        home: Some("https://app.example.org/login?next=%2F".to_owned()),
        footer: Some("Example, Ltd. <3".to_owned()),
        ..Brand::default()
    };
    pages.stylesheet = Some("h1 { letter-spacing: .1em; }".to_owned());
    let bench = bench_with(settings, ServeOptions::default()).await;
    let page = bench.browser().get("/forgot").await;
    page.says("<title>Forgot your password? – Ärzte &#38; &#60;Söhne&#62;</title>");
    page.says(
        "<source media=\"(prefers-color-scheme: dark)\" srcset=\"data:image/svg+xml;base64,PHN2ZyAvPg==\">",
    );
    page.says(
        "<img class=\"logo\" src=\"data:image/svg+xml;base64,PHN2Zy8+\" alt=\"Ärzte &#38; &#60;Söhne&#62;\">",
    );
    page.says("--accent: #7a1fa2;");
    page.says("h1 { letter-spacing: .1em; }</style>");
    page.says("<a href=\"mailto:help@example.org\">help@example.org</a>");
    page.says("Example, Ltd. &#60;3");
    bench.browser().post("/forgot", &[("email", PERSON)]).await;
    let link = bench.mails().await.remove(0).secret;
    let mut browser = bench.browser();
    browser.open(&link).await;
    browser.set(NEW).await.says("href=\"https://app.example.org/login?next=%2F\">Go to sign in</a>");
}

#[tokio::test]
async fn well_known_change_password_redirects_to_forgot() {
    let bench = bench().await;
    let redirect = bench.send(Method::GET, "/.well-known/change-password", &[], "").await;
    assert_eq!(
        (redirect.status().as_u16(), redirect.headers()["location"].to_str().unwrap()),
        (303, "http://127.0.0.1:8080/forgot")
    );
    let probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200";
    assert_eq!(bench.send(Method::GET, probe, &[], "").await.status(), 404);
}

#[tokio::test]
async fn security_txt_names_the_contact_and_exists_only_with_one() {
    let path = "/.well-known/security.txt";
    assert_eq!(bench().await.send(Method::GET, path, &[], "").await.status(), 404);
    for (contact, line) in [
        ("mailto:security@example.org", "Contact: mailto:security@example.org\n"),
        ("https://example.org/report", "Contact: https://example.org/report\n"),
    ] {
        let mut settings = settings(BASE);
        settings.pages.as_mut().unwrap().security_contact = Some(contact.to_owned());
        let bench = bench_with(settings, ServeOptions::default()).await;
        let response = Page::of(bench.send(Method::GET, path, &[], "").await);
        assert_eq!(
            (response.status, response.headers["content-type"].to_str().unwrap()),
            (200, "text/plain; charset=utf-8")
        );
        response.says(line);
        response.says("Canonical: http://127.0.0.1:8080/.well-known/security.txt\n");
        let expires = response.html.split_once("\nExpires: ").unwrap().1;
        // The clock of the fixture stands in January 2026; the file is valid for half a year.
        assert!(expires.starts_with("2026-07-"), "{expires}");
    }
}
