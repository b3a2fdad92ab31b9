//! Counting and rendering of the metrics.

use std::time::Duration;

use http::{Method, StatusCode};
use reset_core::{
    account::AccountId,
    event::{Event, EventKind},
    job::{Job, JobId, JobKind, Outcome, Reference},
    keys::{HmacKey, Keys},
    password::Policy,
    ports::{Adapters, Clock, Jobs, Outbox},
    time::Timestamp,
};
use reset_testkit::memory::{MailRefusal, Memory, Outage};

use super::*;

fn resets(memory: &Memory, metrics: &Arc<Metrics>) -> Resets {
    let adapters = memory.adapters();
    let counted = Adapters {
        mailer: Arc::new(Counted { inner: adapters.mailer.clone(), metrics: metrics.clone() }),
        hasher: Arc::new(Counted { inner: adapters.hasher.clone(), metrics: metrics.clone() }),
        ..adapters
    };
    Resets::new(counted, Keys::new(&HmacKey::root(&[5; 32]).unwrap()), Vec::new(), true)
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
}

#[tokio::test]
async fn response_is_counted_by_its_route_and_not_by_the_requested_path() {
    let (metrics, memory) = (Arc::new(Metrics::new()), Memory::new(1));
    let answered = |route, method, status, took| Answered {
        dialect: "px0",
        route,
        method,
        status,
        took: Duration::from_millis(took),
    };
    metrics.answered(answered("/a", Some(&Method::POST), StatusCode::OK, 3));
    metrics.answered(answered("/a", Some(&Method::POST), StatusCode::OK, 30));
    metrics.answered(answered("/a", None, StatusCode::METHOD_NOT_ALLOWED, 0));
    let nothing = StatusCode::NOT_FOUND;
    metrics.answered(Answered {
        dialect: "",
        route: "",
        method: None,
        status: nothing,
        took: Duration::ZERO,
    });
    let resets = resets(&memory, &metrics);
    let text = MetricsReport { metrics, resets }.text().await;
    has(&text, r#"polyreset_http_requests_total{dialect="px0",route="/a",method="POST",status="200"} 2"#);
    has(&text, r#"polyreset_http_requests_total{dialect="px0",route="/a",method="",status="405"} 1"#);
    has(&text, r#"polyreset_http_requests_total{dialect="",route="",method="",status="404"} 1"#);
    has(&text, r#"polyreset_http_request_duration_seconds_bucket{le="0.005",dialect="px0",route="/a"} 1"#);
    has(&text, r#"polyreset_http_request_duration_seconds_count{dialect="px0",route="/a"} 2"#);
    has(&text, r#"polyreset_mails_total{outcome="refused"} 0"#);
    has(&text, "polyreset_outbox_waiting 0.0");
    has(&text, "# EOF");
}

#[tokio::test]
async fn connections_are_counted_and_closed_ones_by_reason() {
    let (metrics, memory) = (Arc::new(Metrics::new()), Memory::new(1));
    for event in [
        ConnectionEvent::Opened,
        ConnectionEvent::Opened,
        ConnectionEvent::Rejected,
        ConnectionEvent::WriteTimeout,
        ConnectionEvent::Closed,
    ] {
        metrics.connection(event);
    }
    let resets = resets(&memory, &metrics);
    let text = MetricsReport { metrics, resets }.text().await;
    has(&text, "polyreset_connections 1");
    for (reason, count) in [("rejected", 1), ("evicted", 0), ("write_timeout", 1)] {
        has(&text, &format!(r#"polyreset_connections_closed_total{{reason="{reason}"}} {count}"#));
    }
}

#[tokio::test]
async fn mails_are_counted_by_outcome_and_hashes_by_kind() {
    let (metrics, memory) = (Arc::new(Metrics::new()), Memory::new(1));
    let resets = resets(&memory, &metrics);
    memory.mailer.refuse_next(1, MailRefusal::Temporary);
    memory.mailer.refuse_next(1, MailRefusal::Permanent);
    let mail = || reset_core::mail::Mail {
        to: "user@example.com".to_owned(),
        name: None,
        locale: None,
        dialect: "px0".to_owned(),
        reference: Reference::stored("K7Q2M4ZD8R"),
        at: Timestamp::from_millis(1_796_047_320_000),
        network: None,
        message_id: "1".to_owned(),
        body: reset_core::mail::MailBody::PasswordChanged { dispute: None },
    };
    let outcomes = [
        resets.adapters().mailer.send(&mail()).await.is_ok(),
        resets.adapters().mailer.send(&mail()).await.is_ok(),
        resets.adapters().mailer.send(&mail()).await.is_ok(),
    ];
    assert_eq!(outcomes, [false, false, true]);
    let any = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: 72 };
    resets.adapters().hasher.hash(any.accept("a password").unwrap(), None).await.unwrap();
    let text = MetricsReport { metrics, resets }.text().await;
    for outcome in ["accepted", "put_off", "refused"] {
        has(&text, &format!(r#"polyreset_mails_total{{outcome="{outcome}"}} 1"#));
    }
    has(&text, "polyreset_mail_duration_seconds_count 3");
    has(&text, r#"polyreset_hash_duration_seconds_count{work="hash"} 1"#);
}

#[tokio::test]
async fn unavailable_database_makes_ready_0_and_outbox_metrics_nan() {
    let (metrics, memory) = (Arc::new(Metrics::new()), Memory::new(1));
    let resets = resets(&memory, &metrics);
    memory.store.set_outage(Outage::Everything);
    let text = MetricsReport { metrics, resets }.text().await;
    has(&text, "polyreset_ready 0");
    has(&text, "polyreset_outbox_waiting NaN");
    has(&text, "polyreset_outbox_quarantined NaN");
}

#[tokio::test]
async fn quarantined_job_is_reported_until_it_is_retried() {
    let (metrics, memory) = (Arc::new(Metrics::new()), Memory::new(1));
    let report = MetricsReport { resets: resets(&memory, &metrics), metrics };
    has(&report.text().await, "polyreset_outbox_quarantined 0.0");
    let (id, store, now) = (JobId::new("1"), &memory.store, memory.clock.now());
    let kind = JobKind::Webhook { account: AccountId::new("1") };
    let job = Job::new(id.clone(), report.resets.reference(), "px0", kind, now);
    store.push(&job).await.unwrap();
    let event = Event::new(EventKind::Ended, now);
    store.finish(&id, Outcome::Quarantined, "", None, &event).await.unwrap();
    has(&report.text().await, "polyreset_outbox_quarantined 1.0");
    assert!(store.retry(&id, &JobId::new("2"), &event).await.unwrap());
    has(&report.text().await, "polyreset_outbox_quarantined 0.0");
}
