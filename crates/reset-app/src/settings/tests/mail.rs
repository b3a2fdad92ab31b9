//! Settings of mail delivery.

use reset_mail::TransportConfig;

use super::{environment, sentence};

#[test]
fn fallback_language_must_be_supported() {
    assert_eq!(environment(&[]).unwrap().mail.locale, "en");
    assert_eq!(environment(&[("POLYRESET_MAIL__LOCALE", "de-CH")]).unwrap().mail.locale, "de-CH");
    assert_eq!(
        sentence(environment(&[("POLYRESET_MAIL__LOCALE", "it")])),
        "mail.locale (POLYRESET_MAIL__LOCALE) is \"it\"; expected a supported language: en, de, es, fr, ja, zh, ar"
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
    assert!(shown.contains("\n# mail_fallback_url = \"smtp://[redacted]@b.example\""), "{shown}");
    assert!(settings.weaknesses().unwrap().iter().any(|line| line.ends_with("(mail_fallback_url)")));
    assert_eq!(
        sentence(fallback("smtp://canary-user@b.example")),
        "mail_fallback_url (POLYRESET_MAIL_FALLBACK_URL) has a user name without a password, or the reverse"
    );
    assert_eq!(
        sentence(fallback("file://mail")),
        "mail_fallback_url (POLYRESET_MAIL_FALLBACK_URL) is invalid; expected a transport that differs from mail_url"
    );
}

#[test]
fn concurrent_deliveries_per_domain_leave_connections_to_other_domains() {
    let per_domain = |connections: &str| {
        environment(&[("POLYRESET_MAIL__CONNECTIONS", connections)]).unwrap().mail.limits.per_domain
    };
    assert_eq!(environment(&[]).unwrap().mail.limits, reset_mail::MailLimits::default());
    assert_eq!(["1", "2", "3", "6", "64"].map(per_domain), [1, 1, 2, 4, 42]);
    let given = |number: &str| environment(&[("POLYRESET_MAIL__PER_DOMAIN", number)]);
    assert_eq!(given("6").unwrap().mail.limits.per_domain, 6);
    for number in ["0", "7", "many"] {
        assert!(sentence(given(number)).ends_with("expected an integer from 1 to 6"));
    }
    let connections = environment(&[("POLYRESET_MAIL__CONNECTIONS", "65")]);
    assert!(sentence(connections).ends_with("expected an integer from 1 to 64"));
}

#[test]
fn rate_and_timeout_are_unset_by_default_and_validated() {
    let limits = |name: &str, value: &str| environment(&[(name, value)]).map(|settings| settings.mail.limits);
    let (rate, timeout) = ("POLYRESET_MAIL__RATE", "POLYRESET_MAIL__TIMEOUT");
    assert_eq!(limits(rate, "100/1h").unwrap().rate, "100/1h".parse().ok());
    assert_eq!(limits(timeout, "30s").unwrap().timeout, Some(std::time::Duration::from_secs(30)));
    let error = |name, value| limits(name, value).unwrap_err().to_string();
    assert_eq!(
        error(rate, "100"),
        "mail.rate (POLYRESET_MAIL__RATE) is \"100\"; expected mails per period such as 100/1h or 14/1s"
    );
    assert!(error(timeout, "500ms").ends_with("expected at least 1s"));
    assert!(error(timeout, "6m").contains("at most 5m"));
}

#[test]
fn plain_text_is_a_weakness_unless_it_stays_on_this_machine() {
    let weaknesses = |url: &str| {
        let settings = environment(&[("POLYRESET_MAIL_URL", url)]).unwrap();
        let mail = settings.weaknesses().unwrap().into_iter().filter(|line| line.contains("mail_url"));
        mail.collect::<Vec<_>>()
    };
    assert_eq!(
        weaknesses("smtp://relay.example?tls=none"),
        ["R26: mail crosses the network in plain text (mail_url: tls=none)"]
    );
    assert_eq!(
        weaknesses("smtp://relay.example"),
        ["R26: mail is sent in plain text if the mail server offers no STARTTLS (mail_url)"]
    );
    let pin = format!("smtp://relay.example?pin=sha256:{}", "0a".repeat(32));
    for url in ["smtp://localhost?tls=none", "smtp://127.0.0.1?tls=none", "smtp://[::1]?tls=none", &pin] {
        assert_eq!(weaknesses(url), [] as [&str; 0], "{url}");
    }
}

#[test]
fn dkim_needs_a_key_a_selector_and_a_domain_of_the_sender() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    let (pem, selector, domain) =
        ("POLYRESET_MAIL__DKIM_KEY", "POLYRESET_MAIL__DKIM_SELECTOR", "POLYRESET_MAIL__DKIM_DOMAIN");
    let with = |more: &[(&str, &str)]| {
        environment(&[&[("POLYRESET_MAIL_FROM", "Acme <no-reply@mail.Example.com>")], more].concat())
    };
    assert!(with(&[]).unwrap().mail.dkim.is_none());
    let signed = with(&[(pem, &key), (selector, "s1"), (domain, "example.com")]).unwrap();
    assert!(
        signed.mail.dkim.is_some() && with(&[(pem, &key), (selector, "s1")]).unwrap().mail.dkim.is_some()
    );
    let shown = signed.show().unwrap();
    assert!(!shown.contains("PRIVATE KEY") && shown.contains("dkim_selector = \"s1\""), "{shown}");
    let sentence = |more: &[(&str, &str)]| sentence(with(more));
    for (more, expected) in [
        (&[(pem, key.as_str())][..], "mail.dkim_selector is required with mail.dkim_key"),
        (&[(selector, "s1")], "used only with mail.dkim_key"),
        (&[(domain, "example.com")], "used only with mail.dkim_key"),
        (&[(pem, "no key"), (selector, "s1")], "expected an RSA key of 2048 to 4096 bits or an Ed25519 key"),
        (&[(pem, &key), (selector, "s 1")], "expected a selector of letters"),
        (
            &[(pem, &key), (selector, "s1"), (domain, "example.org")],
            "expected mail.example.com, or a domain above",
        ),
        (
            &[(pem, &key), (selector, "s1"), (domain, "ample.com")],
            "expected mail.example.com, or a domain above",
        ),
    ] {
        let error = sentence(more);
        assert!(error.contains(expected) && !error.contains("PRIVATE KEY"), "{error}");
    }
}
