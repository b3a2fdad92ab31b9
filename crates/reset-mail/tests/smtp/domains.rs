//! Mails to a domain that takes its time, and mails to others.

use std::{sync::Arc, time::Duration};

use reset_core::{mail::Mail, ports::Mailer};
use reset_mail::{MailService, Tls};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink},
};

/// A sink that never answers for one domain.
async fn sink() -> Sink {
    Sink::run(Script { silent: vec!["RCPT TO:<ann@slow.example>"], ..Script::default() }).await
}

async fn send(service: &MailService, to: &str) -> String {
    outcome(service.send(&Mail { to: to.to_owned(), ..mail("123456") }).await)
}

/// Sends that many mails to the slow domain, and returns when `stuck` of them are.
async fn stick(service: &Arc<MailService>, sink: &Sink, mails: usize, stuck: usize) -> JoinSet<String> {
    let mut under_way = JoinSet::new();
    for _ in 0..mails {
        let service = service.clone();
        under_way.spawn(async move { send(&service, "ann@slow.example").await });
    }
    while sink.log().count("RCPT TO:<ann@slow.example>") < stuck {
        sleep(Duration::from_millis(1)).await;
    }
    under_way
}

#[tokio::test]
async fn a_slow_domain_leaves_the_others_unhindered() {
    let sink = sink().await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    // As many as the worker sends at once.
    let _under_way = stick(&service, &sink, 8, 4).await;
    for to in ["bob@fast.example", "ann@other.example"] {
        assert_eq!(send(&service, to).await, "accepted: 250 2.0.0");
    }
    assert_eq!(sink.log().count("RCPT TO:<ann@slow.example>"), 4);
}

#[tokio::test]
async fn a_mail_to_a_domain_that_is_full_is_put_off_after_two_seconds() {
    let sink = sink().await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)).with_per_domain(1));
    let _under_way = stick(&service, &sink, 1, 1).await;
    assert_eq!(send(&service, "bob@SLOW.example").await, "busy: domain busy");
    assert_eq!(sink.log().count("MAIL"), 1);
}
