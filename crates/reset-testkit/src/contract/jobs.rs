//! The contract of [`Jobs`](reset_core::ports::Jobs) and of [`purge`](reset_core::ports::Store::purge).

use std::{collections::HashSet, sync::Arc};

use super::{account, address, at, done, happened, issued, job, state, stored, ticket};
use reset_core::{
    account::{AccountId, StoredAddress},
    job::{Job, JobId, JobKind, Outcome},
    ports::Store,
    ticket::{Ticket, TicketState},
    time::Timestamp,
};

async fn push(store: &Arc<dyn Store>, id: &str, name: &str) {
    done(store.push(&job(id, name)).await);
}

/// Claims up to ten jobs for a minute and returns their ids.
async fn claim(store: &Arc<dyn Store>, now: Timestamp) -> Vec<String> {
    let claimed = done(store.claim(10, now, now.plus(std::time::Duration::from_secs(60))).await);
    claimed.iter().map(|job| job.id.as_str().to_owned()).collect()
}

async fn finish(store: &Arc<dyn Store>, id: &str, now: Timestamp) {
    done(store.finish(&JobId::new(id), Outcome::Mailed, "250", None, &happened(now)).await);
}

/// Postpones a job that was claimed once.
async fn postpone(store: &Arc<dyn Store>, id: &str, due_at: Timestamp) {
    done(store.postpone(&JobId::new(id), 1, due_at, "451 4.7.1", Some(&happened(at(0)))).await);
}

pub async fn a_job_is_claimed_as_it_was_pushed(store: Arc<dyn Store>) {
    let redirect_to = Some("https://example.org/?a='\"".to_owned());
    let reset = Job {
        kind: JobKind::Reset { email: address("ann"), redirect_to, locale: Some("de-CH".to_owned()) },
        ..job("reset", "ann")
    };
    let notice = Job {
        kind: JobKind::Notice { account: AccountId::new("any key"), to: StoredAddress::new("Ann@B.C") },
        ..job("notice", "ann")
    };
    done(store.push(&reset).await);
    done(store.push(&notice).await);
    let claimed = done(store.claim(10, at(0), at(60)).await);
    assert!(claimed[0].seq > 0 && claimed[1].seq > claimed[0].seq);
    let expected = [
        Job { seq: claimed[0].seq, attempts: 1, ..reset },
        Job { seq: claimed[1].seq, attempts: 1, ..notice },
    ];
    assert_eq!(claimed, expected);
}

pub async fn jobs_are_claimed_in_the_order_of_the_requests(store: Arc<dyn Store>) {
    for (id, name) in [("c", "cleo"), ("a", "ann"), ("d", "dave"), ("b", "bob")] {
        push(&store, id, name).await;
    }
    // Postponed and due again, it is still the earliest request.
    assert_eq!(done(store.claim(1, at(0), at(60)).await)[0].id.as_str(), "c");
    postpone(&store, "c", at(1)).await;
    let first = done(store.claim(3, at(1), at(60)).await);
    assert_eq!(first.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["c", "a", "d"]);
    assert_eq!(claim(&store, at(1)).await, ["b"]);
}

pub async fn a_duplicate_job_id_is_rejected(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    assert!(store.push(&job("one", "bob")).await.is_err());
    assert_eq!(claim(&store, at(0)).await, ["one"]);
}

pub async fn a_claimed_job_is_not_claimed_again_until_its_lease_expires(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    assert_eq!(claim(&store, at(0)).await, ["one"]);
    assert!(claim(&store, at(59)).await.is_empty());
    let again = done(store.claim(10, at(60), at(120)).await);
    assert_eq!((again.len(), again[0].attempts), (1, 2));
}

pub async fn parallel_claims_hand_out_each_job_once(store: Arc<dyn Store>) {
    for number in 0..30 {
        push(&store, &format!("job {number}"), &format!("name{number}")).await;
    }
    let all: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { done(store.claim(5, at(0), at(60)).await) })
        })
        .collect();
    let mut claimed = Vec::new();
    for one in all {
        claimed.extend(one.await.expect("the task does not panic").into_iter().map(|job| job.id));
    }
    assert_eq!(claimed.len(), 30);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 30);
}

pub async fn a_job_is_not_claimed_before_it_is_due(store: Arc<dyn Store>) {
    done(store.push(&Job { created_at: at(10), ..job("one", "ann") }).await);
    assert!(claim(&store, at(9)).await.is_empty());
    assert_eq!(claim(&store, at(10)).await, ["one"]);
}

pub async fn only_the_lease_of_a_claimed_job_is_renewed(store: Arc<dyn Store>) {
    push(&store, "claimed", "ann").await;
    assert_eq!(claim(&store, at(0)).await, ["claimed"]);
    push(&store, "waiting", "bob").await;
    for (id, attempts) in [("claimed", 1), ("waiting", 0)] {
        done(store.renew(&JobId::new(id), attempts, at(500)).await);
    }
    assert_eq!(claim(&store, at(499)).await, ["waiting"]);
    assert_eq!(claim(&store, at(500)).await, ["claimed"]);
}

pub async fn a_postponed_job_is_due_at_its_new_time(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    claim(&store, at(0)).await;
    postpone(&store, "one", at(5)).await;
    assert_eq!(done(store.next_due().await), Some(at(5)));
    assert!(claim(&store, at(4)).await.is_empty());
    let again = done(store.claim(10, at(5), at(60)).await);
    assert_eq!((again.len(), again[0].attempts), (1, 2));
}

pub async fn a_worker_with_an_expired_lease_can_neither_postpone_nor_renew(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    claim(&store, at(0)).await;
    assert_eq!(claim(&store, at(60)).await, ["one"], "another worker has it now");
    postpone(&store, "one", at(70)).await;
    done(store.renew(&JobId::new("one"), 1, at(500)).await);
    assert_eq!(done(store.next_due().await), Some(at(120)));
    assert!(claim(&store, at(119)).await.is_empty());
    assert_eq!(claim(&store, at(120)).await, ["one"]);
}

pub async fn a_finished_job_is_never_claimed_again(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    claim(&store, at(0)).await;
    finish(&store, "one", at(1)).await;
    postpone(&store, "one", at(2)).await;
    done(store.release(at(3)).await);
    assert!(claim(&store, at(1000)).await.is_empty());
    assert_eq!(done(store.next_due().await), None);
}

pub async fn release_makes_every_unfinished_job_due(store: Arc<dyn Store>) {
    for (id, name) in [("claimed", "ann"), ("postponed", "bob")] {
        push(&store, id, name).await;
    }
    claim(&store, at(0)).await;
    postpone(&store, "postponed", at(900)).await;
    done(store.release(at(1)).await);
    assert_eq!(done(store.next_due().await), Some(at(1)));
    assert_eq!(claim(&store, at(1)).await, ["claimed", "postponed"]);
}

pub async fn a_job_waits_for_an_earlier_job_to_the_same_address(store: Arc<dyn Store>) {
    for id in ["first", "second", "third"] {
        push(&store, id, "ann").await;
    }
    // It waits while the first job is due, while that is claimed, and while that is due again.
    assert_eq!(claim(&store, at(0)).await, ["first"]);
    assert!(claim(&store, at(1)).await.is_empty());
    assert_eq!(claim(&store, at(60)).await, ["first"]);
    finish(&store, "first", at(61)).await;
    assert_eq!(claim(&store, at(61)).await, ["second"]);
    finish(&store, "second", at(62)).await;
    assert_eq!(claim(&store, at(62)).await, ["third"]);
}

pub async fn a_job_overtakes_a_postponed_one(store: Arc<dyn Store>) {
    push(&store, "first", "ann").await;
    push(&store, "second", "ann").await;
    claim(&store, at(0)).await;
    postpone(&store, "first", at(10)).await;
    assert_eq!(claim(&store, at(1)).await, ["second"]);
    // The earlier job does not wait for the later one: `issue` reports later that its ticket is superseded.
    assert_eq!(claim(&store, at(10)).await, ["first"]);
}

pub async fn jobs_to_other_addresses_and_dialects_do_not_wait(store: Arc<dyn Store>) {
    push(&store, "ann", "ann").await;
    push(&store, "bob", "bob").await;
    done(store.push(&Job { dialect: "other".to_owned(), ..job("other", "ann") }).await);
    assert_eq!(claim(&store, at(0)).await, ["ann", "bob", "other"]);
}

pub async fn notices_do_not_wait_for_each_other(store: Arc<dyn Store>) {
    for id in ["one", "two"] {
        let kind = JobKind::Notice { account: AccountId::new("1"), to: StoredAddress::new("a@b.c") };
        done(store.push(&Job { kind, ..job(id, "unused") }).await);
    }
    assert_eq!(claim(&store, at(0)).await, ["one", "two"]);
}

/// A job that waits behind a claimed job does not count; otherwise the worker would poll in a busy loop.
pub async fn next_due_is_the_earliest_time_a_job_could_be_claimed(store: Arc<dyn Store>) {
    push(&store, "first", "ann").await;
    push(&store, "second", "ann").await;
    assert_eq!(done(store.next_due().await), Some(at(0)));
    claim(&store, at(0)).await;
    assert_eq!(done(store.next_due().await), Some(at(60)));
    postpone(&store, "first", at(30)).await;
    assert_eq!(done(store.next_due().await), Some(at(0)));
    assert_eq!(claim(&store, at(1)).await, ["second"]);
    assert_eq!(done(store.next_due().await), Some(at(30)));
}

async fn accept(store: &Arc<dyn Store>, ticket: &Ticket, end: Timestamp, now: Timestamp) {
    push(store, ticket.job.as_str(), "ann").await;
    claim(store, now).await;
    done(store.finish(&ticket.job, Outcome::Mailed, "250", Some((&ticket.id, end)), &happened(now)).await);
    assert_eq!(done(store.next_due().await), None, "finished");
}

pub async fn an_accepted_mail_starts_the_clock_of_a_live_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    accept(&store, &one, at(900), at(300)).await;
    assert!(stored(&store, &one).await == Ticket { expires_at: at(900), ..one });
}

pub async fn an_accepted_mail_revives_no_dead_ticket(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let expired = issued(&store, ticket(&ann, "expired")).await;
    accept(&store, &expired, at(1200), at(600)).await;
    assert_eq!(state(&store, &expired, at(600)).await, TicketState::Expired);
    let void = issued(&store, ticket(&bob, "void")).await;
    done(store.set_blocked(&address("bob"), true, &happened(at(1))).await);
    accept(&store, &void, at(1200), at(2)).await;
    assert_eq!(stored(&store, &void).await.expires_at, void.expires_at);
}

pub async fn purge_removes_only_rows_that_ended_before_the_cutoff(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let in_dialect = |dialect: &str, expires_at| {
        let dialect = dialect.to_owned();
        Ticket {
            expires_at,
            digest: super::digest(&dialect),
            ..Ticket { dialect: dialect.clone(), ..ticket(&ann, &dialect) }
        }
    };
    // `expired` ends at 10 and `edge` at exactly 20 by expiry, `spent` at 5 by an exchange, `void` at 4 by a later
    // ticket. The token of the exchange stays live.
    let expired = issued(&store, in_dialect("expired", at(10))).await;
    let edge = issued(&store, in_dialect("edge", at(20))).await;
    let spent = issued(&store, in_dialect("spent", at(900))).await;
    let token = Ticket { id: super::TicketId::new("token"), job: JobId::new("token"), ..spent.clone() };
    assert!(done(store.exchange(&spent.id, &token, &happened(at(5))).await));
    let void = issued(&store, in_dialect("void", at(900))).await;
    let late = Ticket { job_seq: 2, issued_at: at(4), ..ticket(&ann, "late") };
    let late = issued(&store, Ticket { dialect: "void".to_owned(), ..late }).await;

    for (id, name) in [("early", "bob"), ("finished", "cleo"), ("pending", "dave")] {
        push(&store, id, name).await;
    }
    claim(&store, at(0)).await;
    finish(&store, "early", at(19)).await;
    finish(&store, "finished", at(20)).await;

    done(store.purge(at(20)).await);
    for removed in [&expired, &spent, &void] {
        assert!(done(store.ticket_of(&removed.job).await).is_none(), "{}", removed.id.as_str());
    }
    for kept in [&edge, &token, &late] {
        assert!(done(store.ticket_of(&kept.job).await).is_some(), "{}", kept.id.as_str());
    }
    assert!(done(store.account(&ann.id).await).is_some());
    assert_eq!(claim(&store, at(60)).await, ["pending"]);
    // An id can be reused only after its job is purged.
    assert!(store.push(&job("early", "bob")).await.is_ok());
    assert!(store.push(&job("finished", "cleo")).await.is_err());
}
