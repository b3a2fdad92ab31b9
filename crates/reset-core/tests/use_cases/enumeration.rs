//! What an anonymous client can find out about accounts, and what it can make the store keep.

use std::time::Duration;

use reset_core::{
    budget::{Budgeting, Window},
    client_events::EventLimits,
    error::{ExchangeError, RequestError},
    event::EventKind,
    request::Disclosure,
};

use crate::bench::{MINUTE, UseCaseBench, bench, bench_within, code};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ANN: &str = "ann@example.org";
const NOBODY: &str = "nobody@example.org";

/// Returns whether the code of Bob, who requests one after a request for `email`, is a long one.
async fn next_code_is_long(email: &str) -> bool {
    let bench = bench();
    for account in [ANN, "bob@example.org", "cleo@example.org"] {
        bench.account(account).await;
    }
    // Two short codes may be live.
    bench.reset_mail("code", "cleo@example.org").await;
    for _ in 0..3 {
        bench.memory.clock.advance(MINUTE);
        bench.request("code", email).await;
        bench.run_worker().await;
    }
    bench.memory.mailer.take();
    bench.reset_mail("code", "bob@example.org").await.secret.len() > 6
}

#[tokio::test]
async fn a_request_for_an_unknown_address_takes_the_place_of_a_short_code() {
    assert!(next_code_is_long(ANN).await);
    assert!(next_code_is_long(NOBODY).await);
}

#[tokio::test]
async fn contracted_404_ends_at_the_limit_of_the_network_and_known_addresses_count_as_well() {
    let disclosures_per_network = vec![Window::new(3, DAY)];
    let bench = bench_within(Budgeting { disclosures_per_network, ..Budgeting::default() });
    bench.account(ANN).await;
    let request = async |email| bench.try_request("code", email, Disclosure::AsContracted).await;
    request(ANN).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(request(NOBODY).await, Err(RequestError::Unknown)));
    }
    request(NOBODY).await.unwrap();
    bench.memory.clock.advance(DAY);
    assert!(matches!(request(NOBODY).await, Err(RequestError::Unknown)));
}

#[tokio::test]
async fn contracted_404_ends_at_the_limit_of_the_deployment() {
    let bench = bench_within(Budgeting { disclosures: vec![Window::new(1, DAY)], ..Budgeting::default() });
    let request = async || bench.try_request("code", NOBODY, Disclosure::AsContracted).await;
    assert!(matches!(request().await, Err(RequestError::Unknown)));
    request().await.unwrap();
}

/// Returns the events and the counted attempts of four wrong guesses at a requested code of `email`, with a limit of two
/// wrong guesses per address.
async fn traces_of_wrong_guesses(email: &str) -> (Vec<EventKind>, Vec<u32>) {
    let guesses = vec![Window::new(2, DAY)];
    let bench =
        bench_within(Budgeting { guesses, all_guesses: vec![Window::new(9, DAY)], ..Budgeting::default() });
    bench.account(ANN).await;
    bench.request("pair", email).await;
    bench.run_worker().await;
    let before = bench.memory.store.events().len();
    for _ in 0..4 {
        assert!(matches!(bench.exchange(email, &code("000000")).await, Err(ExchangeError::Invalid)));
    }
    let events = bench.memory.store.events().split_off(before);
    let attempts = bench.memory.store.tickets().iter().map(|ticket| ticket.attempts).collect();
    (events.into_iter().map(|event| event.kind).collect(), attempts)
}

#[tokio::test]
async fn wrong_guesses_leave_the_same_rows_for_known_and_unknown_addresses_also_over_the_limit() {
    let known = traces_of_wrong_guesses(ANN).await;
    assert_eq!(known, (vec![EventKind::Tried; 4], vec![3]));
    assert_eq!(traces_of_wrong_guesses(NOBODY).await, known);
}

fn bench_with_event_limits(per_network: u32) -> UseCaseBench {
    bench().with_event_limits(EventLimits { per_network, all: 100 })
}

#[tokio::test]
async fn events_of_unknown_addresses_end_at_the_limit_of_the_network_and_are_counted() {
    let bench = bench_with_event_limits(3);
    for number in 0..3 {
        bench.request("code", &format!("nobody{number}@example.org")).await;
        bench.run_worker().await;
    }
    let kinds = || bench.memory.store.events().into_iter().map(|event| event.kind).collect::<Vec<_>>();
    assert_eq!(kinds(), [EventKind::Accepted, EventKind::Ended, EventKind::Accepted]);
    bench.resets.record_skipped_events().await.unwrap();
    bench.resets.record_skipped_events().await.unwrap();
    assert_eq!(kinds().len(), 4);
    let last = bench.memory.store.events().pop().unwrap();
    assert_eq!((last.kind, last.detail.as_str()), (EventKind::Unrecorded, "3"));
}

#[tokio::test]
async fn events_of_accounts_are_recorded_over_the_limit_of_the_network() {
    let bench = bench_with_event_limits(1);
    bench.request("code", NOBODY).await;
    bench.run_worker().await;
    bench.account(ANN).await;
    bench.reset_mail("code", ANN).await;
    let kinds: Vec<_> = bench.memory.store.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Accepted, EventKind::Matched, EventKind::Mailed]);
}
