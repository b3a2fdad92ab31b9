//! No mail and no password goes where it was not meant to (R26).

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

/// Sends one mail; `trusted` is added to the system's anchors.
async fn sent(sink: &Sink, tls: Tls, trusted: Option<&Identity>) -> String {
    let extra_roots = trusted.iter().map(|identity| identity.pem.clone()).collect();
    let settings = SmtpSettings { extra_roots, ..sink.settings(tls) };
    outcome(service(settings).send(&mail("123456")).await)
}

#[tokio::test]
async fn starttls_is_used_wherever_it_is_offered() {
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
async fn tls_from_the_first_byte_carries_mail_after_mail() {
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
async fn a_server_without_the_required_starttls_gets_no_mail() {
    let sink = Sink::run(Script::default()).await;
    assert_eq!(sent(&sink, Tls::Required, None).await, "temporary: not offered");
    assert_eq!(sink.log().lines, ["EHLO reset.example.org"]);
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_gets_no_mail_and_no_second_chance_in_plain_text() {
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
async fn a_certificate_for_another_name_gets_no_mail() {
    let other = Identity::of("mail.example.org");
    let sink = Sink::run(offering(&other)).await;
    assert_eq!(sent(&sink, Tls::WhenOffered, Some(&other)).await, "temporary: tls");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn replies_slipped_in_before_the_handshake_are_not_believed() {
    let identity = here();
    let slipped_in = "250-sink\r\n250 AUTH PLAIN\r\n";
    let sink = Sink::run(Script { slipped_in, ..offering(&identity) }).await;
    assert_eq!(sent(&sink, Tls::Required, Some(&identity)).await, "temporary: tls");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn a_password_goes_out_after_starttls_only() {
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
async fn a_password_may_cross_the_loopback_in_plain_text() {
    let sink = Sink::run(Script { auth: Some("AUTH PLAIN"), ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "accepted: 250 2.0.0");
    assert_eq!(sink.log().count("AUTH PLAIN"), 1);
}

#[tokio::test]
async fn a_server_that_cannot_log_us_in_gets_no_mail() {
    let sink = Sink::run(Script { auth: Some("AUTH CRAM-MD5"), ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: not offered");
    assert_eq!(sink.log().lines, ["EHLO reset.example.org"]);
}
