//! Readiness: what `/readyz` knows, and what a check costs.

use std::time::Duration;

use reset_core::{
    budget::{Budgeting, Window},
    readiness::REUSE,
};
use reset_testkit::memory::{MailRefusal, Outage};

use crate::bench::{MINUTE, bench, bench_within};

#[tokio::test(start_paused = true)]
async fn concurrent_readiness_requests_share_one_check_of_the_store() {
    let bench = bench();
    for round in 1..=3 {
        let requests: Vec<_> = (0..1500)
            .map(|_| {
                let resets = bench.resets.clone();
                tokio::spawn(async move { resets.ready().await.is_ok() })
            })
            .collect();
        for request in requests {
            assert!(request.await.unwrap());
        }
        assert_eq!(bench.memory.store.ready_checks(), round);
        tokio::time::sleep(REUSE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_disconnects_does_not_cancel_the_check_for_others() {
    let bench = bench();
    for _ in 0..50 {
        let resets = bench.resets.clone();
        let request = tokio::spawn(async move { resets.ready().await });
        tokio::task::yield_now().await;
        request.abort();
    }
    bench.resets.ready().await.unwrap();
    assert_eq!(bench.memory.store.ready_checks(), 1);
}

#[tokio::test(start_paused = true)]
async fn failing_store_is_noticed_by_the_next_check_and_so_is_its_recovery() {
    let bench = bench();
    bench.resets.ready().await.unwrap();
    bench.memory.store.set_outage(Outage::Only("ready"));
    tokio::time::sleep(REUSE).await;
    for _ in 0..3 {
        assert!(bench.resets.ready().await.is_err(), "the failure is reused as well");
    }
    assert_eq!(bench.memory.store.ready_checks(), 2);
    bench.memory.store.set_outage(Outage::None);
    tokio::time::sleep(REUSE).await;
    bench.resets.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn service_whose_jobs_cannot_be_claimed_is_not_ready_until_a_claim_succeeds() {
    let bench = bench();
    bench.resets.note_claim(false);
    let error = bench.resets.ready().await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("jobs cannot be claimed"));
    bench.resets.note_claim(true);
    tokio::time::sleep(REUSE).await;
    bench.resets.ready().await.unwrap();
}

/// A decoy is never delivered, so a state that deliveries change would disclose accounts.
#[tokio::test]
async fn mail_state_does_not_depend_on_deliveries() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.request("code", "ann@example.org").await;
    bench.run_worker().await;
    assert!(bench.resets.mail_works(), "a refused recipient changes nothing");
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.resets.check_mail().await;
    assert!(!bench.resets.mail_works(), "the periodic check decides");
    for _ in 0..2 {
        bench.memory.clock.advance(MINUTE);
        bench.run_worker().await;
    }
    assert_eq!(bench.memory.mailer.take().len(), 1);
    assert!(!bench.resets.mail_works(), "a delivered mail changes nothing");
    bench.resets.check_mail().await;
    assert!(bench.resets.mail_works());
}

#[tokio::test]
async fn request_is_mailed_an_hour_after_a_clock_that_ran_a_year_ahead_was_set_right() {
    let hour = 60 * MINUTE;
    let requests = vec![Window::new(1, MINUTE), Window::new(2, hour)];
    let bench = bench_within(Budgeting { requests, ..Budgeting::default() });
    bench.account("ann@example.org").await;
    let right = reset_testkit::memory::FrozenClock::START;
    bench.memory.clock.set(right.plus(Duration::from_secs(365 * 24 * 3600)));
    bench.reset_mail("code", "ann@example.org").await;
    bench.memory.clock.advance(MINUTE);
    bench.reset_mail("code", "ann@example.org").await;
    bench.memory.clock.set(right);
    bench.request("code", "ann@example.org").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.sent().len(), 0, "both mails count as sent just now");
    bench.memory.clock.advance(hour);
    bench.reset_mail("code", "ann@example.org").await;
}
