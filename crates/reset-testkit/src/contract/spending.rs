//! The contract of [`exchange`](reset_core::ports::Tickets::exchange) and
//! [`redeem`](reset_core::ports::Tickets::redeem): each succeeds once and changes everything, or changes nothing.

use std::sync::Arc;

use super::{DIALECT, account, address, at, claim_any, done, happened, issued, job, state, stored, ticket};
use reset_core::{
    account::{Account, AccountId, StoredAddress},
    error::StoreError,
    job::{Job, JobKind},
    ports::{PasswordChange, Store},
    ticket::{Ticket, TicketId, TicketKind, TicketState},
    time::Timestamp,
};

/// Returns a token that replaces `code`.
fn token(code: &Ticket, id: &str) -> Ticket {
    let named = TicketId::new(id);
    let digest = super::digest(id);
    Ticket { id: named, job: super::JobId::new(id), kind: TicketKind::Token, digest, ..code.clone() }
}

pub async fn an_exchange_spends_the_code_and_stores_the_token(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let code = issued(&store, ticket(&ann, "code")).await;
    let token = Ticket { issued_at: at(9), expires_at: at(900), ..token(&code, "token") };
    assert!(done(store.exchange(&code.id, &token, &happened(at(9))).await));
    assert_eq!(stored(&store, &code).await.spent_at, Some(at(9)));
    let found = done(store.ticket_with(DIALECT, &token.digest, at(9)).await);
    assert!(found == Some(token.clone()));
    assert!(redeem(&store, &token, &ann.id, at(10)).await);
}

pub async fn only_a_live_code_is_exchanged(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let code = issued(&store, ticket(&ann, "code")).await;
    let token = token(&code, "token");
    assert!(!done(store.exchange(&code.id, &token, &happened(at(600))).await), "expired");
    assert!(!done(store.exchange(&TicketId::new("another"), &token, &happened(at(1))).await), "unknown");
    done(store.set_blocked(&address("ann"), true, &happened(at(1))).await);
    assert!(!done(store.exchange(&code.id, &token, &happened(at(2))).await), "void");
    assert!(done(store.ticket_of(&token.job).await).is_none());
}

pub async fn one_of_twenty_parallel_exchanges_succeeds(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let code = issued(&store, ticket(&ann, "code")).await;
    let all: Vec<_> = (0..20)
        .map(|number| {
            let (store, code) = (store.clone(), code.clone());
            let token = token(&code, &format!("token {number}"));
            tokio::spawn(
                async move { (done(store.exchange(&code.id, &token, &happened(at(1))).await), token) },
            )
        })
        .collect();
    let mut winners = 0;
    for one in all {
        let (exchanged, token) = one.await.expect("the task does not panic");
        winners += usize::from(exchanged);
        assert_eq!(done(store.ticket_of(&token.job).await).is_some(), exchanged);
    }
    assert_eq!(winners, 1);
}

/// The token for Ann's code cannot be stored, because its job is Bob's and has issued a ticket already.
pub async fn a_failed_exchange_leaves_the_code_unspent(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let code = issued(&store, ticket(&ann, "code")).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    let token = Ticket { job: bobs.job.clone(), ..token(&code, "token") };
    assert!(store.exchange(&code.id, &token, &happened(at(1))).await.is_err());
    assert_eq!(state(&store, &code, at(1)).await, TicketState::Live);
}

fn notice(id: &str, account: &AccountId) -> Job {
    Job {
        kind: JobKind::Notice {
            account: account.clone(),
            to: StoredAddress::new("Then@Example.ORG"),
            locale: None,
        },
        ..job(id, "unused")
    }
}

async fn try_redeem(
    store: &Arc<dyn Store>,
    ticket: &Ticket,
    account: &AccountId,
    jobs: &[Job],
    now: Timestamp,
) -> Result<bool, StoreError> {
    store
        .redeem(PasswordChange {
            ticket: &ticket.id,
            account,
            password_hash: "the second hash",
            jobs,
            event: &happened(now),
            now,
        })
        .await
}

async fn redeem(store: &Arc<dyn Store>, ticket: &Ticket, account: &AccountId, now: Timestamp) -> bool {
    let notice = notice("notice", account);
    done(try_redeem(store, ticket, account, &[notice], now).await)
}

/// Asserts that redeeming `ticket` fails and changes nothing.
async fn cannot_redeem(store: &Arc<dyn Store>, ticket: &Ticket, account: &Account, now: Timestamp) {
    let (ticket_before, account_before) =
        (stored(store, ticket).await, done(store.account(&account.id).await).expect("the account"));
    assert!(!redeem(store, ticket, &account.id, now).await);
    assert!(stored(store, ticket).await == ticket_before);
    assert!(done(store.account(&account.id).await) == Some(account_before));
    assert_eq!(done(store.password_hash(&account.id).await).as_deref(), Some("the first hash"));
    assert_eq!(done(claim_any(store, 10, now, now).await), [], "no notice");
}

pub async fn a_redemption_updates_account_tickets_and_jobs_together(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let spent = issued(&store, ticket(&ann, "spent")).await;
    let other = issued(&store, Ticket { dialect: "other".to_owned(), ..ticket(&ann, "other") }).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    assert!(redeem(&store, &spent, &ann.id, at(9)).await);

    let changed = done(store.account(&ann.id).await);
    assert!(changed == Some(Account { epoch: 1, updated_at: at(9), ..ann.clone() }));
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("the second hash"));
    assert!(stored(&store, &spent).await == Ticket { spent_at: Some(at(9)), ..spent });
    assert_eq!(stored(&store, &other).await.voided_at, Some(at(9)));
    let claimed = done(claim_any(&store, 10, at(9), at(60)).await);
    assert_eq!(claimed.iter().map(|job| &job.kind).collect::<Vec<_>>(), [&notice("notice", &ann.id).kind]);

    assert_eq!(state(&store, &bobs, at(9)).await, TicketState::Live);
    assert!(done(store.account(&bob.id).await) == Some(bob.clone()));
    assert_eq!(done(store.password_hash(&bob.id).await).as_deref(), Some("the first hash"));
}

pub async fn a_redemption_without_jobs_queues_none(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    assert!(done(try_redeem(&store, &one, &ann.id, &[], at(9)).await));
    assert_eq!(done(store.backlog().await).waiting, 0);
}

pub async fn a_ticket_sets_only_one_password(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    assert!(redeem(&store, &one, &ann.id, at(9)).await);
    let changed = done(store.account(&ann.id).await);
    assert!(!redeem(&store, &one, &ann.id, at(10)).await);
    assert!(done(store.account(&ann.id).await) == changed);
    assert_eq!(stored(&store, &one).await.spent_at, Some(at(9)));
}

pub async fn a_ticket_is_valid_until_its_last_millisecond(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let anns = issued(&store, ticket(&ann, "anns")).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    cannot_redeem(&store, &anns, &ann, anns.expires_at).await;
    let last = Timestamp::from_millis(bobs.expires_at.as_millis() - 1);
    assert!(redeem(&store, &bobs, &bob.id, last).await);
}

pub async fn a_void_ticket_sets_no_password(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let early = issued(&store, ticket(&ann, "early")).await;
    issued(&store, Ticket { job_seq: 2, ..ticket(&ann, "late") }).await;
    cannot_redeem(&store, &early, &ann, at(1)).await;
}

pub async fn a_ticket_of_an_earlier_epoch_sets_no_password(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let old = issued(&store, Ticket { epoch: ann.epoch - 1, ..ticket(&ann, "old") }).await;
    cannot_redeem(&store, &old, &ann, at(1)).await;
}

pub async fn a_ticket_of_another_address_sets_no_password(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let moved = issued(&store, Ticket { email: "ann@example.net".to_owned(), ..ticket(&ann, "moved") }).await;
    cannot_redeem(&store, &moved, &ann, at(1)).await;
}

pub async fn a_ticket_of_another_account_sets_no_password(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    // A ticket of Ann's that carries Bob's address is not Bob's.
    let anns = issued(&store, Ticket { email: bob.email.clone(), ..ticket(&ann, "anns") }).await;
    cannot_redeem(&store, &anns, &bob, at(1)).await;
    let nobody = AccountId::new("no such key");
    assert!(!redeem(&store, &anns, &nobody, at(1)).await);
    assert_eq!(state(&store, &anns, at(1)).await, TicketState::Live);
}

/// The ticket is issued after the block, by a worker that read the account just before it.
pub async fn a_ticket_of_a_blocked_account_sets_no_password(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    done(store.set_blocked(&address("ann"), true, &happened(at(0))).await);
    let one = issued(&store, ticket(&ann, "one")).await;
    cannot_redeem(&store, &one, &ann, at(1)).await;
}

pub async fn a_redemption_queues_the_notice_and_the_webhook(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let webhook = Job { kind: JobKind::Webhook { account: ann.id.clone() }, ..job("webhook", "unused") };
    let both = [notice("notice", &ann.id), webhook];
    assert!(done(try_redeem(&store, &one, &ann.id, &both, at(1)).await));
    let claimed = done(claim_any(&store, 10, at(1), at(60)).await);
    let kinds: Vec<_> = claimed.iter().map(|job| &job.kind).collect();
    assert_eq!(kinds, both.iter().map(|job| &job.kind).collect::<Vec<_>>());
}

/// The notice cannot be stored because its id exists already.
pub async fn a_failed_redemption_leaves_the_ticket_unspent(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    done(store.push(&job("taken", "bob")).await);
    let notice = notice("taken", &ann.id);
    assert!(try_redeem(&store, &one, &ann.id, &[notice], at(1)).await.is_err());
    assert_eq!(state(&store, &one, at(1)).await, TicketState::Live);
    assert!(done(store.account(&ann.id).await) == Some(ann.clone()));
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("the first hash"));
}

pub async fn one_of_twenty_parallel_redemptions_succeeds(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let all: Vec<_> = (0..20)
        .map(|number| {
            let (store, one, id) = (store.clone(), one.clone(), ann.id.clone());
            let notice = notice(&format!("notice {number}"), &id);
            tokio::spawn(async move { done(try_redeem(&store, &one, &id, &[notice], at(1)).await) })
        })
        .collect();
    let mut winners = 0;
    for one in all {
        winners += usize::from(one.await.expect("the task does not panic"));
    }
    assert_eq!(winners, 1);
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, 1);
    assert_eq!(done(claim_any(&store, 50, at(1), at(60)).await).len(), 1, "one notice");
}
