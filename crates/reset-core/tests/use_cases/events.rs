//! What is written down of a reset, jobs that are set aside, and links that administrators make.

use reset_core::{
    audit::{Sealer, verify},
    event::{Event, EventKind},
    job::{MAX_WORKER_CRASHES, Outcome},
    keys::{Key, Keys},
    link::LinkError,
    memory::{Outage, Refusal, SentKind},
    ports::{Accounts as _, Events as _},
};

use crate::world::{MINUTE, World, address, code, happened, network, world, world_within};

const ANN: &str = "ann@example.org";

async fn anns() -> World {
    let world = world();
    world.account(ANN).await;
    world
}

/// What `trace` shows of the reset that was asked for first.
async fn trace(world: &World) -> Vec<(EventKind, String)> {
    let reference = world.memory.store.events()[0].reference.clone().unwrap();
    let events = world.memory.store.trace(&reference).await.unwrap();
    events.into_iter().map(|event| (event.kind, event.detail)).collect()
}

fn told(events: &[(EventKind, &str)]) -> Vec<(EventKind, String)> {
    events.iter().map(|(kind, detail)| (kind.clone(), (*detail).to_owned())).collect()
}

#[tokio::test]
async fn a_reset_is_told_from_the_ask_to_the_notice_under_one_reference() {
    let world = anns().await;
    world.memory.mailer.refuse_next(1, Refusal::Temporary);
    world.ask("pair", ANN).await;
    world.worker().await;
    world.memory.clock.advance(MINUTE);
    world.worker().await;
    let mail = world.memory.mailer.take().remove(0);
    assert!(world.exchange(ANN, &code("000000")).await.is_err());
    let token = world.exchange(ANN, &code(&mail.secret)).await.unwrap();
    world.redeem("pair", &token).await.unwrap();
    world.worker().await;
    assert!(world.redeem("pair", &token).await.is_err());
    assert_eq!(
        trace(&world).await,
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
    let world = anns().await;
    let mail = world.mailed("link", ANN).await;
    let token = world.token(&mail);
    world.resets.inspect("link", &token, Some(network())).await.unwrap();
    world.redeem("link", &token).await.unwrap();
    world.resets.inspect("link", &token, None).await.unwrap();
    let opened: Vec<_> =
        trace(&world).await.into_iter().filter(|(kind, _)| *kind == EventKind::Opened).collect();
    assert_eq!(opened, told(&[(EventKind::Opened, "live"), (EventKind::Opened, "spent")]));
}

#[tokio::test]
async fn a_link_opens_although_nothing_can_be_written_down() {
    let world = anns().await;
    let mail = world.mailed("link", ANN).await;
    world.memory.store.set_outage(Outage::Only("record_once"));
    assert!(world.resets.inspect("link", &world.token(&mail), None).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unknown_address_is_told_alike_and_named_by_a_tag() {
    let world = anns().await;
    world.ask("code", "ghost@example.org").await;
    world.worker().await;
    assert_eq!(trace(&world).await, told(&[(EventKind::Accepted, ""), (EventKind::Ended, "nobody")]));
    let tag = Keys::new(&Key::root(&[9; 32]).unwrap()).address_tag(&address("Ghost@Example.org"));
    let asked = world.memory.store.asked_with(&tag, 9).await.unwrap();
    assert_eq!((asked.len(), asked[0].network.clone()), (1, Some(network())));
    assert!(!tag.as_str().contains("ghost"));
}

#[tokio::test]
async fn an_ask_too_many_is_told_as_limited() {
    let asks = vec![reset_core::budget::Window::new(1, MINUTE)];
    let world = world_within(reset_core::budget::Budgeting { asks, ..Default::default() });
    world.account(ANN).await;
    world.ask("code", ANN).await;
    world.ask("code", ANN).await;
    let kinds: Vec<_> = world.memory.store.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::Accepted, EventKind::Limited]);
}

#[tokio::test]
async fn no_event_holds_an_address_or_a_secret() {
    let world = anns().await;
    let mail = world.mailed("code", ANN).await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    world.worker().await;
    for Event { dialect, reference, job, account, address, network, detail, .. } in
        world.memory.store.events()
    {
        let texts = format!("{dialect} {reference:?} {job:?} {account:?} {address:?} {network:?} {detail}");
        assert!(!texts.contains("ann@") && !texts.contains(&mail.secret), "{texts}");
    }
}

#[tokio::test]
async fn what_is_written_down_is_sealed_and_holds() {
    let world = anns().await;
    let mail = world.mailed("code", ANN).await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    let count = world.resets.seal_events().await.unwrap();
    assert_eq!(count, 4);
    let sealer = Sealer::of(&Keys::new(&Key::root(&[9; 32]).unwrap()));
    let verified = verify(&*world.memory.store, &sealer, None).await.unwrap().unwrap();
    assert_eq!((verified.count, verified.end), (4, world.resets.last_mark()));
    world.memory.clock.advance(MINUTE);
    world.resets.forget_events(world.resets.adapters().clock.now()).await.unwrap();
    assert!(world.memory.store.sealed(0, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_over_which_workers_are_lost_is_set_aside_and_holds_nobody_up() {
    let world = anns().await;
    world.ask("code", ANN).await;
    for _ in 0..=MAX_WORKER_CRASHES {
        // Each takes it, and dies.
        assert_eq!(world.resets.claim(10).await.unwrap().len(), 1);
        world.memory.clock.advance(reset_core::deliver::LEASE);
    }
    world.worker().await;
    assert_eq!(world.outcomes(), [Some(Outcome::Quarantined)]);
    assert_eq!(world.memory.mailer.take(), []);
    assert_eq!(world.mailed("code", ANN).await.kind, SentKind::Code);
}

#[tokio::test]
async fn an_administrators_link_is_mailed_to_nobody_and_sets_the_password_once() {
    let world = anns().await;
    let before = world.mailed("code", ANN).await;
    let made = world.resets.link("code", &address(ANN), None).await.unwrap();
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), []);
    assert!(world.redeem("code", &code(&before.secret)).await.is_err(), "the earlier one is void");
    world.redeem("code", &code(&made.secret)).await.unwrap();
    assert!(world.redeem("code", &code(&made.secret)).await.is_err());
    let kinds: Vec<_> = world
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
    let asks = vec![reset_core::budget::Window::new(1, MINUTE)];
    let world = world_within(reset_core::budget::Budgeting { asks, ..Default::default() });
    world.account(ANN).await;
    world.mailed("link", ANN).await;
    let made = world.resets.link("link", &address(ANN), None).await.unwrap();
    assert!(made.secret.starts_with("https://app.example/reset?lang=en&token="));
}

#[tokio::test]
async fn no_link_is_made_for_nobody_a_blocked_account_or_a_dialect_that_is_not_served() {
    let world = anns().await;
    let link =
        async |dialect: &'static str, email: &str| world.resets.link(dialect, &address(email), None).await;
    assert!(matches!(link("code", "ghost@example.org").await, Err(LinkError::Unknown)));
    assert!(matches!(link("other", ANN).await, Err(LinkError::NoDialect)));
    let now = happened(world.resets.adapters().clock.now());
    world.memory.store.set_blocked(&address(ANN), true, &now).await.unwrap();
    assert!(matches!(link("code", ANN).await, Err(LinkError::Unknown)));
    assert!(world.memory.store.tickets().is_empty());
}
