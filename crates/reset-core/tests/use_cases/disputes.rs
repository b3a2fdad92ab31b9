//! The owner says that a reset was somebody else's.

use std::time::Duration;

use reset_core::{
    dispute::{DISPUTE_LIFE, DisputeError, DisputeLinkState},
    error::RedeemError,
    event::EventKind,
    job::Outcome,
    memory::{Outage, SentKind},
    ports::{Accounts as _, Disputes as _},
};

use crate::world::{MINUTE, World, address, code, happened, network, password, world};

const ANN: &str = "ann@example.org";

/// Ann's password was reset, and this is the end of the link in her notice.
async fn reset() -> (World, String) {
    let world = world();
    world.account(ANN).await;
    let mail = world.mailed("code", ANN).await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    let token = noticed(&world).await;
    (world, token)
}

async fn noticed(world: &World) -> String {
    world.worker().await;
    let notices = world.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    notices[0].secret.strip_prefix("https://app.example/not-me?token=").unwrap().to_owned()
}

async fn object(world: &World, token: &str) -> Result<(), DisputeError> {
    world.resets.open_dispute(token, Some(network())).await
}

async fn standing(world: &World, token: &str) -> DisputeLinkState {
    world.resets.dispute_link_state(token).await.unwrap()
}

#[tokio::test]
async fn a_dispute_takes_the_new_password_away_and_ends_sessions() {
    let (world, token) = reset().await;
    let ann = world.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(standing(&world, &token).await, DisputeLinkState::Usable);
    object(&world, &token).await.unwrap();
    let after = world.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(after.epoch, ann.epoch + 1);
    let hasher = world.resets.adapters().hasher.clone();
    let stored = world.hash_of(ANN).await;
    assert!(stored.starts_with("$argon2id$"), "a hash that every reader of the table understands");
    assert!(!hasher.verify(password("a new password"), &stored).await.unwrap());
    assert_eq!(standing(&world, &token).await, DisputeLinkState::Disputed);
    let last = world.memory.store.events().pop().unwrap();
    assert_eq!((last.kind, last.network), (EventKind::Disputed, Some(network())));
}

#[tokio::test]
async fn pressing_twice_changes_nothing_more() {
    let (world, token) = reset().await;
    object(&world, &token).await.unwrap();
    let stored = world.hash_of(ANN).await;
    object(&world, &token).await.unwrap();
    assert_eq!(world.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn looking_at_the_link_a_hundred_times_changes_nothing() {
    let (world, token) = reset().await;
    let stored = world.hash_of(ANN).await;
    for _ in 0..100 {
        assert_eq!(standing(&world, &token).await, DisputeLinkState::Usable);
    }
    assert_eq!(world.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn every_ticket_that_is_out_is_void_after_a_dispute() {
    let (world, token) = reset().await;
    world.memory.clock.advance(2 * MINUTE);
    // The attacker goes on at once.
    let mail = world.mailed("link", ANN).await;
    object(&world, &token).await.unwrap();
    let redeemed = world.redeem("link", &world.token(&mail)).await;
    assert!(matches!(redeemed, Err(RedeemError::Invalid)));
}

#[tokio::test]
async fn the_owner_resets_by_the_old_mailbox_and_that_ends_the_dispute() {
    let (world, token) = reset().await;
    object(&world, &token).await.unwrap();
    let mail = world.mailed("code", ANN).await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    let ann = world.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    let since = world.resets.adapters().clock.now().minus(DISPUTE_LIFE);
    assert!(world.memory.store.mailbox_of_disputes(&ann.id, since).await.unwrap().is_none());
}

/// The attacker gave the account another address after the reset, which is what the host's own pages let him do.
#[tokio::test]
async fn another_mailbox_gets_nothing_while_a_dispute_stands() {
    let (world, token) = reset().await;
    object(&world, &token).await.unwrap();
    world.memory.store.rename(&address(ANN), "eve@example.net");
    world.ask("code", "eve@example.net").await;
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), []);
    assert_eq!(world.outcomes().pop(), Some(Some(Outcome::NoAccount)));

    world.memory.clock.advance(DISPUTE_LIFE + Duration::from_secs(1));
    assert_eq!(
        world.mailed("code", "eve@example.net").await.to,
        "eve@example.net",
        "after three days it ends"
    );
}

/// He got a notice, too, at the address that he gave the account, and presses its button first.
#[tokio::test]
async fn an_attackers_own_dispute_does_not_keep_the_owner_out() {
    let (world, owners) = reset().await;
    world.memory.store.rename(&address(ANN), "eve@example.net");
    world.memory.clock.advance(MINUTE);
    let mail = world.mailed("code", "eve@example.net").await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    let attackers = noticed(&world).await;
    object(&world, &attackers).await.unwrap();
    object(&world, &owners).await.unwrap();
    world.worker().await;
    let notices = world.memory.mailer.take();
    assert!(
        notices.iter().all(|notice| notice.secret.is_empty()),
        "no way back for whoever moved the account"
    );
    world.ask("code", "eve@example.net").await;
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), []);
    let mail = world.mailed("code", ANN).await;
    assert_eq!(mail.to, ANN);
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    world.worker().await;
    world.memory.mailer.take();
    // The address is put right, and the attacker asks with his own once more.
    world.memory.store.rename(&address("eve@example.net"), ANN);
    world.memory.clock.advance(MINUTE);
    assert!(matches!(object(&world, &attackers).await, Ok(()) | Err(DisputeError::Invalid)));
    for dialect in ["code", "link", "pair"] {
        world.ask(dialect, "eve@example.net").await;
    }
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), []);
    assert_eq!(world.mailed("link", ANN).await.to, ANN);
}

/// She asks with her address, which the account does not have any more, and resets; and Eve, who has the one that it has
/// now, gets nothing before the dispute's time is over.
#[tokio::test]
async fn the_owner_resets_by_her_mailbox_whatever_address_the_account_has_now() {
    let (world, token) = reset().await;
    world.memory.store.rename(&address(ANN), "eve@example.net");
    object(&world, &token).await.unwrap();
    world.worker().await;
    let notices = world.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    assert_eq!(notices[0].to, "eve@example.net", "whoever has the address now is told");

    world.memory.clock.advance(MINUTE);
    let mail = world.mailed("code", "Ann@Example.org").await;
    assert_eq!(mail.to, ANN);
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    world.worker().await;
    world.memory.mailer.take();
    world.memory.clock.advance(MINUTE);
    world.ask("link", "eve@example.net").await;
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), []);
    let code_again = world.mailed("pair", ANN).await;
    assert!(world.exchange(ANN, &code(&code_again.secret)).await.is_ok(), "by a code for the address, too");
}

/// The account was deleted, or its row cannot be read.
#[tokio::test]
async fn a_dispute_that_changed_nothing_is_not_said_to_be_done() {
    let (world, token) = reset().await;
    world.memory.store.remove(&address(ANN));
    assert!(matches!(object(&world, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn an_administrator_ends_a_dispute() {
    let (world, token) = reset().await;
    object(&world, &token).await.unwrap();
    world.memory.store.rename(&address(ANN), "ann@example.net");
    let ann = world.memory.store.account_by_email(&address("ann@example.net")).await.unwrap().unwrap();
    let lifted = happened(world.resets.adapters().clock.now()).of(&ann.id);
    assert!(world.memory.store.close_disputes(&ann.id, &lifted).await.unwrap());
    assert_eq!(world.mailed("code", "ann@example.net").await.to, "ann@example.net");
}

#[tokio::test]
async fn a_link_is_good_for_three_days() {
    let (world, token) = reset().await;
    let end = world.resets.adapters().clock.now().plus(DISPUTE_LIFE);
    world.memory.clock.set(end.minus(Duration::from_millis(1)));
    assert_eq!(standing(&world, &token).await, DisputeLinkState::Usable);
    world.memory.clock.set(end);
    assert_eq!(standing(&world, &token).await, DisputeLinkState::Invalid);
    assert!(matches!(object(&world, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn a_link_that_is_not_ours_costs_no_query() {
    let (world, token) = reset().await;
    let forged = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    world.memory.store.set_outage(Outage::Only("dispute"));
    for text in ["", "0", &forged, &token[..63], &token.to_uppercase(), &"é".repeat(32), &token.repeat(2)] {
        assert_eq!(standing(&world, text).await, DisputeLinkState::Invalid, "{text}");
        assert!(matches!(object(&world, text).await, Err(DisputeError::Invalid)), "{text}");
    }
    assert!(world.resets.dispute_link_state(&token).await.is_err(), "ours does cost one");
}

#[tokio::test]
async fn a_notice_that_is_sent_again_carries_the_same_link() {
    let world = world();
    world.account(ANN).await;
    let mail = world.mailed("code", ANN).await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    world.memory.store.set_outage(Outage::Only("finish"));
    let jobs = world.resets.claim(10).await.unwrap();
    assert!(world.resets.deliver(&jobs[0]).await.is_err());
    world.memory.store.set_outage(Outage::None);
    world.resets.put_back(&jobs[0]).await.unwrap();
    world.memory.clock.advance(MINUTE);
    world.worker().await;
    let notices = world.memory.mailer.take();
    assert_eq!((notices.len(), &notices[0].secret), (2, &notices[1].secret));
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_password_and_the_link() {
    let (world, token) = reset().await;
    let stored = world.hash_of(ANN).await;
    world.memory.store.set_outage(Outage::Only("object"));
    assert!(matches!(object(&world, &token).await, Err(DisputeError::Store(_))));
    world.memory.store.set_outage(Outage::None);
    assert_eq!(
        (world.hash_of(ANN).await, standing(&world, &token).await),
        (stored, DisputeLinkState::Usable)
    );
}
