//! TLS: neither mail nor password reaches the wrong server, and no password crosses the network in plain text (R26).

use reset_core::ports::Mailer;
use reset_mail::{SmtpSettings, Tls};

use crate::{
    mail, outcome, service,
    sink::{Identity, Script, Sink, credentials},
};

fn here() -> Identity {
    Identity::of("127.0.0.1")
}

fn offering(identity: &Identity) -> Script {
    Script { starttls: Some(identity.clone()), ..Script::default() }
}

/// Sends one mail; `trusted` is added to the system's trust anchors.
async fn sent(sink: &Sink, tls: Tls, trusted: Option<&Identity>) -> String {
    let extra_roots = trusted.iter().map(|identity| identity.pem.clone()).collect();
    let settings = SmtpSettings { extra_roots, ..sink.settings(tls) };
    outcome(service(settings).send(&mail("123456")).await)
}

#[tokio::test]
async fn starttls_is_used_if_offered() {
    for tls in [Tls::WhenOffered, Tls::Required] {
        let identity = here();
        let sink = Sink::run(offering(&identity)).await;
        assert_eq!(sent(&sink, tls, Some(&identity)).await, "accepted: 250 2.0.0");
        let log = sink.log();
        let (plain, encrypted): (Vec<_>, Vec<_>) =
            log.lines.iter().partition(|line| !line.starts_with("tls:"));
        assert_eq!(plain, ["EHLO reset.example.org", "STARTTLS"]);
        assert_eq!(encrypted.len(), 4, "{encrypted:?}");
    }
}

#[tokio::test]
async fn implicit_tls_connection_is_reused() {
    let identity = here();
    let sink = Sink::run(Script { implicit: Some(identity.clone()), ..Script::default() }).await;
    let settings = SmtpSettings { extra_roots: vec![identity.pem], ..sink.settings(Tls::Implicit) };
    let service = service(settings);
    for _ in 0..2 {
        assert_eq!(outcome(service.send(&mail("123456")).await), "accepted: 250 2.0.0");
    }
    let log = sink.log();
    assert_eq!((log.connections, log.messages.len()), (1, 2));
}

#[tokio::test]
async fn server_without_required_starttls_gets_no_mail() {
    let sink = Sink::run(Script::default()).await;
    assert_eq!(sent(&sink, Tls::Required, None).await, "temporary: not offered");
    assert_eq!(sink.log().lines, ["EHLO reset.example.org"]);
}

#[tokio::test]
async fn server_with_untrusted_certificate_gets_no_mail_in_plain_text_either() {
    for tls in [Tls::WhenOffered, Tls::Required] {
        let sink = Sink::run(offering(&here())).await;
        assert_eq!(sent(&sink, tls, None).await, "temporary: tls");
        assert_eq!(sink.log().lines, ["EHLO reset.example.org", "STARTTLS"]);
    }
    let sink = Sink::run(Script { implicit: Some(here()), ..Script::default() }).await;
    assert_eq!(sent(&sink, Tls::Implicit, None).await, "temporary: tls");
    assert!(sink.log().lines.is_empty());
}

#[tokio::test]
async fn server_with_certificate_for_another_name_gets_no_mail() {
    let other = Identity::of("mail.example.org");
    let sink = Sink::run(offering(&other)).await;
    assert_eq!(sent(&sink, Tls::WhenOffered, Some(&other)).await, "temporary: tls");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn replies_injected_before_the_handshake_break_it() {
    let identity = here();
    let injected = "250-sink\r\n250 AUTH PLAIN\r\n";
    let sink = Sink::run(Script { injected, ..offering(&identity) }).await;
    assert_eq!(sent(&sink, Tls::Required, Some(&identity)).await, "temporary: tls");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn password_is_sent_only_after_starttls() {
    let identity = here();
    let sink = Sink::run(Script { auth: Some("AUTH LOGIN PLAIN"), ..offering(&identity) }).await;
    let settings = SmtpSettings {
        credentials: Some(credentials()),
        extra_roots: vec![identity.pem],
        ..sink.settings(Tls::WhenOffered)
    };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "accepted: 250 2.0.0");
    // base64 of "\0canary-user\0canary-pass"
    let log = sink.log();
    assert!(log.lines.contains(&"tls:AUTH PLAIN AGNhbmFyeS11c2VyAGNhbmFyeS1wYXNz".to_owned()));
    assert_eq!(log.count("AUTH"), 1);
}

#[tokio::test]
async fn password_is_sent_in_plain_text_over_loopback() {
    let sink = Sink::run(Script { auth: Some("AUTH PLAIN"), ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "accepted: 250 2.0.0");
    assert_eq!(sink.log().count("AUTH PLAIN"), 1);
}

#[tokio::test]
async fn server_without_a_supported_auth_mechanism_gets_no_mail() {
    let sink = Sink::run(Script { auth: Some("AUTH CRAM-MD5"), ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: not offered");
    assert_eq!(sink.log().lines, ["EHLO reset.example.org"]);
}

#[tokio::test]
async fn starttls_offered_in_lower_case_is_used() {
    let identity = here();
    let sink =
        Sink::run(Script { replies: vec![("EHLO", "250-sink\r\n250 starttls")], ..offering(&identity) })
            .await;
    assert_eq!(sent(&sink, Tls::WhenOffered, Some(&identity)).await, "accepted: 250 2.0.0");
    assert_eq!(sink.log().lines[1..3], ["STARTTLS", "tls:EHLO reset.example.org"]);
}

#[tokio::test]
async fn pinned_certificate_is_accepted_whatever_its_name_and_issuer() {
    let other = Identity::of("mail.example.org");
    for (script, tls) in [
        (offering(&other), Tls::Required),
        (Script { implicit: Some(other.clone()), ..Script::default() }, Tls::Implicit),
    ] {
        let sink = Sink::run(script).await;
        let pins = vec![here().fingerprint, other.fingerprint];
        let service = service(SmtpSettings { pins, ..sink.settings(tls) });
        assert_eq!(outcome(service.send(&mail("1")).await), "accepted: 250 2.0.0");
        assert!(sink.log().lines.contains(&"tls:DATA".to_owned()));
    }
}

#[tokio::test]
async fn certificate_without_a_pinned_fingerprint_gets_no_mail_even_if_it_is_trusted() {
    let identity = here();
    let sink = Sink::run(offering(&identity)).await;
    let settings = SmtpSettings {
        pins: vec![here().fingerprint],
        extra_roots: vec![identity.pem.clone()],
        ..sink.settings(Tls::Required)
    };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: tls");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn mail_is_sent_in_plain_text_where_tls_is_turned_off() {
    let sink = Sink::run(offering(&Identity::of("mail.example.org"))).await;
    assert_eq!(sent(&sink, Tls::Never, None).await, "accepted: 250 2.0.0");
    let log = sink.log();
    assert_eq!((log.count("STARTTLS"), log.messages.len()), (0, 1));
}
