//! Disputes: the owner reports that somebody else reset the password.

use std::time::Duration;

use reset_core::{
    dispute::{DISPUTE_LIFE, DisputeError, DisputeLinkState},
    error::RedeemError,
    event::EventKind,
    job::Outcome,
    ports::{Accounts as _, Disputes as _},
};
use reset_testkit::memory::{Outage, SentKind};

use crate::bench::{MINUTE, UseCaseBench, address, bench, code, happened, network, password};

const ANN: &str = "ann@example.org";

/// Resets Ann's password. Returns the bench and the token of the dispute link in her notice.
async fn reset_password() -> (UseCaseBench, String) {
    let bench = bench();
    bench.account(ANN).await;
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let token = dispute_token(&bench).await;
    (bench, token)
}

async fn dispute_token(bench: &UseCaseBench) -> String {
    bench.run_worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    notices[0].secret.strip_prefix("https://app.example/not-me?token=").unwrap().to_owned()
}

async fn dispute(bench: &UseCaseBench, token: &str) -> Result<(), DisputeError> {
    bench.resets.open_dispute(token, Some(network())).await
}

async fn link_state(bench: &UseCaseBench, token: &str) -> DisputeLinkState {
    bench.resets.dispute_link_state(token).await.unwrap()
}

#[tokio::test]
async fn a_dispute_takes_the_new_password_away_and_ends_sessions() {
    let (bench, token) = reset_password().await;
    let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Usable);
    dispute(&bench, &token).await.unwrap();
    let after = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    assert_eq!(after.epoch, ann.epoch + 1);
    let hasher = bench.resets.adapters().hasher.clone();
    let stored = bench.hash_of(ANN).await;
    assert!(stored.starts_with("$argon2id$"), "other readers of the table can parse the hash");
    assert!(!hasher.verify(password("a new password"), &stored).await.unwrap());
    assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Disputed);
    let last = bench.memory.store.events().pop().unwrap();
    assert_eq!((last.kind, last.network), (EventKind::Disputed, Some(network())));
}

#[tokio::test]
async fn a_second_dispute_by_the_same_link_changes_nothing() {
    let (bench, token) = reset_password().await;
    dispute(&bench, &token).await.unwrap();
    let stored = bench.hash_of(ANN).await;
    dispute(&bench, &token).await.unwrap();
    assert_eq!(bench.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn opening_the_dispute_page_a_hundred_times_changes_nothing() {
    let (bench, token) = reset_password().await;
    let stored = bench.hash_of(ANN).await;
    for _ in 0..100 {
        assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Usable);
    }
    assert_eq!(bench.hash_of(ANN).await, stored);
}

#[tokio::test]
async fn a_dispute_voids_every_issued_ticket() {
    let (bench, token) = reset_password().await;
    bench.memory.clock.advance(2 * MINUTE);
    // The attacker requests another reset.
    let mail = bench.reset_mail("link", ANN).await;
    dispute(&bench, &token).await.unwrap();
    let redeemed = bench.redeem("link", &bench.token(&mail)).await;
    assert!(matches!(redeemed, Err(RedeemError::Invalid)));
}

#[tokio::test]
async fn a_reset_by_the_disputed_mailbox_ends_the_dispute() {
    let (bench, token) = reset_password().await;
    dispute(&bench, &token).await.unwrap();
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    let since = bench.resets.adapters().clock.now().minus(DISPUTE_LIFE);
    assert!(bench.memory.store.mailbox_of_disputes(&ann.id, since).await.unwrap().is_none());
}

/// After the reset, the attacker changes the account's address on the pages of the host application.
#[tokio::test]
async fn another_mailbox_gets_no_mail_while_a_dispute_is_open() {
    let (bench, token) = reset_password().await;
    dispute(&bench, &token).await.unwrap();
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    bench.request("code", "eve@example.net").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.outcomes().pop(), Some(Some(Outcome::NoAccount)));

    bench.memory.clock.advance(DISPUTE_LIFE + Duration::from_secs(1));
    assert_eq!(
        bench.reset_mail("code", "eve@example.net").await.to,
        "eve@example.net",
        "a dispute ends after three days"
    );
}

/// The attacker also receives a notice, at the new address of the account, and opens a dispute first.
#[tokio::test]
async fn an_attackers_dispute_does_not_lock_out_the_owner() {
    let (bench, owners) = reset_password().await;
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    bench.memory.clock.advance(MINUTE);
    let mail = bench.reset_mail("code", "eve@example.net").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let attackers = dispute_token(&bench).await;
    dispute(&bench, &attackers).await.unwrap();
    dispute(&bench, &owners).await.unwrap();
    bench.run_worker().await;
    let notices = bench.memory.mailer.take();
    assert!(
        notices.iter().all(|notice| notice.secret.is_empty()),
        "the notice to the attacker has no dispute link"
    );
    bench.request("code", "eve@example.net").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    let mail = bench.reset_mail("code", ANN).await;
    assert_eq!(mail.to, ANN);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    bench.memory.mailer.take();
    // The owner restores the address, and the attacker requests resets with the other one again.
    bench.memory.store.rename(&address("eve@example.net"), ANN);
    bench.memory.clock.advance(MINUTE);
    assert!(matches!(dispute(&bench, &attackers).await, Ok(()) | Err(DisputeError::Invalid)));
    for dialect in ["code", "link", "pair"] {
        bench.request(dialect, "eve@example.net").await;
    }
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.reset_mail("link", ANN).await.to, ANN);
}

/// Ann requests a reset with her previous address and resets the password. Eve, who holds the account's current
/// address, gets no mail until the dispute expires.
#[tokio::test]
async fn the_owner_resets_by_her_mailbox_after_the_address_was_changed() {
    let (bench, token) = reset_password().await;
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    dispute(&bench, &token).await.unwrap();
    bench.run_worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), notices[0].kind), (1, SentKind::Changed));
    assert_eq!(notices[0].to, "eve@example.net", "the current address gets the notice");

    bench.memory.clock.advance(MINUTE);
    let mail = bench.reset_mail("code", "Ann@Example.org").await;
    assert_eq!(mail.to, ANN);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    bench.memory.mailer.take();
    bench.memory.clock.advance(MINUTE);
    bench.request("link", "eve@example.net").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    let code_again = bench.reset_mail("pair", ANN).await;
    assert!(
        bench.exchange(ANN, &code(&code_again.secret)).await.is_ok(),
        "the code for the previous address works, too"
    );
}

/// The account was deleted.
#[tokio::test]
async fn a_dispute_of_a_deleted_account_is_invalid() {
    let (bench, token) = reset_password().await;
    bench.memory.store.remove(&address(ANN));
    assert!(matches!(dispute(&bench, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn an_administrator_ends_a_dispute() {
    let (bench, token) = reset_password().await;
    dispute(&bench, &token).await.unwrap();
    bench.memory.store.rename(&address(ANN), "ann@example.net");
    let ann = bench.memory.store.account_by_email(&address("ann@example.net")).await.unwrap().unwrap();
    let closed = happened(bench.resets.adapters().clock.now()).of(&ann.id);
    let closed = bench.memory.store.close_disputes(&ann.id, &ann.email_key(), &closed).await.unwrap();
    assert_eq!(closed.disputes, 1);
    assert_eq!(bench.reset_mail("code", "ann@example.net").await.to, "ann@example.net");
}

#[tokio::test]
async fn a_dispute_link_is_valid_for_three_days() {
    let (bench, token) = reset_password().await;
    let end = bench.resets.adapters().clock.now().plus(DISPUTE_LIFE);
    bench.memory.clock.set(end.minus(Duration::from_millis(1)));
    assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Usable);
    bench.memory.clock.set(end);
    assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Invalid);
    assert!(matches!(dispute(&bench, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn a_forged_dispute_link_costs_no_query() {
    let (bench, token) = reset_password().await;
    let forged = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    bench.memory.store.set_outage(Outage::Only("dispute"));
    for text in ["", "0", &forged, &token[..63], &token.to_uppercase(), &"é".repeat(32), &token.repeat(2)] {
        assert_eq!(link_state(&bench, text).await, DisputeLinkState::Invalid, "{text}");
        assert!(matches!(dispute(&bench, text).await, Err(DisputeError::Invalid)), "{text}");
    }
    assert!(bench.resets.dispute_link_state(&token).await.is_err(), "a genuine link costs a query");
}

#[tokio::test]
async fn a_resent_notice_carries_the_same_link() {
    let bench = bench();
    bench.account(ANN).await;
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.memory.store.set_outage(Outage::Only("finish"));
    let jobs = bench.resets.claim(10).await.unwrap();
    assert!(bench.resets.deliver(&jobs[0]).await.is_err());
    bench.memory.store.set_outage(Outage::None);
    bench.resets.put_back(&jobs[0]).await.unwrap();
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!((notices.len(), &notices[0].secret), (2, &notices[1].secret));
}

#[tokio::test]
async fn a_locked_users_table_leaves_the_link_and_asks_to_wait() {
    let (bench, token) = reset_password().await;
    bench.memory.store.set_outage(Outage::Busy);
    let wait = Duration::from_secs(5);
    assert!(
        matches!(dispute(&bench, &token).await, Err(DisputeError::Busy { retry_after }) if retry_after == wait)
    );
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(link_state(&bench, &token).await, DisputeLinkState::Usable);
    assert!(dispute(&bench, &token).await.is_ok());
}

#[tokio::test]
async fn a_failing_store_leaves_the_password_and_the_link() {
    let (bench, token) = reset_password().await;
    let stored = bench.hash_of(ANN).await;
    bench.memory.store.set_outage(Outage::Only("open_dispute"));
    assert!(matches!(dispute(&bench, &token).await, Err(DisputeError::Store(_))));
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(
        (bench.hash_of(ANN).await, link_state(&bench, &token).await),
        (stored, DisputeLinkState::Usable)
    );
}

/// Mallory had Ann's account under his own address for a minute and reset its password; then Ann got it back.
async fn token_of_a_former_owner() -> (UseCaseBench, String) {
    const MALLORY: &str = "mallory@example.net";
    let (bench, _) = reset_password().await;
    bench.memory.store.rename(&address(ANN), MALLORY);
    let mail = bench.reset_mail("code", MALLORY).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let token = dispute_token(&bench).await;
    bench.memory.store.rename(&address(MALLORY), ANN);
    (bench, token)
}

#[tokio::test]
async fn a_former_owners_link_ends_when_an_administrator_closes_disputes() {
    let (bench, token) = token_of_a_former_owner().await;
    let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    let event = happened(bench.resets.adapters().clock.now()).of(&ann.id);
    let closed = bench.memory.store.close_disputes(&ann.id, &ann.email_key(), &event).await.unwrap();
    assert_eq!((closed.disputes, closed.links), (0, 1));
    assert!(matches!(dispute(&bench, &token).await, Err(DisputeError::Invalid)));
}

#[tokio::test]
async fn a_disputes_mailbox_leads_to_the_disputed_account_even_if_another_account_has_its_address() {
    let (bench, token) = reset_password().await;
    // The attacker gives the account another address, and registers a second account with the owner's.
    bench.memory.store.rename(&address(ANN), "eve@example.net");
    bench.account(ANN).await;
    let second = bench.hash_of(ANN).await;
    dispute(&bench, &token).await.unwrap();
    let unknown = bench.hash_of("eve@example.net").await;
    bench.run_worker().await;
    bench.memory.mailer.take();
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    assert_ne!(bench.hash_of("eve@example.net").await, unknown);
    assert_eq!(bench.hash_of(ANN).await, second);
}
