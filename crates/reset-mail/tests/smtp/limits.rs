//! Limits of connections and of mails per period: a mail that meets one is postponed, and its attempts are not counted.

use std::{sync::Arc, time::Duration};

use reset_core::{mail::Mail, ports::Mailer};
use reset_mail::{MailLimits, MailService, Tls};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{advance, pause, resume, sleep},
};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink},
    with_fallback,
};

/// Time the sink takes for one message.
const DELAY: Duration = Duration::from_millis(100);

/// Sends `count` mails to different domains at once, and each again while the service is busy. Returns the outcomes, and
/// how often the service was busy.
async fn send_all(service: &Arc<MailService>, count: usize) -> (Vec<String>, usize) {
    let mut sending = JoinSet::new();
    for number in 0..count {
        let (service, to) = (service.clone(), format!("ann@{number}.example"));
        sending.spawn(async move {
            let mut postponed = 0;
            loop {
                let outcome = outcome(service.send(&Mail { to: to.clone(), ..mail("1") }).await);
                if !outcome.starts_with("busy") {
                    return (outcome, postponed);
                }
                postponed += 1;
                sleep(DELAY / 4).await;
            }
        });
    }
    let (outcomes, busy): (Vec<_>, Vec<usize>) = sending.join_all().await.into_iter().unzip();
    (outcomes, busy.iter().sum())
}

#[tokio::test]
async fn server_that_refuses_a_connection_costs_the_mail_no_attempt() {
    let sink = Sink::run(Script { max_open: Some(2), delay: DELAY, ..Script::default() }).await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    assert_eq!(service.connections(), 6);
    let (outcomes, _) = send_all(&service, 12).await;
    assert!(outcomes.iter().all(|outcome| outcome == "accepted: 250 2.0.0"), "{outcomes:?}");
    assert_eq!(sink.log().messages.len(), 12);
    assert!((1..=2).contains(&service.connections()), "{}", service.connections());
    // Once the limit is known, no connection is refused.
    let connections = sink.log().connections;
    send_all(&service, 6).await;
    assert!(sink.log().connections <= connections + 1);
}

#[tokio::test]
async fn fallback_gets_no_mail_while_the_primary_only_limits_connections() {
    let first = Sink::run(Script { max_open: Some(2), delay: DELAY, ..Script::default() }).await;
    let second = Sink::run(Script::default()).await;
    let service =
        Arc::new(with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered)));
    let (outcomes, _) = send_all(&service, 8).await;
    assert!(outcomes.iter().all(|outcome| outcome == "accepted: 250 2.0.0"), "{outcomes:?}");
    assert_eq!((first.log().messages.len(), second.log().connections), (8, 0));
}

#[tokio::test]
async fn fallback_gets_mail_while_every_connection_of_the_primary_is_stuck() {
    let gather = Some(Arc::new(Barrier::new(99)));
    let first = Sink::run(Script { gather, ..Script::default() }).await;
    let second = Sink::run(Script::default()).await;
    let limits = MailLimits { connections: 2, ..MailLimits::default() };
    let service = with_fallback(first.settings(Tls::WhenOffered), second.settings(Tls::WhenOffered));
    let service = Arc::new(service.with_limits(limits));
    let mut stuck = JoinSet::new();
    for number in 0..2 {
        let (service, to) = (service.clone(), format!("ann@{number}.example"));
        stuck.spawn(async move { service.send(&Mail { to, ..mail("1") }).await.is_ok() });
    }
    while first.log().messages.len() < 2 {
        sleep(DELAY / 10).await;
    }
    assert_eq!(service.connections(), 2);
    pause();
    advance(Duration::from_secs(31)).await;
    resume();
    assert_eq!(outcome(service.send(&mail("1")).await), "accepted: 250 2.0.0 by mail_fallback_url");
    // The fallback's connections count as well now.
    assert_eq!((service.connections(), first.log().connections), (4, 2));
}

#[tokio::test]
async fn check_succeeds_while_mails_hold_every_connection_of_the_server() {
    let sink = Sink::run(Script { max_open: Some(1), delay: 4 * DELAY, ..Script::default() }).await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    let sending = service.clone();
    let mail = tokio::spawn(async move { outcome(sending.send(&mail("1")).await) });
    while sink.log().messages.is_empty() {
        sleep(DELAY / 10).await;
    }
    assert_eq!(outcome(service.check().await.map(|()| String::new())), "accepted: ");
    assert_eq!(mail.await.unwrap_or_default(), "accepted: 250 2.0.0");
}

#[tokio::test]
async fn check_succeeds_while_idle_connections_are_all_that_the_server_allows() {
    let sink = Sink::run(Script { max_open: Some(1), ..Script::default() }).await;
    let service = service(sink.settings(Tls::WhenOffered));
    service.send(&mail("1")).await.unwrap_or_default();
    for _ in 0..2 {
        assert_eq!(outcome(service.check().await.map(|()| String::new())), "accepted: ");
    }
    let log = sink.log();
    assert_eq!((log.connections, log.count("RSET")), (1, 2));
}

#[tokio::test]
async fn limit_of_concurrent_mails_reported_behind_the_final_dot_is_no_attempt_either() {
    let replies = vec![(".", "432 4.3.2 sender thread limit exceeded")];
    let script = Script { replies, delay: DELAY, rejected_messages: Some(1), ..Script::default() };
    let sink = Sink::run(script).await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    let (outcomes, busy) = send_all(&service, 3).await;
    assert_eq!(outcomes, ["accepted: 250 2.0.0"; 3]);
    assert_eq!((busy, sink.log().messages.len()), (1, 4));
}

#[tokio::test]
async fn same_reply_to_the_only_mail_is_an_attempt() {
    let replies = vec![(".", "432 4.3.2 sender thread limit exceeded")];
    let sink = Sink::run(Script { replies, ..Script::default() }).await;
    let sent = service(sink.settings(Tls::WhenOffered)).send(&mail("1")).await;
    assert_eq!(outcome(sent), "temporary: 432 4.3.2");
}

#[tokio::test]
async fn connections_stay_within_the_setting() {
    let sink = Sink::run(Script { delay: DELAY / 5, ..Script::default() }).await;
    let limits = MailLimits { connections: 2, ..MailLimits::default() };
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)).with_limits(limits));
    assert_eq!((service.connections(), service.slots()), (2, 2));
    send_all(&service, 8).await;
    let log = sink.log();
    assert_eq!((log.most_open, log.messages.len()), (2, 8));
}

#[tokio::test]
async fn mail_over_the_rate_is_postponed_at_once() {
    let sink = Sink::run(Script::default()).await;
    let limits = MailLimits { rate: "1/1h".parse().ok(), ..MailLimits::default() };
    let service = service(sink.settings(Tls::WhenOffered)).with_limits(limits);
    assert_eq!(outcome(service.send(&mail("1")).await), "accepted: 250 2.0.0");
    assert_eq!(outcome(service.send(&mail("1")).await), "busy: mail rate");
    assert_eq!(sink.log().messages.len(), 1);
}
