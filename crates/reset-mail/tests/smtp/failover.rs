//! Two mail servers: when the second is asked, and when the first is left alone.

use mail_parser::MessageParser;
use reset_core::ports::Mailer;
use reset_mail::{MailService, SmtpSettings, Tls};
use tokio::net::TcpListener;

use crate::{
    mail, outcome,
    sink::{Script, Sink, credentials},
    with_fallback,
};

/// A service whose first mail server does this and whose second is friendly.
async fn pair(first: Script) -> (MailService, Sink, Sink) {
    let (first, second) = (Sink::run(first).await, Sink::run(Script::default()).await);
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    (service, first, second)
}

async fn send(service: &MailService) -> String {
    outcome(service.send(&mail("123456")).await)
}

/// Settings that lead where nobody listens.
#[expect(clippy::unwrap_used, reason = "a port that cannot be had is a failed test")]
async fn nowhere() -> SmtpSettings {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (host, port) = (address.ip().to_string(), address.port());
    SmtpSettings { host, port, tls: Tls::WhenOffered, credentials: None, extra_roots: Vec::new() }
}

const BY_SECOND: &str = "accepted: 250 2.0.0 by mail_fallback_url";

#[tokio::test]
async fn while_the_first_works_the_second_is_not_bothered() {
    let (service, first, second) = pair(Script::default()).await;
    for _ in 0..2 {
        assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    }
    let log = first.log();
    assert_eq!((log.messages.len(), log.connections, second.log().connections), (2, 1, 0));
}

#[tokio::test]
async fn a_first_that_is_not_there_costs_no_mail_its_try() {
    let second = Sink::run(Script::default()).await;
    let service = with_fallback(nowhere().await, second.settings(Tls::WhenOffered));
    for _ in 0..3 {
        assert_eq!(send(&service).await, BY_SECOND);
    }
    assert_eq!(second.log().messages.len(), 3);
}

#[tokio::test]
async fn a_first_that_turns_everybody_away_is_left_alone_for_a_while() {
    let replies = |command, reply| Script { replies: vec![(command, reply)], ..Script::default() };
    for script in [
        Script { turned_away: 9, ..Script::default() },
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
async fn a_first_whose_log_in_is_wrong_is_left_alone_for_a_while() {
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
async fn a_mail_that_the_first_does_not_take_for_now_is_offered_to_the_second_and_the_first_asked_again() {
    for (command, reply) in [
        ("RCPT", "451 4.7.1 greylisted, canary"),
        ("MAIL", "452 4.3.1 disk full"),
        (".", "451 4.3.0 later"),
        ("RCPT", "554 5.7.1 relay access denied"),
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
async fn a_mail_that_the_first_refuses_for_good_is_offered_to_nobody_else() {
    for (command, reply, wanted) in [
        ("RCPT", "550 5.1.1 <canary@example.net> unknown", "permanent: 550 5.1.1"),
        (".", "554 5.7.1 looks like spam", "permanent: 554 5.7.1"),
    ] {
        let (service, _, second) =
            pair(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        assert_eq!(send(&service).await, wanted);
        assert_eq!(second.log().connections, 0);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_within_the_message_gives_the_second_the_same_mail_under_the_same_id() {
    let (service, first, second) = pair(Script { breaks_off: true, ..Script::default() }).await;
    assert_eq!(send(&service).await, BY_SECOND);
    let id = |sink: &Sink| {
        let log = sink.log();
        let message = MessageParser::default().parse(log.messages[0].as_bytes());
        message.and_then(|message| message.message_id().map(ToOwned::to_owned))
    };
    assert_eq!(id(&first).as_deref(), Some("0af1@reset.example.org"));
    assert_eq!(id(&first), id(&second));
}

#[tokio::test]
async fn when_neither_takes_a_mail_both_replies_are_told_without_prose() {
    let second = Sink::run(Script { replies: vec![("RCPT", "451 4.7.1 canary")], ..Script::default() }).await;
    let service = with_fallback(nowhere().await, second.settings(Tls::WhenOffered));
    assert_eq!(send(&service).await, "temporary: connection refused, then 451 4.7.1");
}

#[tokio::test]
async fn a_first_that_is_left_alone_is_asked_all_the_same_where_the_second_fails_too() {
    let first = Sink::run(Script { turned_away: 1, ..Script::default() }).await;
    let second = Sink::run(Script { turned_away: 9, ..Script::default() }).await;
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    assert_eq!(send(&service).await, "temporary: 421 4.3.2, then 421 4.3.2");
    // Both are left alone now, so both are asked.
    assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    assert_eq!(send(&service).await, "accepted: 250 2.0.0");
    assert_eq!((first.log().connections, second.log().connections), (2, 1));
}

#[tokio::test]
async fn mail_works_while_either_does() {
    let (down, up) = (nowhere().await, Sink::run(Script::default()).await);
    let up = || up.settings(Tls::WhenOffered);
    assert!(with_fallback(down.clone(), up()).check().await.is_ok());
    assert!(with_fallback(up(), down.clone()).check().await.is_ok());
    let neither = with_fallback(down.clone(), down).check().await.map(|()| String::new());
    assert_eq!(outcome(neither), "temporary: connection refused, then connection refused");
}

#[tokio::test]
async fn a_check_that_fails_spares_the_next_mail_the_same_wait() {
    let (service, first, second) = pair(Script { turned_away: 9, ..Script::default() }).await;
    service.check().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(send(&service).await, BY_SECOND);
    assert_eq!((first.log().connections, second.log().messages.len()), (1, 1));
}

#[tokio::test]
async fn a_diagnosis_walks_both_and_names_the_setting_to_mend() {
    let up = Sink::run(Script::default()).await;
    let service = with_fallback(up.settings(Tls::WhenOffered), nowhere().await);
    let steps = service.diagnose().await;
    let first: Vec<_> = steps.iter().filter(|step| step.setting == "mail_url").collect();
    assert!(first.len() == 6 && first.iter().all(|step| step.result.is_ok()), "{first:?}");
    let second: Vec<_> = steps.iter().filter(|step| step.setting == "mail_fallback_url").collect();
    assert_eq!(second.iter().map(|step| step.name).collect::<Vec<_>>(), ["dns", "tcp"]);
    let sentence = second[1].result.as_ref().err().map(String::as_str).unwrap_or_default();
    assert!(sentence.ends_with("correct host and port in mail_fallback_url."), "{sentence}");
}
