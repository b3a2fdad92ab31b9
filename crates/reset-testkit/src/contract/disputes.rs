//! The contract of [`Disputes`](reset_core::ports::Disputes).

use std::sync::Arc;

use super::{account, address, at, claim_any, done, happened, issued, job, state, ticket};
use reset_core::{
    account::{Account, AccountId},
    dispute::{ClosedDisputes, DISPUTE_LIFE, Dispute, DisputeOpening},
    error::StoreError,
    job::{Job, JobId, JobKind, Reference},
    ports::{PasswordChange, Store},
    ticket::TicketState,
    time::Timestamp,
};

fn dispute(account: &Account, id: &str) -> Dispute {
    Dispute {
        id: JobId::new(id),
        account: account.id.clone(),
        reference: Reference::stored("0123456789"),
        dialect: "one".to_owned(),
        mailbox: "ann@example.org".to_owned(),
        until: at(1000),
        opened_at: None,
    }
}

async fn try_open(
    store: &Arc<dyn Store>,
    dispute: &Dispute,
    jobs: &[Job],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let event = happened(now);
    store
        .open_dispute(DisputeOpening { dispute, password_hash: "an unknown hash", jobs, event: &event, now })
        .await
}

async fn open(store: &Arc<dyn Store>, dispute: &Dispute, now: Timestamp) -> bool {
    done(try_open(store, dispute, &[], now).await)
}

async fn mailbox(store: &Arc<dyn Store>, id: &AccountId, since: i64) -> Option<String> {
    done(store.mailbox_of_disputes(id, at(since)).await)
}

async fn closed(store: &Arc<dyn Store>, id: &AccountId, now: i64) -> ClosedDisputes {
    done(store.close_disputes(id, "ann@example.org", &happened(at(now))).await)
}

/// Resets the password of the account by its present address.
async fn reset(store: &Arc<dyn Store>, account: &Account, now: i64) {
    let account = done(store.account(&account.id).await).expect("the account");
    let code = issued(store, ticket(&account, "code")).await;
    let event = happened(at(now));
    let redemption = PasswordChange {
        ticket: &code.id,
        account: &account.id,
        password_hash: "the second hash",
        jobs: &[],
        event: &event,
        now: at(now),
    };
    assert!(done(store.redeem(redemption).await));
}

/// Stores a dispute link of `account` and returns it.
async fn allowed(store: &Arc<dyn Store>, account: &Account, id: &str) -> Dispute {
    let dispute = dispute(account, id);
    done(store.allow_dispute(&dispute).await);
    dispute
}

pub async fn allowing_a_dispute_again_keeps_the_first(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.allow_dispute(&Dispute { mailbox: "other@example.org".to_owned(), ..one.clone() }).await);
    assert!(done(store.dispute(&one.id).await) == Some(one.clone()));
    assert!(done(store.dispute(&JobId::new("other")).await).is_none());
    assert!(mailbox(&store, &ann.id, 0).await.is_none(), "no dispute is open");
}

pub async fn a_dispute_updates_account_tickets_and_jobs_together(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let (anns, bobs) =
        (issued(&store, ticket(&ann, "anns")).await, issued(&store, ticket(&bob, "bobs")).await);
    let one = allowed(&store, &ann, "one").await;
    let webhook = Job { kind: JobKind::Webhook { account: ann.id.clone() }, ..job("webhook", "unused") };
    assert!(done(try_open(&store, &one, &[webhook], at(10)).await));
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("an unknown hash"));
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
    assert_eq!(state(&store, &anns, at(10)).await, TicketState::Void);
    assert_eq!(state(&store, &bobs, at(10)).await, TicketState::Live);
    assert_eq!(done(claim_any(&store, 10, at(10), at(60)).await).len(), 1);
    assert_eq!(done(store.dispute(&one.id).await).expect("stored").opened_at, Some(at(10)));
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("ann@example.org"));
    assert!(mailbox(&store, &ann.id, 10).await.is_none(), "since is excluded");
    assert!(mailbox(&store, &bob.id, 0).await.is_none());
}

pub async fn a_dispute_opens_once_and_only_before_its_deadline(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let (one, late) = (allowed(&store, &ann, "one").await, allowed(&store, &ann, "late").await);
    assert!(open(&store, &one, at(10)).await);
    assert!(!open(&store, &one, at(11)).await);
    assert!(!open(&store, &late, at(1000)).await, "its deadline has passed");
    assert!(!open(&store, &dispute(&ann, "unknown"), at(10)).await);
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn one_of_twenty_parallel_disputes_opens(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (store, one) = (store.clone(), one.clone());
            tokio::spawn(async move { open(&store, &one, at(1)).await })
        })
        .collect();
    let mut winners = 0;
    for one in all {
        winners += usize::from(one.await.expect("the task does not panic"));
    }
    assert_eq!(winners, 1);
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn a_failed_dispute_changes_nothing(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.push(&job("taken", "bob")).await);
    assert!(try_open(&store, &one, &[job("taken", "ann")], at(1)).await.is_err());
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("the first hash"));
    assert!(open(&store, &one, at(2)).await);
}

pub async fn a_dispute_opens_for_a_blocked_account_too(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.set_blocked(&address("ann"), true, &happened(at(1))).await);
    assert!(open(&store, &one, at(2)).await);
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("an unknown hash"));
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn an_account_is_found_by_the_mailbox_of_its_dispute(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = Dispute { mailbox: "then@example.org".to_owned(), ..dispute(&ann, "one") };
    done(store.allow_dispute(&one).await);
    let found = async |mailbox: &str, since: i64| done(store.account_of_dispute(mailbox, at(since)).await);
    assert_eq!(found("then@example.org", 0).await, None, "no dispute is open");
    assert!(open(&store, &one, at(10)).await);
    assert_eq!(found("then@example.org", 9).await, Some(ann.id.clone()));
    assert_eq!(found("then@example.org", 10).await, None);
    assert_eq!(found("ann@example.org", 0).await, None);
    closed(&store, &ann.id, 11).await;
    assert_eq!(found("then@example.org", 0).await, None);
}

/// Otherwise the holder of the account's current address could reset the password right after the owner did.
pub async fn a_reset_by_another_address_leaves_the_dispute_open(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = Dispute { mailbox: "then@example.org".to_owned(), ..dispute(&ann, "one") };
    done(store.allow_dispute(&one).await);
    assert!(open(&store, &one, at(1)).await);
    reset(&store, &ann, 2).await;
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("then@example.org"));
}

pub async fn a_reset_closes_the_disputes_of_its_account(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    for owner in [&ann, &bob] {
        let one = allowed(&store, owner, owner.id.as_str()).await;
        assert!(open(&store, &one, at(1)).await);
    }
    reset(&store, &ann, 2).await;
    assert!(mailbox(&store, &ann.id, 0).await.is_none());
    assert!(mailbox(&store, &bob.id, 0).await.is_some());
}

/// Stores the dispute links of two notices: an older one to Ann, and a newer one to the address that Eve gave the
/// account.
async fn dispute_links_of_ann_and_eve(store: &Arc<dyn Store>) -> (Account, Dispute, Dispute) {
    let ann = account(store, "ann").await;
    let anns = Dispute { until: at(1000), ..dispute(&ann, "anns") };
    let eves = Dispute { mailbox: "eve@example.net".to_owned(), until: at(2000), ..dispute(&ann, "eves") };
    done(store.allow_dispute(&anns).await);
    done(store.allow_dispute(&eves).await);
    (ann, anns, eves)
}

pub async fn a_dispute_from_an_older_notice_ends_newer_ones_of_other_mailboxes(store: Arc<dyn Store>) {
    let (ann, anns, eves) = dispute_links_of_ann_and_eve(&store).await;
    assert!(open(&store, &eves, at(1)).await);
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("eve@example.net"));
    assert!(open(&store, &anns, at(2)).await);
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("ann@example.org"));
    assert_eq!(done(store.account_of_dispute("eve@example.net", at(0)).await), None);
    closed(&store, &ann.id, 3).await;
    assert_eq!(mailbox(&store, &ann.id, 0).await, None, "Eve's dispute has ended, too");
}

pub async fn a_dispute_from_a_newer_notice_does_not_open_while_an_older_one_is_open(store: Arc<dyn Store>) {
    let (ann, anns, eves) = dispute_links_of_ann_and_eve(&store).await;
    assert!(open(&store, &anns, at(1)).await);
    assert!(!open(&store, &eves, at(2)).await);
    closed(&store, &ann.id, 3).await;
    assert!(!open(&store, &eves, at(4)).await, "its link has ended");
}

pub async fn an_administrator_closes_a_dispute(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    assert_eq!(closed(&store, &ann.id, 1).await, ClosedDisputes::default(), "no dispute is open yet");
    assert!(open(&store, &one, at(1)).await);
    assert_eq!(closed(&store, &ann.id, 2).await, ClosedDisputes { disputes: 1, links: 0 });
    assert_eq!(closed(&store, &ann.id, 3).await, ClosedDisputes::default());
    assert!(mailbox(&store, &ann.id, 0).await.is_none());
}

/// Otherwise a former owner takes the account back with a link of that time.
pub async fn closing_disputes_ends_the_unused_links_of_former_addresses(store: Arc<dyn Store>) {
    let (ann, anns, eves) = dispute_links_of_ann_and_eve(&store).await;
    assert_eq!(closed(&store, &ann.id, 1).await, ClosedDisputes { disputes: 0, links: 1 });
    assert!(!open(&store, &eves, at(2)).await);
    assert!(open(&store, &anns, at(2)).await, "the present address keeps its link");
}

pub async fn a_reset_that_closes_a_dispute_ends_the_unused_links_of_other_mailboxes(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    // Eve had the account first, and Ann, who has it now, disputes a later reset.
    let eves = Dispute { mailbox: "eve@example.net".to_owned(), until: at(500), ..dispute(&ann, "eves") };
    let anns = dispute(&ann, "anns");
    done(store.allow_dispute(&eves).await);
    done(store.allow_dispute(&anns).await);
    assert!(open(&store, &anns, at(1)).await);
    reset(&store, &ann, 2).await;
    assert!(!open(&store, &eves, at(3)).await);
}

/// Otherwise an attacker who changed the address would end the owner's way back with a reset of his own.
pub async fn a_reset_without_a_dispute_leaves_the_links_of_other_mailboxes(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let then = Dispute { mailbox: "then@example.org".to_owned(), ..dispute(&ann, "then") };
    done(store.allow_dispute(&then).await);
    reset(&store, &ann, 1).await;
    assert!(open(&store, &then, at(2)).await);
}

pub async fn an_administrator_ends_every_unused_dispute_link(store: Arc<dyn Store>) {
    let (ann, anns, eves) = dispute_links_of_ann_and_eve(&store).await;
    let bob = account(&store, "bob").await;
    let bobs = allowed(&store, &bob, "bobs").await;
    let event = happened(at(1)).of(&ann.id);
    assert_eq!(done(store.void_dispute_links(&ann.id, &event).await), 2);
    assert_eq!(done(store.void_dispute_links(&ann.id, &event).await), 0);
    for ended in [&anns, &eves] {
        assert!(!open(&store, ended, at(2)).await);
    }
    assert!(open(&store, &bobs, at(2)).await);
}

pub async fn purge_removes_expired_disputes(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let (opened, unopened) = (allowed(&store, &ann, "opened").await, allowed(&store, &ann, "unopened").await);
    assert!(open(&store, &opened, at(999)).await);
    done(store.purge(at(1000)).await);
    assert!(done(store.dispute(&unopened.id).await).is_some());
    done(store.purge(at(1001)).await);
    assert!(done(store.dispute(&unopened.id).await).is_none());
    assert_eq!(
        mailbox(&store, &ann.id, 0).await.as_deref(),
        Some("ann@example.org"),
        "the open dispute is kept"
    );
    let expired_at = at(999).plus(DISPUTE_LIFE);
    done(store.purge(expired_at).await);
    assert!(done(store.dispute(&opened.id).await).is_some());
    done(store.purge(expired_at.plus(std::time::Duration::from_millis(1))).await);
    assert!(done(store.dispute(&opened.id).await).is_none());
}
