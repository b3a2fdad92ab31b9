//! A slow recipient domain does not delay mails to others.

use std::{sync::Arc, time::Duration};

use reset_core::{mail::Mail, ports::Mailer};
use reset_mail::{MailLimits, MailService, Tls};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink},
};

/// Starts a sink that never replies to RCPT for one domain.
async fn sink() -> Sink {
    Sink::run(Script { silent: vec!["RCPT TO:<ann@slow.example>"], ..Script::default() }).await
}

async fn send(service: &MailService, to: &str) -> String {
    outcome(service.send(&Mail { to: to.to_owned(), ..mail("123456") }).await)
}

/// Sends `mails` mails to the slow domain, and returns once `stuck` of them are waiting for a reply.
async fn send_to_slow_domain(
    service: &Arc<MailService>,
    sink: &Sink,
    mails: usize,
    stuck: usize,
) -> JoinSet<String> {
    let mut sending = JoinSet::new();
    for _ in 0..mails {
        let service = service.clone();
        sending.spawn(async move { send(&service, "ann@slow.example").await });
    }
    while sink.log().count("RCPT TO:<ann@slow.example>") < stuck {
        sleep(Duration::from_millis(1)).await;
    }
    sending
}

#[tokio::test]
async fn slow_domain_does_not_delay_other_domains() {
    let sink = sink().await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    // The worker sends 8 mails at once.
    let _sending = send_to_slow_domain(&service, &sink, 8, 4).await;
    for to in ["bob@fast.example", "ann@other.example"] {
        assert_eq!(send(&service, to).await, "accepted: 250 2.0.0");
    }
    assert_eq!(sink.log().count("RCPT TO:<ann@slow.example>"), 4);
}

#[tokio::test]
async fn mail_to_a_full_domain_is_postponed_at_once() {
    let sink = sink().await;
    let service = Arc::new(
        service(sink.settings(Tls::WhenOffered))
            .with_limits(MailLimits { per_domain: 1, ..MailLimits::default() }),
    );
    let _sending = send_to_slow_domain(&service, &sink, 1, 1).await;
    assert_eq!(send(&service, "bob@SLOW.example").await, "busy: domain busy");
    assert_eq!(sink.log().count("MAIL"), 1);
}
