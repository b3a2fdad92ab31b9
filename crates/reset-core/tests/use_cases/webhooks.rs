//! Webhooks: other systems are notified of a reset, with retries.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use reset_core::{
    error::MailError,
    job::Outcome,
    ports::{Adapters, PasswordReset, Webhook},
};
use reset_testkit::memory::Memory;

use crate::bench::{MINUTE, bench_with, code};

/// A webhook that returns the queued replies and records the events it receives.
#[derive(Default)]
struct RecordingWebhook {
    replies: Mutex<VecDeque<Result<String, MailError>>>,
    received: Mutex<Vec<PasswordReset>>,
}

#[async_trait]
impl Webhook for RecordingWebhook {
    async fn post(&self, event: &PasswordReset) -> Result<String, MailError> {
        self.received.lock().unwrap().push(event.clone());
        self.replies.lock().unwrap().pop_front().unwrap_or_else(|| Ok("204".to_owned()))
    }
}

fn failure(permanent: bool) -> Result<String, MailError> {
    let reply = "down".to_owned();
    Err(if permanent { MailError::Permanent { reply } } else { MailError::Temporary { reply } })
}

#[tokio::test]
async fn a_failing_webhook_is_retried_with_the_same_event() {
    let webhook = Arc::new(RecordingWebhook::default());
    webhook.replies.lock().unwrap().extend([failure(false), failure(false)]);
    let memory = Memory::new(1);
    let adapters = Adapters { webhook: Some(webhook.clone()), ..memory.adapters() };
    let bench = bench_with(memory, adapters);
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    for _ in 0..4 {
        bench.run_worker().await;
        bench.memory.clock.advance(MINUTE);
    }
    let received = webhook.received.lock().unwrap();
    assert_eq!(received.len(), 3, "two failed attempts and one success");
    assert!(received.iter().all(|event| *event == received[0]));
    assert_eq!(received[0].dialect, "code");
    assert_eq!(bench.outcomes(), [Some(Outcome::Mailed); 3]);
    assert_eq!(bench.memory.mailer.take().len(), 1, "the owner gets a mail");
}

#[tokio::test]
async fn a_permanently_failing_webhook_is_not_retried() {
    let webhook = Arc::new(RecordingWebhook::default());
    webhook.replies.lock().unwrap().push_back(failure(true));
    let memory = Memory::new(1);
    let adapters = Adapters { webhook: Some(webhook.clone()), ..memory.adapters() };
    let bench = bench_with(memory, adapters);
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    assert_eq!(webhook.received.lock().unwrap().len(), 1);
    assert!(bench.outcomes().contains(&Some(Outcome::Refused)));
    bench.memory.mailer.take();
}
