//! Settings of the hosted pages.

use std::fs;

use reset_core::{keys::HmacKey, language::Language};
use reset_pages::hosted::PagesSettings;

use super::{Settings, dialect, environment, sentence};
use crate::settings::pages;

/// Returns the hosted pages that the settings serve at `public_url`.
pub(super) fn pages_at(settings: &Settings, public_url: &str, root: &HmacKey) -> Option<PagesSettings> {
    pages::read(&settings.values, &settings.passwords, &settings.brand, public_url, &root.clone().into())
        .unwrap()
}

#[test]
fn page_defaults_equal_those_of_the_embedding_api() {
    let root = HmacKey::shared(&[1; 32]);
    let ours = pages_at(&environment(&[]).unwrap(), "https://a.example", &root).unwrap();
    let theirs = PagesSettings::defaults(&root, "https://a.example");
    assert_eq!(
        (&ours.public_url, ours.token_ttl, ours.policy, ours.language, &ours.brand),
        (&theirs.public_url, theirs.token_ttl, theirs.policy, theirs.language, &theirs.brand)
    );
    assert_eq!(ours.tags.current().as_bytes(), theirs.tags.current().as_bytes());
}

#[test]
fn branding_settings_appear_on_the_pages() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (logo, style) = (file("logo.svg", "<svg/>"), file("own.css", "h1 { color: red; }"));
    let settings = environment(&[
        ("POLYRESET_MAIL_FROM", "Example <no-reply@example.org>"),
        ("POLYRESET_PAGES__LANGUAGE", "de-CH"),
        ("POLYRESET_BRAND__LOGO", &logo),
        ("POLYRESET_BRAND__ACCENT", "#7A1FA2"),
        ("POLYRESET_BRAND__SUPPORT", "help@example.org"),
        ("POLYRESET_BRAND__HOME", "https://app.example.org/login"),
        ("POLYRESET_BRAND__FOOTER", "Example, Ltd."),
        ("POLYRESET_PAGES__STYLESHEET", &style),
    ]);
    let pages = pages_at(&settings.unwrap(), "https://a.example", &HmacKey::shared(&[1; 32])).unwrap();
    let brand = pages.brand;
    assert_eq!((brand.name.as_str(), pages.language), ("Example", Language::De));
    assert_eq!(brand.logo.unwrap().data_url(), "data:image/svg+xml;base64,PHN2Zy8+");
    assert_eq!(brand.accent.unwrap().css(), "#7a1fa2");
    assert_eq!(brand.home.as_deref(), Some("https://app.example.org/login"));
    assert_eq!(pages.stylesheet.as_deref(), Some("h1 { color: red; }"));
}

#[test]
fn invalid_branding_stops_the_start_and_the_error_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.css");
    fs::write(&large, "x".repeat(65_537)).unwrap();
    let vector = folder.path().join("logo.svg");
    fs::write(&vector, "<svg/>").unwrap();
    for (variable, value, reason) in [
        ("POLYRESET_BRAND__ACCENT", "#ffcc00", "whose contrast with white is 1.51:1: text needs 4.5:1"),
        ("POLYRESET_BRAND__ACCENT", "#777777", "whose contrast with white is 4.47:1"),
        ("POLYRESET_BRAND__ACCENT", "blue", "expected a colour of six hex digits"),
        ("POLYRESET_PAGES__LANGUAGE", "it", "expected a supported language: en, de"),
        ("POLYRESET_BRAND__NAME", "", "expected a line of 1 to 200 characters"),
        ("POLYRESET_BRAND__HOME", "http://example.org", "expected an https URL"),
        ("POLYRESET_BRAND__HOME", "javascript:alert(1)", "expected an https URL"),
        ("POLYRESET_BRAND__LOGO", "/no/such/logo.svg", "/no/such/logo.svg cannot be read"),
        ("POLYRESET_BRAND__LOGO_DARK", large.to_str().unwrap(), "is larger than 64 KiB"),
        ("POLYRESET_BRAND__MAIL_LOGO", vector.to_str().unwrap(), "mail programs show no other formats"),
        ("POLYRESET_BRAND__ADDRESS", "1 Example Street\nLondon", "expected a line of 1 to 200 characters"),
        ("POLYRESET_PAGES__STYLESHEET", large.to_str().unwrap(), "is larger than 64 KiB"),
        ("POLYRESET_PAGES__TOKEN_TTL", "2d", "at most 1d"),
        (
            "POLYRESET_PAGES__SECURITY_CONTACT",
            "http://example.org",
            "expected a mail address or an https URL",
        ),
        ("POLYRESET_PAGES__SECURITY_CONTACT", "call us", "expected a mail address or an https URL"),
        (
            "POLYRESET_PAGES__SECURITY_CONTACT",
            "mailto:a@example.org",
            "expected a mail address or an https URL",
        ),
    ] {
        let text = sentence(environment(&[(variable, value)]));
        assert!(text.contains(reason) && text.contains(variable), "{text}");
    }
}

#[test]
fn security_contact_becomes_a_url() {
    for (contact, url) in [
        ("security@example.org", "mailto:security@example.org"),
        ("https://example.org/report", "https://example.org/report"),
    ] {
        let settings = environment(&[("POLYRESET_PAGES__SECURITY_CONTACT", contact)]).unwrap();
        let pages = pages_at(&settings, "https://a.example", &HmacKey::shared(&[1; 32])).unwrap();
        assert_eq!(pages.security_contact.as_deref(), Some(url));
    }
}

#[test]
fn without_hosted_pages_links_need_a_page_url() {
    let text = sentence(environment(&[("POLYRESET_PAGES__ENABLED", "false")]));
    assert!(text.contains("set worthai.page_url"), "{text}");
    let elsewhere = [
        ("POLYRESET_PAGES__ENABLED", "false"),
        ("POLYRESET_WORTHAI__PAGE_URL", "https://app.example.org/reset"),
        ("POLYRESET_STRAPI__ENABLED", "false"),
    ];
    let settings = environment(&elsewhere).unwrap();
    assert!(pages_at(&settings, "https://a.example", &HmacKey::shared(&[1; 32])).is_none());
    assert!(settings.stand_in().unwrap().iter().all(|dialect| dialect.name != reset_pages::hosted::NAME));
}

#[test]
fn without_hosted_pages_links_do_not_replace_codes_and_the_weakness_says_so() {
    let settings = |enabled| {
        environment(&[
            ("POLYRESET_PAGES__ENABLED", enabled),
            ("POLYRESET_WORTHAI__PAGE_URL", "https://app.example.com/reset"),
            ("POLYRESET_STRAPI__PAGE_URL", "https://app.example.com/reset"),
        ])
        .unwrap()
    };
    let reported = |settings: &Settings| {
        let open = settings.weaknesses().unwrap();
        open.into_iter().find(|line| line.starts_with("R50") && line.contains("InsForge")).unwrap()
    };
    let mails_links =
        |settings: &Settings| dialect(settings, "insforge").policies.unwrap().fallback.is_some();
    let (with, without) = (settings("true"), settings("false"));
    assert!(mails_links(&with) && reported(&with).contains("links are mailed instead"));
    assert!(!mails_links(&without) && reported(&without).contains("no InsForge reset succeeds"));
}
