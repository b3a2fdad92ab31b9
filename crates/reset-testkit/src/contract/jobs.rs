//! The contract of [`Jobs`](reset_core::ports::Jobs) and of [`purge`](reset_core::ports::Store::purge).

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{account, address, at, claim_any, done, happened, issued, job, state, stored, ticket, until};
use reset_core::{
    account::{AccountId, StoredAddress},
    job::{Job, JobId, JobKind, Outcome},
    ports::{Postponement, Store},
    ticket::{Ticket, TicketState},
    time::Timestamp,
    turns::NetworkBlock,
};

async fn push(store: &Arc<dyn Store>, id: &str, name: &str) {
    done(store.push(&job(id, name)).await);
}

/// Claims up to ten jobs for a minute.
async fn jobs(store: &Arc<dyn Store>, now: Timestamp) -> Vec<Job> {
    done(claim_any(store, 10, now, now.plus(Duration::from_secs(60))).await)
}

/// Claims up to ten jobs for a minute and returns their ids.
async fn claim(store: &Arc<dyn Store>, now: Timestamp) -> Vec<String> {
    ids(&jobs(store, now).await)
}

fn ids(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.id.as_str().to_owned()).collect()
}

async fn finish(store: &Arc<dyn Store>, id: &str, now: Timestamp) {
    done(store.finish(&JobId::new(id), Outcome::Mailed, "250", None, &happened(now)).await);
}

async fn postpone(store: &Arc<dyn Store>, job: &Job, due_at: Timestamp) {
    done(store.postpone(job, until(due_at), Some(&happened(at(0)))).await);
}

pub async fn a_job_is_claimed_as_it_was_pushed(store: Arc<dyn Store>) {
    let redirect_to = Some("https://example.org/?a='\"".to_owned());
    let reset = Job {
        kind: JobKind::Reset { email: address("ann"), redirect_to, locale: Some("de-CH".to_owned()) },
        network: Some(NetworkBlock::stored(1 << 48)),
        turn: 7,
        ..job("reset", "ann")
    };
    let notice = Job {
        kind: JobKind::Notice {
            account: AccountId::new("any key"),
            to: StoredAddress::new("Ann@B.C"),
            locale: Some("ja".to_owned()),
        },
        ..job("notice", "ann")
    };
    done(store.push(&reset).await);
    done(store.push(&notice).await);
    let claimed = done(claim_any(&store, 10, at(0), at(60)).await);
    assert!(claimed[0].seq > 0 && claimed[1].seq > claimed[0].seq);
    let expected = [
        Job { seq: claimed[0].seq, claims: 1, attempts: 1, ..reset },
        Job { seq: claimed[1].seq, claims: 1, attempts: 1, ..notice },
    ];
    assert_eq!(claimed, expected);
}

pub async fn jobs_are_claimed_in_turn_and_within_a_turn_in_request_order(store: Arc<dyn Store>) {
    for (id, turn) in [("late", 9), ("c", 1), ("a", 1), ("first", 0), ("b", 1)] {
        done(store.push(&Job { turn, ..job(id, id) }).await);
    }
    for expected in ["first", "c", "a", "b", "late"] {
        assert_eq!(ids(&done(store.claim_accepted(1, at(0), at(60)).await)), [expected]);
    }
}

pub async fn a_duplicate_job_id_is_rejected(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    assert!(store.push(&job("one", "bob")).await.is_err());
    assert_eq!(claim(&store, at(0)).await, ["one"]);
}

pub async fn a_claimed_job_is_claimed_again_only_after_its_lease_was_reclaimed(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    assert_eq!(claim(&store, at(0)).await, ["one"]);
    assert!(claim(&store, at(59)).await.is_empty());
    assert!(done(store.claim_accepted(10, at(60), at(120)).await).is_empty());
    let again = done(claim_any(&store, 10, at(60), at(120)).await);
    assert_eq!((again.len(), again[0].claims, again[0].attempts, again[0].lost), (1, 2, 2, 1));
}

pub async fn parallel_claims_hand_out_each_job_once(store: Arc<dyn Store>) {
    for number in 0..30 {
        push(&store, &format!("job {number}"), &format!("name{number}")).await;
    }
    let all: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { done(claim_any(&store, 5, at(0), at(60)).await) })
        })
        .collect();
    let mut claimed = Vec::new();
    for one in all {
        claimed.extend(one.await.expect("the task does not panic").into_iter().map(|job| job.id));
    }
    assert_eq!(claimed.len(), 30);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 30);
}

pub async fn only_the_leases_of_claimed_jobs_are_renewed(store: Arc<dyn Store>) {
    push(&store, "claimed", "ann").await;
    push(&store, "forgotten", "cleo").await;
    assert_eq!(claim(&store, at(0)).await, ["claimed", "forgotten"]);
    push(&store, "waiting", "bob").await;
    done(store.renew(&[JobId::new("claimed"), JobId::new("waiting")], at(120)).await);
    assert_eq!(claim(&store, at(60)).await, ["forgotten", "waiting"]);
    assert!(claim(&store, at(119)).await.is_empty());
    assert_eq!(claim(&store, at(120)).await, ["claimed", "forgotten", "waiting"]);
}

pub async fn a_postponed_job_is_due_at_its_new_time(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    let one = jobs(&store, at(0)).await.remove(0);
    postpone(&store, &one, at(5)).await;
    assert!(claim(&store, at(4)).await.is_empty());
    let again = done(claim_any(&store, 10, at(5), at(60)).await);
    assert_eq!((again.len(), again[0].attempts), (1, 2));
}

pub async fn only_a_delay_that_counts_is_an_attempt(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    let busy = Postponement { counts: false, ..until(at(1)) };
    let unsure = Postponement { unconfirmed: true, ..until(at(2)) };
    for (now, delay, attempts, unconfirmed) in
        [(0, busy, 1, 0), (1, unsure, 1, 0), (2, busy, 2, 1), (3, busy, 2, 1)]
    {
        let one = jobs(&store, at(now)).await.remove(0);
        assert_eq!((one.attempts, one.unconfirmed), (attempts, unconfirmed));
        done(store.postpone(&one, delay, None).await);
    }
}

pub async fn a_worker_that_lost_its_claim_changes_nothing(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    let lost = jobs(&store, at(0)).await.remove(0);
    let held = jobs(&store, at(60)).await.remove(0);
    postpone(&store, &lost, at(61)).await;
    done(store.make_ready(&lost, 0).await);
    assert!(claim(&store, at(119)).await.is_empty());
    postpone(&store, &held, at(100)).await;
    assert_eq!(claim(&store, at(119)).await, ["one"]);
}

pub async fn a_ready_job_waits_for_a_sending_slot(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    let one = done(store.claim_accepted(1, at(0), at(60)).await).remove(0);
    done(store.make_ready(&one, 5).await);
    assert!(done(store.claim_accepted(1, at(0), at(60)).await).is_empty());
    let ready = done(store.claim_ready(1, 0, at(0), at(60)).await).remove(0);
    assert_eq!(ready, Job { claims: 2, turn: 5, ..one });
    // A worker that is lost while it sends leaves the job where it was.
    done(store.reclaim(at(60)).await);
    assert!(done(store.claim_accepted(1, at(60), at(120)).await).is_empty());
    assert_eq!(ids(&done(store.claim_ready(1, 0, at(60), at(120)).await)), ["one"]);
}

pub async fn ready_jobs_are_claimed_before_postponed_ones_but_for_a_share(store: Arc<dyn Store>) {
    for (id, turn) in [("old", 0), ("older", 0), ("fresh", 3), ("first", 2)] {
        push(&store, id, id).await;
        let job = done(store.claim_accepted(1, at(0), at(60)).await).remove(0);
        if turn == 0 {
            postpone(&store, &job, at(if id == "old" { 2 } else { 1 })).await;
        } else {
            done(store.make_ready(&job, turn).await);
        }
    }
    let claim = async |limit, retries| ids(&done(store.claim_ready(limit, retries, at(9), at(60)).await));
    assert_eq!(claim(1, 0).await, ["first"]);
    assert_eq!(claim(2, 1).await, ["older", "fresh"]);
    assert_eq!(claim(2, 0).await, ["old"]);
}

pub async fn a_finished_job_is_never_claimed_again(store: Arc<dyn Store>) {
    push(&store, "one", "ann").await;
    let one = jobs(&store, at(0)).await.remove(0);
    finish(&store, "one", at(1)).await;
    postpone(&store, &one, at(2)).await;
    done(store.make_ready(&one, 0).await);
    done(store.release(at(3)).await);
    assert!(claim(&store, at(1000)).await.is_empty());
    assert_eq!(done(store.backlog().await).waiting, 0);
}

pub async fn release_makes_every_unfinished_job_due(store: Arc<dyn Store>) {
    for (id, name) in [("claimed", "ann"), ("postponed", "bob")] {
        push(&store, id, name).await;
    }
    let postponed = jobs(&store, at(0)).await.remove(1);
    postpone(&store, &postponed, at(900)).await;
    done(store.release(at(1)).await);
    let due = jobs(&store, at(1)).await;
    assert_eq!(ids(&due), ["claimed", "postponed"]);
    assert_eq!((due[0].lost, due[1].lost), (1, 0));
}

pub async fn a_clock_that_was_set_back_delays_no_job(store: Arc<dyn Store>) {
    let hours = |hours: i64| at(hours * 3600);
    for (id, name) in [("accepted", "ann"), ("claimed", "bob"), ("postponed", "cleo")] {
        done(store.push(&Job { created_at: hours(5), ..job(id, name) }).await);
    }
    let claimed = done(store.claim_accepted(3, hours(5), hours(5)).await);
    done(store.make_ready(&claimed[0], 0).await);
    postpone(&store, &claimed[2], hours(5)).await;
    assert_eq!(claim(&store, hours(1)).await, ["accepted", "claimed", "postponed"]);
}

pub async fn the_oldest_waiting_job_is_neither_claimed_nor_postponed(store: Arc<dyn Store>) {
    assert_eq!(done(store.oldest_waiting().await), None);
    for (id, created_at) in [("one", at(1)), ("two", at(2)), ("three", at(3))] {
        done(store.push(&Job { created_at, ..job(id, id) }).await);
    }
    assert_eq!(done(store.oldest_waiting().await), Some(at(1)));
    let claimed = done(store.claim_accepted(2, at(4), at(60)).await);
    assert_eq!(done(store.oldest_waiting().await), Some(at(3)));
    done(store.make_ready(&claimed[1], 0).await);
    assert_eq!(done(store.oldest_waiting().await), Some(at(2)));
    postpone(&store, &claimed[0], at(5)).await;
    assert_eq!(done(store.oldest_waiting().await), Some(at(2)));
}

pub async fn a_job_waits_while_another_one_for_its_address_is_claimed(store: Arc<dyn Store>) {
    for id in ["first", "second", "third"] {
        push(&store, id, "ann").await;
    }
    push(&store, "other", "bob").await;
    assert_eq!(ids(&done(store.claim_accepted(2, at(0), at(60)).await)), ["first", "other"]);
    assert!(claim(&store, at(1)).await.is_empty());
    assert_eq!(claim(&store, at(60)).await, ["first", "other"]);
    finish(&store, "first", at(61)).await;
    assert_eq!(claim(&store, at(61)).await, ["second"]);
    finish(&store, "second", at(62)).await;
    assert_eq!(claim(&store, at(62)).await, ["third"]);
}

pub async fn a_job_overtakes_a_postponed_one(store: Arc<dyn Store>) {
    push(&store, "first", "ann").await;
    push(&store, "second", "ann").await;
    let first = jobs(&store, at(0)).await.remove(0);
    postpone(&store, &first, at(10)).await;
    let second = jobs(&store, at(1)).await.remove(0);
    assert_eq!(second.id.as_str(), "second");
    assert!(claim(&store, at(10)).await.is_empty(), "the later job is being sent");
    // The earlier one goes on: `issue` reports that its ticket is superseded.
    finish(&store, "second", at(11)).await;
    assert_eq!(claim(&store, at(11)).await, ["first"]);
}

pub async fn jobs_to_other_addresses_and_dialects_do_not_wait(store: Arc<dyn Store>) {
    push(&store, "ann", "ann").await;
    push(&store, "bob", "bob").await;
    done(store.push(&Job { dialect: "other".to_owned(), ..job("other", "ann") }).await);
    assert_eq!(claim(&store, at(0)).await, ["ann", "bob", "other"]);
}

pub async fn notices_do_not_wait_for_each_other(store: Arc<dyn Store>) {
    for id in ["one", "two"] {
        let to = StoredAddress::new("a@b.c");
        let kind = JobKind::Notice { account: AccountId::new("1"), to, locale: None };
        done(store.push(&Job { kind, ..job(id, "unused") }).await);
    }
    assert_eq!(claim(&store, at(0)).await, ["one", "two"]);
}

async fn accept(store: &Arc<dyn Store>, ticket: &Ticket, end: Timestamp, now: Timestamp) {
    push(store, ticket.job.as_str(), "ann").await;
    claim(store, now).await;
    done(store.finish(&ticket.job, Outcome::Mailed, "250", Some((&ticket.id, end)), &happened(now)).await);
    assert_eq!(done(store.backlog().await).waiting, 0, "finished");
}

pub async fn an_accepted_mail_starts_the_clock_of_a_live_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    accept(&store, &one, at(900), at(300)).await;
    assert!(stored(&store, &one).await == Ticket { expires_at: at(900), ..one });
}

/// A mail server that takes ten minutes to reply would otherwise deliver dead codes.
pub async fn a_mail_that_was_accepted_late_starts_the_clock_of_its_expired_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let expired = issued(&store, ticket(&ann, "expired")).await;
    accept(&store, &expired, at(1200), at(600)).await;
    assert_eq!(state(&store, &expired, at(1199)).await, TicketState::Live);
}

pub async fn an_accepted_mail_revives_no_void_ticket(store: Arc<dyn Store>) {
    let bob = account(&store, "bob").await;
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
    // `edge` expires at exactly 20, the others at 10 but for the token and the latest ticket. A ticket that was spent or
    // voided is kept until it expires.
    let expired = issued(&store, in_dialect("expired", at(10))).await;
    let edge = issued(&store, in_dialect("edge", at(20))).await;
    let spent = issued(&store, in_dialect("spent", at(10))).await;
    let token = Ticket {
        id: super::TicketId::new("token"),
        job: JobId::new("token"),
        expires_at: at(900),
        ..spent.clone()
    };
    assert!(done(store.exchange(&spent.id, &token, &happened(at(5))).await));
    let void = issued(&store, in_dialect("void", at(10))).await;
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
