//! A deployment on the internet whose mails reach nobody.

use super::{environment, sentence};

const PUBLIC: (&str, &str) = ("POLYRESET_PUBLIC_URL", "https://accounts.example.com");
const SMTP: (&str, &str) = ("POLYRESET_MAIL_URL", "smtp://mail.example.com?tls=required");

/// Returns the sentence that `serve` logs as an error and `doctor` reports as `FAIL`, if there is one.
fn fault_of(pairs: &[(&str, &str)]) -> Option<String> {
    environment(pairs).unwrap().check_mail_is_deliverable().err().map(|error| error.to_string())
}

#[test]
fn public_deployment_without_a_mail_server_is_at_fault() {
    let text = fault_of(&[PUBLIC]).unwrap();
    assert!(text.starts_with("mail_url is not set") && text.contains("POLYRESET_MAIL_URL"), "{text}");
    assert!(text.contains("https://accounts.example.com"), "{text}");
    let file = ("POLYRESET_MAIL_URL", "file://mail");
    assert_eq!(fault_of(&[PUBLIC, file]), None, "somebody chose it");
    let warning = environment(&[PUBLIC, file]).unwrap().mail_warning().unwrap();
    assert!(warning.contains("written to files and not sent"), "{warning}");
    assert_eq!(environment(&[PUBLIC, SMTP]).unwrap().mail_warning(), None);
}

#[test]
fn public_deployment_whose_sender_no_mail_server_accepts_is_at_fault() {
    let text = fault_of(&[PUBLIC, SMTP]).unwrap();
    assert!(text.starts_with("mail_from (default) is \"Polyreset <no-reply@localhost>\""), "{text}");
    for (from, is_at_fault) in [
        ("no-reply@localhost", true),
        ("Acme <no-reply@mail.localhost>", true),
        ("no-reply@acme.invalid", true),
        ("no-reply@ACME.TEST", true),
        ("no-reply@example.com", false),
        ("Acme <no-reply@localhost.example.com>", false),
    ] {
        let from = [PUBLIC, SMTP, ("POLYRESET_MAIL_FROM", from)];
        assert_eq!(fault_of(&from).is_some(), is_at_fault, "{from:?}");
    }
    let fallback = ("POLYRESET_MAIL_FALLBACK_URL", SMTP.1);
    assert!(fault_of(&[PUBLIC, ("POLYRESET_MAIL_URL", "file://mail"), fallback]).is_some());
}

#[test]
fn deployment_on_this_machine_may_write_mails_to_files() {
    for url in
        ["http://127.0.0.1:8080", "http://localhost:8080", "https://[::1]:8443", "https://reset.localhost"]
    {
        assert_eq!(fault_of(&[("POLYRESET_PUBLIC_URL", url)]), None, "{url}");
        assert_eq!(fault_of(&[("POLYRESET_PUBLIC_URL", url), SMTP]), None, "{url}");
    }
    assert_eq!(fault_of(&[]), None);
    assert_eq!(environment(&[]).unwrap().mail_warning(), None);
}

#[test]
fn shadow_mode_needs_no_mail_because_it_sends_none() {
    let shadow =
        [PUBLIC, ("POLYRESET_UPSTREAM_URL", "http://127.0.0.1:1337"), ("POLYRESET_UPSTREAM_MODE", "shadow")];
    assert_eq!(fault_of(&shadow), None);
    assert_eq!(environment(&shadow).unwrap().mail_warning(), None);
}

#[test]
fn missing_webhook_secret_is_required_with_the_command_that_makes_one() {
    let url = ("POLYRESET_NOTIFY__WEBHOOK_URL", "https://app.example.com/hook");
    let text = sentence(environment(&[url]));
    assert!(text.starts_with("notify.webhook_secret is required") && text.contains("openssl rand"), "{text}");
    let text = sentence(environment(&[url, ("POLYRESET_NOTIFY__WEBHOOK_SECRET", "short")]));
    assert!(
        text.starts_with("notify.webhook_secret (POLYRESET_NOTIFY__WEBHOOK_SECRET) is invalid"),
        "{text}"
    );
}

#[test]
fn weaknesses_of_the_deployment_are_apart_from_those_of_the_contracts() {
    let open = environment(&[]).unwrap().open_weaknesses().unwrap();
    assert_eq!(open.deployment, [""; 0], "sound defaults");
    assert!(open.contracts.iter().any(|line| line.starts_with("R13: ")), "{:?}", open.contracts);
    let open = environment(&[PUBLIC, SMTP, ("POLYRESET_PASSWORD__DENYLIST", "off")]).unwrap();
    let open = open.open_weaknesses().unwrap().deployment;
    assert!(open.len() == 2 && open[0].starts_with("R48: ") && open[1].starts_with("R56: "), "{open:?}");
    assert_eq!(
        super::super::without_number(&open[1]),
        "the most common passwords are accepted (password.denylist)"
    );
}
