//! What is written down of a reset, jobs that are set aside, and links that administrators make.

use reset_core::{
    audit::{Sealer, verify},
    event::{Event, EventKind},
    job::{MAX_WORKER_CRASHES, Outcome},
    keys::{Key, Keys},
    link::LinkError,
    ports::{Accounts as _, Events as _},
};
use reset_testkit::memory::{MailRefusal, Outage, SentKind};

use crate::bench::{MINUTE, UseCaseBench, address, bench, code, happened, network, world_within};

const ANN: &str = "ann@example.org";

async fn anns() -> UseCaseBench {
    let bench = bench();
    bench.account(ANN).await;
    bench
}

/// What `trace` shows of the reset that was asked for first.
async fn trace(bench: &UseCaseBench) -> Vec<(EventKind, String)> {
    let reference = bench.memory.store.events()[0].reference.clone().unwrap();
    let events = bench.memory.store.trace(&reference).await.unwrap();
    events.into_iter().map(|event| (event.kind, event.detail)).collect()
}

fn told(events: &[(EventKind, &str)]) -> Vec<(EventKind, String)> {
    events.iter().map(|(kind, detail)| (kind.clone(), (*detail).to_owned())).collect()
}

#[tokio::test]
async fn a_reset_is_told_from_the_ask_to_the_notice_under_one_reference() {
    let bench = anns().await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.ask("pair", ANN).await;
    bench.worker().await;
    bench.memory.clock.advance(MINUTE);
    bench.worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert!(bench.exchange(ANN, &code("000000")).await.is_err());
    let token = bench.exchange(ANN, &code(&mail.secret)).await.unwrap();
    bench.redeem("pair", &token).await.unwrap();
    bench.worker().await;
    assert!(bench.redeem("pair", &token).await.is_err());
    assert_eq!(
        trace(&bench).await,
        told(&[
            (EventKind::Accepted, ""),
            (EventKind::Matched, "code"),
            (EventKind::PutOff, "451 4.7.1"),
            (EventKind::Mailed, "250 2.0.0"),
            (EventKind::Tried, ""),
            (EventKind::Tried, ""),
            (EventKind::Exchanged, ""),
            (EventKind::Done, ""),
            (EventKind::Mailed, "notice: 250 2.0.0"),
            (EventKind::Dead, "spent"),
        ])
    );
}

#[tokio::test]
async fn a_link_that_is_opened_is_told_with_its_state() {
    let bench = anns().await;
    let mail = bench.mailed("link", ANN).await;
    let token = bench.token(&mail);
    bench.resets.inspect("link", &token, Some(network())).await.unwrap();
    bench.redeem("link", &token).await.unwrap();
    bench.resets.inspect("link", &token, None).await.unwrap();
    let opened: Vec<_> =
        trace(&bench).await.into_iter().filter(|(kind, _)| *kind == EventKind::Opened).collect();
    assert_eq!(opened, told(&[(EventKind::Opened, "live"), (EventKind::Opened, "spent")]));
}

#[tokio::test]
async fn a_link_opens_although_nothing_can_be_written_down() {
    let bench = anns().await;
    let mail = bench.mailed("link", ANN).await;
    bench.memory.store.set_outage(Outage::Only("record_once"));
    assert!(bench.resets.inspect("link", &bench.token(&mail), None).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unknown_address_is_told_alike_and_named_by_a_tag() {
    let bench = anns().await;
    bench.ask("code", "ghost@example.org").await;
    bench.worker().await;
    assert_eq!(trace(&bench).await, told(&[(EventKind::Accepted, ""), (EventKind::Ended, "no-account")]));
    let tag = Keys::new(&Key::root(&[9; 32]).unwrap()).address_tag(&address("Ghost@Example.org"));
    let asked = bench.memory.store.asked_with(&tag, 9).await.unwrap();
    assert_eq!((asked.len(), asked[0].network.clone()), (1, Some(network())));
    assert!(!tag.as_str().contains("ghost"));
}

#[tokio::test]
async fn an_ask_too_many_is_told_as_limited() {
    let requests = vec![reset_core::budget::Window::new(1, MINUTE)];
    let bench = world_within(reset_core::budget::Budgeting { requests, ..Default::default() });
    bench.account(ANN).await;
    bench.ask("code", ANN).await;
    bench.ask("code", ANN).await;
    let kinds: Vec<_> = bench.memory.store.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::Accepted, EventKind::Limited]);
}

#[tokio::test]
async fn no_event_holds_an_address_or_a_secret() {
    let bench = anns().await;
    let mail = bench.mailed("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.worker().await;
    for Event { dialect, reference, job, account, address, network, detail, .. } in
        bench.memory.store.events()
    {
        let texts = format!("{dialect} {reference:?} {job:?} {account:?} {address:?} {network:?} {detail}");
        assert!(!texts.contains("ann@") && !texts.contains(&mail.secret), "{texts}");
    }
}

#[tokio::test]
async fn what_is_written_down_is_sealed_and_holds() {
    let bench = anns().await;
    let mail = bench.mailed("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let count = bench.resets.seal_events().await.unwrap();
    assert_eq!(count, 4);
    let sealer = Sealer::of(&Keys::new(&Key::root(&[9; 32]).unwrap()));
    let verified = verify(&*bench.memory.store, &sealer, None).await.unwrap().unwrap();
    assert_eq!((verified.count, verified.end), (4, bench.resets.last_mark()));
    bench.memory.clock.advance(MINUTE);
    bench.resets.forget_events(bench.resets.adapters().clock.now()).await.unwrap();
    assert!(bench.memory.store.sealed(0, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_over_which_workers_are_lost_is_set_aside_and_holds_nobody_up() {
    let bench = anns().await;
    bench.ask("code", ANN).await;
    for _ in 0..=MAX_WORKER_CRASHES {
        // Each takes it, and dies.
        assert_eq!(bench.resets.claim(10).await.unwrap().len(), 1);
        bench.memory.clock.advance(reset_core::deliver::LEASE);
    }
    bench.worker().await;
    assert_eq!(bench.outcomes(), [Some(Outcome::Quarantined)]);
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.mailed("code", ANN).await.kind, SentKind::Code);
}

#[tokio::test]
async fn an_administrators_link_is_mailed_to_nobody_and_sets_the_password_once() {
    let bench = anns().await;
    let before = bench.mailed("code", ANN).await;
    let made = bench.resets.link("code", &address(ANN), None).await.unwrap();
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert!(bench.redeem("code", &code(&before.secret)).await.is_err(), "the earlier one is void");
    bench.redeem("code", &code(&made.secret)).await.unwrap();
    assert!(bench.redeem("code", &code(&made.secret)).await.is_err());
    let kinds: Vec<_> = bench
        .memory
        .store
        .trace(&made.reference)
        .await
        .unwrap()
        .iter()
        .map(|event| event.kind.clone())
        .collect();
    assert_eq!(kinds, [EventKind::Linked, EventKind::Done, EventKind::Dead]);
}

#[tokio::test]
async fn a_link_is_made_whatever_was_asked_for_lately() {
    let requests = vec![reset_core::budget::Window::new(1, MINUTE)];
    let bench = world_within(reset_core::budget::Budgeting { requests, ..Default::default() });
    bench.account(ANN).await;
    bench.mailed("link", ANN).await;
    let made = bench.resets.link("link", &address(ANN), None).await.unwrap();
    assert!(made.secret.starts_with("https://app.example/reset?lang=en&token="));
}

#[tokio::test]
async fn no_link_is_made_for_nobody_a_blocked_account_or_a_dialect_that_is_not_served() {
    let bench = anns().await;
    let link =
        async |dialect: &'static str, email: &str| bench.resets.link(dialect, &address(email), None).await;
    assert!(matches!(link("code", "ghost@example.org").await, Err(LinkError::Unknown)));
    assert!(matches!(link("other", ANN).await, Err(LinkError::NoDialect)));
    let now = happened(bench.resets.adapters().clock.now());
    bench.memory.store.set_blocked(&address(ANN), true, &now).await.unwrap();
    assert!(matches!(link("code", ANN).await, Err(LinkError::Unknown)));
    assert!(bench.memory.store.tickets().is_empty());
}
