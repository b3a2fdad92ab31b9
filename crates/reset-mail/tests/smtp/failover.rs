//! Failover: when a mail goes to the fallback server, and when the primary is in backoff.

use reset_core::ports::Mailer;
use reset_mail::{MailService, SmtpSettings, Tls};
use tokio::net::TcpListener;

use crate::{
    mail, outcome,
    sink::{Script, Sink, credentials},
    with_fallback,
};

/// Creates a service whose primary server follows `first` and whose fallback accepts everything.
async fn pair(first: Script) -> (MailService, Sink, Sink) {
    let (first, second) = (Sink::run(first).await, Sink::run(Script::default()).await);
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    (service, first, second)
}

async fn send(service: &MailService) -> String {
    outcome(service.send(&mail("123456")).await)
}

/// Returns settings of a server that refuses connections.
#[expect(clippy::unwrap_used, reason = "the test fails if no port is free")]
async fn unreachable_server() -> SmtpSettings {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (host, port) = (address.ip().to_string(), address.port());
    SmtpSettings {
        host,
        port,
        tls: Tls::WhenOffered,
        credentials: None,
        extra_roots: Vec::new(),
        pins: Vec::new(),
    }
}

const BY_SECOND: &str = "accepted: 250 2.0.0 by mail_fallback_url";

#[tokio::test]
async fn fallback_is_not_contacted_while_the_primary_works() {
    let (service, first, second) = pair(Script::default()).await;
    for _ in 0..2 {
        assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    }
    let log = first.log();
    assert_eq!((log.messages.len(), log.connections, second.log().connections), (2, 1, 0));
}

#[tokio::test]
async fn unreachable_primary_costs_no_attempt() {
    let second = Sink::run(Script::default()).await;
    let service = with_fallback(unreachable_server().await, second.settings(Tls::WhenOffered));
    for _ in 0..3 {
        assert_eq!(send(&service).await, BY_SECOND);
    }
    assert_eq!(second.log().messages.len(), 3);
}

#[tokio::test]
async fn primary_that_rejects_every_client_gets_a_backoff() {
    let replies = |command, reply| Script { replies: vec![(command, reply)], ..Script::default() };
    for script in [
        Script { rejected_connections: 9, ..Script::default() },
        replies("EHLO", "421 4.3.2 canary"),
        replies("EHLO", "554 5.7.1 host not welcome"),
        replies("MAIL", "421 4.7.0 too many connections"),
    ] {
        let (service, first, second) = pair(script).await;
        for _ in 0..3 {
            assert_eq!(send(&service).await, BY_SECOND);
        }
        let log = second.log();
        assert_eq!((first.log().connections, log.connections, log.messages.len()), (1, 1, 3));
    }
}

#[tokio::test]
async fn primary_that_rejects_the_login_gets_a_backoff() {
    let replies = vec![("AUTH", "535 5.7.8 canary")];
    let first = Sink::run(Script { auth: Some("AUTH PLAIN"), replies, ..Script::default() }).await;
    let second = Sink::run(Script::default()).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..first.settings(Tls::WhenOffered) };
    let service = with_fallback(settings, second.settings(Tls::WhenOffered));
    for _ in 0..2 {
        assert_eq!(send(&service).await, BY_SECOND);
    }
    assert_eq!((first.log().count("AUTH"), second.log().messages.len()), (1, 2));
}

#[tokio::test]
async fn mail_rejected_for_another_reason_than_its_recipient_goes_to_the_fallback_without_a_backoff() {
    for (command, reply) in [
        ("RCPT", "451 4.7.1 greylisted, canary"),
        ("MAIL", "452 4.3.1 disk full"),
        (".", "451 4.3.0 later"),
        ("RCPT", "554 5.7.1 relay access denied"),
        ("RCPT", "550 5.1.8 bad outbound sender"),
        (".", "554 Message rejected: Email address is not verified"),
        (".", "554 5.2.252 SendAsDenied"),
    ] {
        let (service, first, second) =
            pair(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        for _ in 0..2 {
            assert_eq!(send(&service).await, BY_SECOND, "{command} {reply}");
        }
        assert_eq!((first.log().count("MAIL"), second.log().messages.len()), (2, 2), "{command} {reply}");
    }
}

#[tokio::test]
async fn permanently_rejected_mail_is_not_offered_to_the_fallback() {
    for (command, reply, expected) in [
        ("RCPT", "550 5.1.1 <canary@example.net> unknown", "permanent: 550 5.1.1"),
        (".", "550 5.1.1 <canary@example.net> unknown", "permanent: 550 5.1.1"),
    ] {
        let (service, _, second) =
            pair(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        assert_eq!(send(&service).await, expected);
        assert_eq!(second.log().connections, 0);
    }
}

#[tokio::test]
async fn mail_that_the_primary_may_have_accepted_is_not_offered_to_the_fallback() {
    let (service, first, second) = pair(Script { drops_message: true, ..Script::default() }).await;
    assert_eq!(send(&service).await, "uncertain: connection lost");
    assert_eq!((first.log().messages.len(), second.log().connections), (1, 0));
}

#[tokio::test]
async fn both_failures_are_reported_without_prose() {
    let second = Sink::run(Script { replies: vec![("RCPT", "451 4.7.1 canary")], ..Script::default() }).await;
    let service = with_fallback(unreachable_server().await, second.settings(Tls::WhenOffered));
    assert_eq!(send(&service).await, "temporary: connection refused, then 451 4.7.1");
}

#[tokio::test]
async fn primary_in_backoff_is_tried_if_the_fallback_fails_too() {
    let first = Sink::run(Script { rejected_connections: 1, ..Script::default() }).await;
    let second = Sink::run(Script { rejected_connections: 9, ..Script::default() }).await;
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    assert_eq!(send(&service).await, "temporary: 421 4.3.2, then 421 4.3.2");
    // Both are in backoff now, so both are tried.
    assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    assert_eq!((first.log().connections, second.log().connections), (2, 1));
}

#[tokio::test]
async fn check_succeeds_while_either_server_works() {
    let (down, up) = (unreachable_server().await, Sink::run(Script::default()).await);
    let up = || up.settings(Tls::WhenOffered);
    assert!(with_fallback(down.clone(), up()).check().await.is_ok());
    assert!(with_fallback(up(), down.clone()).check().await.is_ok());
    let neither = with_fallback(down.clone(), down).check().await.map(|()| String::new());
    assert_eq!(outcome(neither), "temporary: connection refused, then connection refused");
}

#[tokio::test]
async fn failed_check_starts_the_backoff_for_the_next_mail() {
    let (service, first, second) = pair(Script { rejected_connections: 9, ..Script::default() }).await;
    service.check().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(send(&service).await, BY_SECOND);
    assert_eq!((first.log().connections, second.log().messages.len()), (1, 1));
}

#[tokio::test]
async fn diagnosis_covers_both_servers_and_names_the_setting_to_fix() {
    let up = Sink::run(Script::default()).await;
    let service = with_fallback(up.settings(Tls::WhenOffered), unreachable_server().await);
    let steps = service.diagnose().await;
    let first: Vec<_> = steps.iter().filter(|step| step.setting == "mail_url").collect();
    assert!(first.len() == 6 && first.iter().all(|step| step.result.is_ok()), "{first:?}");
    let second: Vec<_> = steps.iter().filter(|step| step.setting == "mail_fallback_url").collect();
    assert_eq!(second.iter().map(|step| step.name).collect::<Vec<_>>(), ["dns", "tcp"]);
    let sentence = second[1].result.as_ref().err().map(String::as_str).unwrap_or_default();
    assert!(sentence.ends_with("correct host and port in mail_fallback_url."), "{sentence}");
}
