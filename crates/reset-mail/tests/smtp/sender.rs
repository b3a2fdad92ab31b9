//! Rejections of the sender: the operator must learn of them, although no check can see them.

use reset_core::ports::Mailer;
use reset_mail::{MailService, Tls};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink},
    with_fallback,
};

const QUOTA: &str = "554 5.7.1 daily quota exceeded, canary@example.net";

async fn check(service: &MailService) -> String {
    outcome(service.check().await.map(|()| "works".to_owned()))
}

#[tokio::test]
async fn third_rejection_of_the_sender_in_a_row_degrades_mail_until_one_is_accepted() {
    let script = Script { replies: vec![(".", QUOTA)], rejected_messages: Some(4), ..Script::default() };
    let sink = Sink::run(script).await;
    let service = service(sink.settings(Tls::WhenOffered));
    let mut states = Vec::new();
    for _ in 0..5 {
        let _ = service.send(&mail("1")).await;
        states.push(check(&service).await);
    }
    let rejected = "temporary: sender rejected: 554 5.7.1";
    assert_eq!(states, ["accepted: works", "accepted: works", rejected, rejected, "accepted: works"]);
}

/// Anyone can read the state of mail, so it must not show that an address has an account.
#[tokio::test]
async fn rejections_of_recipients_never_degrade_mail() {
    for (command, reply) in [
        ("RCPT", "451 4.7.1 greylisted"),
        ("RCPT", "450 4.2.1 mailbox busy"),
        ("RCPT", "550 5.1.1 unknown"),
        (".", "451 4.7.1 later"),
        (".", "550 5.2.1 disabled"),
    ] {
        let sink = Sink::run(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        let service = service(sink.settings(Tls::WhenOffered));
        for _ in 0..4 {
            assert!(service.send(&mail("1")).await.is_err());
        }
        assert_eq!(check(&service).await, "accepted: works", "{command} {reply}");
    }
}

#[tokio::test]
async fn mail_is_not_degraded_while_the_fallback_accepts_it() {
    let first = Sink::run(Script { replies: vec![("MAIL", QUOTA)], ..Script::default() }).await;
    let second = Sink::run(Script::default()).await;
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    for _ in 0..4 {
        assert_eq!(outcome(service.send(&mail("1")).await), "accepted: 250 2.0.0 by mail_fallback_url");
    }
    assert_eq!(check(&service).await, "accepted: works");
}

#[tokio::test]
async fn mail_is_degraded_if_every_server_rejects_the_sender() {
    let sink = || Sink::run(Script { replies: vec![("MAIL", QUOTA)], ..Script::default() });
    let (first, second) = (sink().await, sink().await);
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    for _ in 0..3 {
        assert_eq!(outcome(service.send(&mail("1")).await), "temporary: 554 5.7.1, then 554 5.7.1");
    }
    assert_eq!(
        check(&service).await,
        "temporary: sender rejected: 554 5.7.1, then sender rejected: 554 5.7.1"
    );
}
