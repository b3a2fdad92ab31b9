//! Settings of mail delivery.

use reset_mail::TransportConfig;

use super::{environment, sentence};

#[test]
fn fallback_language_must_be_supported() {
    assert_eq!(environment(&[]).unwrap().mail.locale, "en");
    assert_eq!(environment(&[("POLYRESET_MAIL__LOCALE", "de-CH")]).unwrap().mail.locale, "de-CH");
    assert_eq!(
        sentence(environment(&[("POLYRESET_MAIL__LOCALE", "it")])),
        "mail.locale (POLYRESET_MAIL__LOCALE) is \"it\"; expected a supported language: en, de, es, fr, ja, zh"
    );
}

#[test]
fn fallback_url_is_parsed_like_mail_url_and_its_password_is_redacted() {
    let fallback = |url: &str| environment(&[("POLYRESET_MAIL_FALLBACK_URL", url)]);
    assert!(environment(&[]).unwrap().mail.fallback.is_none());
    let settings = fallback("smtp://canary-user:canary-pass@b.example").unwrap();
    assert!(
        matches!(&settings.mail.fallback, Some(TransportConfig::Smtp(server)) if server.host == "b.example")
    );
    let shown = settings.show().unwrap();
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("mail_fallback_url = \"smtp://[redacted]@b.example\""), "{shown}");
    assert!(settings.weaknesses().unwrap().iter().any(|line| line.ends_with("(mail_fallback_url)")));
    assert_eq!(
        sentence(fallback("smtp://canary-user@b.example")),
        "mail_fallback_url has a user name without a password, or the reverse. (POLYRESET_MAIL_FALLBACK_URL)"
    );
    assert_eq!(
        sentence(fallback("file://mail")),
        "mail_fallback_url (POLYRESET_MAIL_FALLBACK_URL) is invalid; expected a transport that differs from mail_url"
    );
}

#[test]
fn concurrent_deliveries_per_domain_are_1_to_6() {
    let per_domain = |number: &str| environment(&[("POLYRESET_MAIL__PER_DOMAIN", number)]);
    assert_eq!(environment(&[]).unwrap().mail.per_domain, reset_mail::PER_DOMAIN);
    assert_eq!(per_domain("6").unwrap().mail.per_domain, reset_mail::CONNECTIONS);
    for number in ["0", "7", "many"] {
        assert!(sentence(per_domain(number)).ends_with("expected an integer from 1 to 6"));
    }
}
