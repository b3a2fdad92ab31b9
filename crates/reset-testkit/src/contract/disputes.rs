//! The contract of [`Disputes`](reset_core::ports::Disputes).

use std::sync::Arc;

use super::{account, address, at, done, happened, issued, job, state, ticket};
use reset_core::{
    account::{Account, AccountId},
    dispute::{DISPUTE_LIFE, Dispute, DisputeOpening},
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

async fn try_object(
    store: &Arc<dyn Store>,
    dispute: &Dispute,
    jobs: &[Job],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let event = happened(now);
    store
        .open_dispute(DisputeOpening { dispute, password_hash: "nobody knows", jobs, event: &event, now })
        .await
}

async fn open(store: &Arc<dyn Store>, dispute: &Dispute, now: Timestamp) -> bool {
    done(try_object(store, dispute, &[], now).await)
}

async fn mailbox(store: &Arc<dyn Store>, id: &AccountId, since: i64) -> Option<String> {
    done(store.mailbox_of_disputes(id, at(since)).await)
}

/// A right to object that is stored.
async fn allowed(store: &Arc<dyn Store>, account: &Account, id: &str) -> Dispute {
    let dispute = dispute(account, id);
    done(store.allow_dispute(&dispute).await);
    dispute
}

pub async fn the_right_to_object_is_stored_once(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.allow_dispute(&Dispute { mailbox: "other@example.org".to_owned(), ..one.clone() }).await);
    assert!(done(store.dispute(&one.id).await) == Some(one.clone()));
    assert!(done(store.dispute(&JobId::new("other")).await).is_none());
    assert!(mailbox(&store, &ann.id, 0).await.is_none(), "nobody objected");
}

pub async fn a_dispute_changes_everything_at_once(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let (anns, bobs) =
        (issued(&store, ticket(&ann, "anns")).await, issued(&store, ticket(&bob, "bobs")).await);
    let one = allowed(&store, &ann, "one").await;
    let webhook = Job { kind: JobKind::Webhook { account: ann.id.clone() }, ..job("webhook", "unused") };
    assert!(done(try_object(&store, &one, &[webhook], at(10)).await));
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("nobody knows"));
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
    assert_eq!(state(&store, &anns, at(10)).await, TicketState::Void);
    assert_eq!(state(&store, &bobs, at(10)).await, TicketState::Live);
    assert_eq!(done(store.claim(10, at(10), at(60)).await).len(), 1);
    assert_eq!(done(store.dispute(&one.id).await).expect("stored").opened_at, Some(at(10)));
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("ann@example.org"));
    assert!(mailbox(&store, &ann.id, 10).await.is_none(), "since is excluded");
    assert!(mailbox(&store, &bob.id, 0).await.is_none());
}

pub async fn a_dispute_is_raised_once_and_in_its_time(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let (one, late) = (allowed(&store, &ann, "one").await, allowed(&store, &ann, "late").await);
    assert!(open(&store, &one, at(10)).await);
    assert!(!open(&store, &one, at(11)).await);
    assert!(!open(&store, &late, at(1000)).await, "its time is over");
    assert!(!open(&store, &dispute(&ann, "unknown"), at(10)).await);
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn of_twenty_parallel_disputes_one_wins(store: Arc<dyn Store>) {
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
        winners += usize::from(one.await.expect("a task that ends"));
    }
    assert_eq!(winners, 1);
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn a_failed_dispute_changes_nothing(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.push(&job("taken", "bob")).await);
    assert!(try_object(&store, &one, &[job("taken", "ann")], at(1)).await.is_err());
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("the first hash"));
    assert!(open(&store, &one, at(2)).await);
}

pub async fn a_dispute_holds_for_a_blocked_account_too(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    done(store.set_blocked(&address("ann"), true, &happened(at(1))).await);
    assert!(open(&store, &one, at(2)).await);
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("nobody knows"));
    assert_eq!(done(store.account(&ann.id).await).expect("ann").epoch, ann.epoch + 1);
}

pub async fn an_account_is_found_by_the_mailbox_of_its_dispute(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = Dispute { mailbox: "then@example.org".to_owned(), ..dispute(&ann, "one") };
    done(store.allow_dispute(&one).await);
    let found = async |mailbox: &str, since: i64| done(store.account_of_dispute(mailbox, at(since)).await);
    assert_eq!(found("then@example.org", 0).await, None, "nobody objected");
    assert!(open(&store, &one, at(10)).await);
    assert_eq!(found("then@example.org", 9).await, Some(ann.id.clone()));
    assert_eq!(found("then@example.org", 10).await, None);
    assert_eq!(found("ann@example.org", 0).await, None);
    done(store.close_disputes(&ann.id, &happened(at(11))).await);
    assert_eq!(found("then@example.org", 0).await, None);
}

/// Else whoever has that address now could ask as soon as the owner has reset.
pub async fn a_dispute_outlasts_a_reset_while_the_account_has_another_address(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = Dispute { mailbox: "then@example.org".to_owned(), ..dispute(&ann, "one") };
    done(store.allow_dispute(&one).await);
    assert!(open(&store, &one, at(1)).await);
    let ann = done(store.account(&ann.id).await).expect("ann");
    let code = issued(&store, ticket(&ann, "code")).await;
    let event = happened(at(2));
    let redemption = PasswordChange {
        ticket: &code.id,
        account: &ann.id,
        password_hash: "the second hash",
        jobs: &[],
        event: &event,
        now: at(2),
    };
    assert!(done(store.redeem(redemption).await));
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("then@example.org"));
}

pub async fn a_reset_closes_the_disputes_of_its_account(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    for owner in [&ann, &bob] {
        let one = allowed(&store, owner, owner.id.as_str()).await;
        assert!(open(&store, &one, at(1)).await);
    }
    let ann = done(store.account(&ann.id).await).expect("ann");
    let code = issued(&store, ticket(&ann, "code")).await;
    let event = happened(at(2));
    let redemption = PasswordChange {
        ticket: &code.id,
        account: &ann.id,
        password_hash: "the second hash",
        jobs: &[],
        event: &event,
        now: at(2),
    };
    assert!(done(store.redeem(redemption).await));
    assert!(mailbox(&store, &ann.id, 0).await.is_none());
    assert!(mailbox(&store, &bob.id, 0).await.is_some());
}

/// Ann's notice is older than the one that Eve got at the address which she gave the account.
async fn anns_and_eves(store: &Arc<dyn Store>) -> (Account, Dispute, Dispute) {
    let ann = account(store, "ann").await;
    let anns = Dispute { until: at(1000), ..dispute(&ann, "anns") };
    let eves = Dispute { mailbox: "eve@example.net".to_owned(), until: at(2000), ..dispute(&ann, "eves") };
    done(store.allow_dispute(&anns).await);
    done(store.allow_dispute(&eves).await);
    (ann, anns, eves)
}

pub async fn an_older_notices_dispute_ends_the_younger_ones_of_other_mailboxes(store: Arc<dyn Store>) {
    let (ann, anns, eves) = anns_and_eves(&store).await;
    assert!(open(&store, &eves, at(1)).await);
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("eve@example.net"));
    assert!(open(&store, &anns, at(2)).await);
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("ann@example.org"));
    assert_eq!(done(store.account_of_dispute("eve@example.net", at(0)).await), None);
    done(store.close_disputes(&ann.id, &happened(at(3))).await);
    assert_eq!(mailbox(&store, &ann.id, 0).await, None, "nothing of Eve's is left behind it");
}

pub async fn a_younger_notices_dispute_is_not_raised_while_an_older_one_stands(store: Arc<dyn Store>) {
    let (ann, anns, eves) = anns_and_eves(&store).await;
    assert!(open(&store, &anns, at(1)).await);
    assert!(!open(&store, &eves, at(2)).await);
    done(store.close_disputes(&ann.id, &happened(at(3))).await);
    assert!(!open(&store, &eves, at(4)).await, "its link has ended");
}

pub async fn an_administrator_closes_a_dispute(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = allowed(&store, &ann, "one").await;
    assert!(!done(store.close_disputes(&ann.id, &happened(at(1))).await), "there is none yet");
    assert!(open(&store, &one, at(1)).await);
    assert!(done(store.close_disputes(&ann.id, &happened(at(2))).await));
    assert!(!done(store.close_disputes(&ann.id, &happened(at(3))).await));
    assert!(mailbox(&store, &ann.id, 0).await.is_none());
}

pub async fn purge_forgets_disputes_that_stand_no_longer(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let (raised, never) = (allowed(&store, &ann, "raised").await, allowed(&store, &ann, "never").await);
    assert!(open(&store, &raised, at(999)).await);
    done(store.purge(at(1000)).await);
    assert!(done(store.dispute(&never.id).await).is_some());
    done(store.purge(at(1001)).await);
    assert!(done(store.dispute(&never.id).await).is_none());
    assert_eq!(mailbox(&store, &ann.id, 0).await.as_deref(), Some("ann@example.org"), "it stands");
    let over = at(999).plus(DISPUTE_LIFE);
    done(store.purge(over).await);
    assert!(done(store.dispute(&raised.id).await).is_some());
    done(store.purge(over.plus(std::time::Duration::from_millis(1))).await);
    assert!(done(store.dispute(&raised.id).await).is_none());
}
