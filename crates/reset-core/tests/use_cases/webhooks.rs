//! Other systems hear of a reset, once and for hours.

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

/// Replies as it was told, and remembers what it heard.
#[derive(Default)]
struct Listener {
    replies: Mutex<VecDeque<Result<String, MailError>>>,
    heard: Mutex<Vec<PasswordReset>>,
}

#[async_trait]
impl Webhook for Listener {
    async fn post(&self, event: &PasswordReset) -> Result<String, MailError> {
        self.heard.lock().unwrap().push(event.clone());
        self.replies.lock().unwrap().pop_front().unwrap_or_else(|| Ok("204".to_owned()))
    }
}

fn refusal(permanent: bool) -> Result<String, MailError> {
    let reply = "down".to_owned();
    Err(if permanent { MailError::Permanent { reply } } else { MailError::Temporary { reply } })
}

#[tokio::test]
async fn a_webhook_that_is_down_hears_the_same_event_later() {
    let listener = Arc::new(Listener::default());
    listener.replies.lock().unwrap().extend([refusal(false), refusal(false)]);
    let memory = Memory::new(1);
    let adapters = Adapters { webhook: Some(listener.clone()), ..memory.adapters() };
    let bench = bench_with(memory, adapters);
    bench.account("ann@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    for _ in 0..4 {
        bench.worker().await;
        bench.memory.clock.advance(MINUTE);
    }
    let heard = listener.heard.lock().unwrap();
    assert_eq!(heard.len(), 3, "twice in vain, then heard");
    assert!(heard.iter().all(|event| *event == heard[0]));
    assert_eq!(heard[0].dialect, "code");
    assert_eq!(bench.outcomes(), [Some(Outcome::Mailed); 3]);
    assert_eq!(bench.memory.mailer.take().len(), 1, "the owner heard by mail");
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_left_alone() {
    let listener = Arc::new(Listener::default());
    listener.replies.lock().unwrap().push_back(refusal(true));
    let memory = Memory::new(1);
    let adapters = Adapters { webhook: Some(listener.clone()), ..memory.adapters() };
    let bench = bench_with(memory, adapters);
    bench.account("ann@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.worker().await;
    bench.memory.clock.advance(MINUTE);
    bench.worker().await;
    assert_eq!(listener.heard.lock().unwrap().len(), 1);
    assert!(bench.outcomes().contains(&Some(Outcome::Refused)));
    bench.memory.mailer.take();
}
