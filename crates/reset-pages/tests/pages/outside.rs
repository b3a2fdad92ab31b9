//! What pages look like from outside: headers, languages, and what they do with what is hostile.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use reset_core::language::Language;
use reset_dialects::{
    BodyError, ServeOptions,
    pages::brand::{Brand, Colour},
};
use sha2::{Digest, Sha256};

use crate::bench::{NEW, PERSON, PagesBench, Seen, bench, bench_with, form, settings};

/// A page of each kind, as somebody comes by them.
async fn pages(bench: &PagesBench) -> Vec<(&'static str, Seen)> {
    let mut browser = bench.browser();
    let mut seen = vec![
        ("forgot", browser.get("/forgot").await),
        ("no address", browser.post("/forgot", &[("email", "x")]).await),
        ("sent", browser.post("/forgot", &[("email", PERSON)]).await),
        ("code", browser.get("/reset").await),
        ("dead", browser.get("/reset?token=x").await),
    ];
    let link = bench.mails().await.remove(0).secret;
    let target = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    seen.push(("onward", browser.get(target).await));
    seen.push(("form", browser.open(&link).await));
    seen.push(("weak", browser.set("x").await));
    seen.push(("done", browser.set(NEW).await));
    let notice = bench.mails().await.remove(0).secret;
    seen.push(("not me", browser.open(&notice).await));
    seen.push(("not me, dead", browser.get("/not-me?token=x").await));
    seen
}

fn between<'a>(html: &'a str, start: &str, end: &str) -> Option<&'a str> {
    html.split_once(start)?.1.split(end).next()
}

#[tokio::test]
async fn every_page_has_the_headers_that_keep_it_to_itself() {
    let bench = bench().await;
    for (name, seen) in pages(&bench).await {
        let header = |header: &str| seen.headers.get(header).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"), "{name}");
        assert_eq!(header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{name}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(header("content-language"), Some("en"), "{name}");
        let digest = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
        let style = between(&seen.html, "<style>", "</style>").unwrap();
        let policy = header("content-security-policy").unwrap();
        let (before, after) = policy.split_once("; script-src ").unwrap();
        assert_eq!(before, format!("default-src 'none'; style-src {}", digest(style)), "{name}");
        let (script, after) = after.split_once("; ").unwrap();
        assert_eq!(
            after,
            "img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{name}"
        );
        if let Some(served) = between(&seen.html, "<script>", "</script>") {
            assert_eq!(script, digest(served), "{name}");
        }
    }
}

#[tokio::test]
async fn no_page_loads_anything() {
    let bench = bench().await;
    for (name, seen) in pages(&bench).await {
        for absent in
            ["http://", "https://", "href=\"//", "<link", "<iframe", "<object", " src=", "@import", "url("]
        {
            assert!(!seen.html.contains(absent), "{name}: {absent}");
        }
        // Nothing that the policy would stop.
        for absent in [" style=", " onclick=", " onload=", "javascript:"] {
            assert!(!seen.html.contains(absent), "{name}: {absent}");
        }
    }
}

#[tokio::test]
async fn six_languages_are_spoken_by_preference_by_choice_and_by_memory() {
    let bench = bench().await;
    for language in Language::ALL {
        let html = format!("<html lang=\"{}\" dir=\"ltr\">", language.tag());
        let mut browser = bench.browser();
        let accepts = format!("it, {}-XX;q=0.9, en;q=0.1", language.primary());
        let answer = bench.send(Method::GET, "/forgot", &[("accept-language", &accepts)], "").await;
        assert!(String::from_utf8_lossy(answer.body()).contains(&html), "{accepts}");
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
async fn what_never_reaches_a_page_is_told_on_one_in_the_persons_language() {
    let bench = bench().await;
    let german = [("accept-language", "de"), ("cookie", "polyreset-lang=fr")];
    for (path, method) in [("/forgot", Method::PUT), ("/.well-known/change-password", Method::POST)] {
        let route = bench.api.routes().iter().find(|route| route.path == path).unwrap();
        assert!(route.endpoint(&method).is_none());
        for (asks, title) in
            [(&german[..1], "Das kann diese Seite nicht"), (&german, "Cette page ne peut pas")]
        {
            let mut request = http::Request::builder();
            for (name, value) in asks {
                request = request.header(*name, *value);
            }
            let seen = Seen::of(bench.api.wrong_method(route, request.body(()).unwrap().headers()));
            assert_eq!(
                (seen.status, seen.headers["content-type"].to_str().unwrap()),
                (405, "text/html; charset=utf-8")
            );
            seen.says(title);
        }
    }
    let route = bench.api.routes().iter().find(|route| route.path == "/reset").unwrap();
    for (error, status) in
        [(BodyError::TooLarge, 413), (BodyError::Unreadable, 400), (BodyError::TooSlow, 408)]
    {
        let request = http::Request::builder().header("accept-language", "es").body(Err(error)).unwrap();
        let endpoint = route.endpoint(&Method::POST).unwrap();
        let seen = Seen::of(bench.api.answer(route, endpoint, request).await);
        assert_eq!(seen.status, status);
        seen.says("El formulario no ha llegado");
        assert!(seen.headers["content-security-policy"].to_str().unwrap().contains("style-src 'sha256-"));
    }
}

#[tokio::test]
async fn nothing_that_is_typed_is_markup() {
    const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=y>{{7*7}}&amp;";
    let bench = bench().await;
    let mut browser = bench.browser();
    let fields =
        [("by", "code"), ("email", HOSTILE), ("code", HOSTILE), ("password", HOSTILE), ("token", HOSTILE)];
    let query =
        crate::bench::form(&[("token", HOSTILE), ("lang", HOSTILE), ("code", HOSTILE), ("by", HOSTILE)]);
    let mut answers = Vec::new();
    for path in ["/forgot", "/reset", "/not-me"] {
        answers.push(browser.post(path, &fields).await);
        answers.push(browser.get(&format!("{path}?{query}")).await);
    }
    let wrong = [("by", "code"), ("email", PERSON), ("code", HOSTILE), ("password", NEW)];
    answers.push(browser.post("/reset", &wrong).await);
    for tag in ["0123456789abcdef", "\"><script>alert(1)</script>"] {
        browser.cookies.insert(format!("polyreset-reset-{tag}"), "x\"><script>alert(1)</script>".into());
        answers.push(
            browser.get(&format!("/reset?by=link&link={}", form(&[("", tag)]).trim_start_matches('='))).await,
        );
    }
    let echoed = answers.iter().filter(|seen| seen.html.contains("&#60;script&#62;alert(1)")).count();
    assert!(echoed >= 3, "{echoed}");
    for seen in answers {
        assert!(!seen.html.contains("<script>alert") && !seen.html.contains("<img"), "{}", seen.main());
    }
}

#[tokio::test]
async fn a_team_finds_its_own_on_the_page() {
    let mut settings = settings("http://127.0.0.1:8080");
    settings.pages.as_mut().unwrap().brand = Brand {
        name: "Ärzte & <Söhne>".to_owned(),
        logo: Some("data:image/svg+xml;base64,PHN2Zy8+".to_owned()),
        accent: Colour::parse("#7a1fa2"),
        support: Some("help@example.org".to_owned()),
        home: Some("https://app.example.org/login?next=%2F".to_owned()),
        footer: Some("Example, Ltd. <3".to_owned()),
        stylesheet: Some("h1 { letter-spacing: .1em; }".to_owned()),
    };
    let bench = bench_with(settings, ServeOptions::default()).await;
    let page = bench.browser().get("/forgot").await;
    page.says("<title>Forgot your password? – Ärzte &#38; &#60;Söhne&#62;</title>");
    page.says("<img src=\"data:image/svg+xml;base64,PHN2Zy8+\" alt=\"Ärzte &#38; &#60;Söhne&#62;\">");
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
async fn password_managers_find_the_page() {
    let bench = bench().await;
    let lead = bench.send(Method::GET, "/.well-known/change-password", &[], "").await;
    assert_eq!(
        (lead.status().as_u16(), lead.headers()["location"].to_str().unwrap()),
        (303, "http://127.0.0.1:8080/forgot")
    );
    let probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200";
    assert_eq!(bench.send(Method::GET, probe, &[], "").await.status(), 404);
}
