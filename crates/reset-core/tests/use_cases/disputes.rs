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

use crate::bench::{MINUTE, UseCaseBench, address, bench, code, happened, network, password};

const ANN: &str = "ann@example.org";

/// Ann's password was reset, and this is the end of the link in her notice.
async fn reset() -> (UseCaseBench, String) {
    let bench = bench();
    bench.account(ANN).await;
    let mail = bench.mailed("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let token = noticed(&bench).await;
    (bench, token)
}

async fn noticed(bench: &UseCaseBench) -> String {
    bench.worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    notices[0].secret.strip_prefix("https://app.example/not-me?token=").unwrap().to_owned()
}

async fn object(bench: &UseCaseBench, token: &str) -> Result<(), DisputeError> {
    bench.resets.open_dispute(token, Some(network())).await
}

async fn standing(bench: &UseCaseBench, token: &str) -> DisputeLinkState {
    bench.resets.dispute_link_state(token).await.unwrap()
}

#[tokio::test]
async fn a_dispute_takes_the_new_password_away_and_ends_sessions() {
    let (bench, token) = reset().await;
    let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(standing(&bench, &token).await, DisputeLinkState::Usable);
    object(&bench, &token).await.unwrap();
    let after = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(after.epoch, ann.epoch + 1);
    let hasher = bench.resets.adapters().hasher.clone();
    let stored = bench.hash_of(ANN).await;
    assert!(stored.starts_with("$argon2id$"), "a hash that every reader of the table understands");
    assert!(!hasher.verify(password("a new password"), &stored).await.unwrap());
    assert_eq!(standing(&bench, &token).await, DisputeLinkState::Disputed);
    let last = bench.memory.store.events().pop().unwrap();
    assert_eq!((last.kind, last.network), (EventKind::Disputed, Some(network())));
}

#[tokio::test]
async fn pressing_twice_changes_nothing_more() {
    let (bench, token) = reset().await;
    object(&bench, &token).await.unwrap();
    let stored = bench.hash_of(ANN).await;
    object(&bench, &token).await.unwrap();
    assert_eq!(bench.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn looking_at_the_link_a_hundred_times_changes_nothing() {
    let (bench, token) = reset().await;
    let stored = bench.hash_of(ANN).await;
    for _ in 0..100 {
        assert_eq!(standing(&bench, &token).await, DisputeLinkState::Usable);
    }
    assert_eq!(bench.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn every_ticket_that_is_out_is_void_after_a_dispute() {
    let (bench, token) = reset().await;
    bench.memory.clock.advance(2 * MINUTE);
    // The attacker goes on at once.
    let mail = bench.mailed("link", ANN).await;
    object(&bench, &token).await.unwrap();
    let redeemed = bench.redeem("link", &bench.token(&mail)).await;
    assert!(matches!(redeemed, Err(RedeemError::Invalid)));
}

#[tokio::test]
async fn the_owner_resets_by_the_old_mailbox_and_that_ends_the_dispute() {
    let (bench, token) = reset().await;
    object(&bench, &token).await.unwrap();
    let mail = bench.mailed("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    let since = bench.resets.adapters().clock.now().minus(DISPUTE_LIFE);
    assert!(bench.memory.store.mailbox_of_disputes(&ann.id, since).await.unwrap().is_none());
}

/// The attacker gave the account another address after the reset, which is what the host's own pages let him do.
#[tokio::test]
async fn another_mailbox_gets_nothing_while_a_dispute_stands() {
    let (bench, token) = reset().await;
    object(&bench, &token).await.unwrap();
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    bench.ask("code", "eve@example.net").await;
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.outcomes().pop(), Some(Some(Outcome::NoAccount)));

    bench.memory.clock.advance(DISPUTE_LIFE + Duration::from_secs(1));
    assert_eq!(
        bench.mailed("code", "eve@example.net").await.to,
        "eve@example.net",
        "after three days it ends"
    );
}

/// He got a notice, too, at the address that he gave the account, and presses its button first.
#[tokio::test]
async fn an_attackers_own_dispute_does_not_keep_the_owner_out() {
    let (bench, owners) = reset().await;
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    bench.memory.clock.advance(MINUTE);
    let mail = bench.mailed("code", "eve@example.net").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let attackers = noticed(&bench).await;
    object(&bench, &attackers).await.unwrap();
    object(&bench, &owners).await.unwrap();
    bench.worker().await;
    let notices = bench.memory.mailer.take();
    assert!(
        notices.iter().all(|notice| notice.secret.is_empty()),
        "no way back for whoever moved the account"
    );
    bench.ask("code", "eve@example.net").await;
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    let mail = bench.mailed("code", ANN).await;
    assert_eq!(mail.to, ANN);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.worker().await;
    bench.memory.mailer.take();
    // The address is put right, and the attacker requests with his own once more.
    bench.memory.store.rename(&address("eve@example.net"), ANN);
    bench.memory.clock.advance(MINUTE);
    assert!(matches!(object(&bench, &attackers).await, Ok(()) | Err(DisputeError::Invalid)));
    for dialect in ["code", "link", "pair"] {
        bench.ask(dialect, "eve@example.net").await;
    }
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.mailed("link", ANN).await.to, ANN);
}

/// She requests with her address, which the account does not have any more, and resets; and Eve, who has the one that it has
/// now, gets nothing before the dispute's time is over.
#[tokio::test]
async fn the_owner_resets_by_her_mailbox_whatever_address_the_account_has_now() {
    let (bench, token) = reset().await;
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    object(&bench, &token).await.unwrap();
    bench.worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    assert_eq!(notices[0].to, "eve@example.net", "whoever has the address now is told");

    bench.memory.clock.advance(MINUTE);
    let mail = bench.mailed("code", "Ann@Example.org").await;
    assert_eq!(mail.to, ANN);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.worker().await;
    bench.memory.mailer.take();
    bench.memory.clock.advance(MINUTE);
    bench.ask("link", "eve@example.net").await;
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    let code_again = bench.mailed("pair", ANN).await;
    assert!(bench.exchange(ANN, &code(&code_again.secret)).await.is_ok(), "by a code for the address, too");
}

/// The account was deleted, or its row cannot be read.
#[tokio::test]
async fn a_dispute_that_changed_nothing_is_not_said_to_be_done() {
    let (bench, token) = reset().await;
    bench.memory.store.remove(&address(ANN));
    assert!(matches!(object(&bench, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn an_administrator_ends_a_dispute() {
    let (bench, token) = reset().await;
    object(&bench, &token).await.unwrap();
    bench.memory.store.rename(&address(ANN), "ann@example.net");
    let ann = bench.memory.store.account_by_email(&address("ann@example.net")).await.unwrap().unwrap();
    let lifted = happened(bench.resets.adapters().clock.now()).of(&ann.id);
    assert!(bench.memory.store.close_disputes(&ann.id, &lifted).await.unwrap());
    assert_eq!(bench.mailed("code", "ann@example.net").await.to, "ann@example.net");
}

#[tokio::test]
async fn a_link_is_good_for_three_days() {
    let (bench, token) = reset().await;
    let end = bench.resets.adapters().clock.now().plus(DISPUTE_LIFE);
    bench.memory.clock.set(end.minus(Duration::from_millis(1)));
    assert_eq!(standing(&bench, &token).await, DisputeLinkState::Usable);
    bench.memory.clock.set(end);
    assert_eq!(standing(&bench, &token).await, DisputeLinkState::Invalid);
    assert!(matches!(object(&bench, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn a_link_that_is_not_ours_costs_no_query() {
    let (bench, token) = reset().await;
    let forged = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    bench.memory.store.set_outage(Outage::Only("dispute"));
    for text in ["", "0", &forged, &token[..63], &token.to_uppercase(), &"é".repeat(32), &token.repeat(2)] {
        assert_eq!(standing(&bench, text).await, DisputeLinkState::Invalid, "{text}");
        assert!(matches!(object(&bench, text).await, Err(DisputeError::Invalid)), "{text}");
    }
    assert!(bench.resets.dispute_link_state(&token).await.is_err(), "ours does cost one");
}

#[tokio::test]
async fn a_notice_that_is_sent_again_carries_the_same_link() {
    let bench = bench();
    bench.account(ANN).await;
    let mail = bench.mailed("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.memory.store.set_outage(Outage::Only("finish"));
    let jobs = bench.resets.claim(10).await.unwrap();
    assert!(bench.resets.deliver(&jobs[0]).await.is_err());
    bench.memory.store.set_outage(Outage::None);
    bench.resets.put_back(&jobs[0]).await.unwrap();
    bench.memory.clock.advance(MINUTE);
    bench.worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), &notices[0].secret), (2, &notices[1].secret));
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_password_and_the_link() {
    let (bench, token) = reset().await;
    let stored = bench.hash_of(ANN).await;
    bench.memory.store.set_outage(Outage::Only("open_dispute"));
    assert!(matches!(object(&bench, &token).await, Err(DisputeError::Store(_))));
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(
        (bench.hash_of(ANN).await, standing(&bench, &token).await),
        (stored, DisputeLinkState::Usable)
    );
}
