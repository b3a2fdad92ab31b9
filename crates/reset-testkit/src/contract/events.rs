//! The contract of [`Events`](reset_core::ports::Events), and which changes record an event.

use std::sync::Arc;

use super::{account, address, at, claim_any, digest, done, issued, job, ticket, until};
use reset_core::{
    account::AccountId,
    audit::{Broken, Mark, Sealer, Verified, verify},
    budget::{Budget, Window},
    event::{AddressTag, Event, EventKind, Network},
    job::{JobId, Outcome, Reference},
    keys::{HmacKey, Keyring, Keys},
    ports::{PasswordChange, Store},
    ticket::{Ticket, TicketId, TicketKind},
};

const REFERENCE: &str = "0123456789";

fn sealer() -> Sealer {
    Sealer::of(&Keys::new(&HmacKey::shared(&[7; 32])))
}

fn event(kind: EventKind, seconds: i64) -> Event {
    Event { reference: Some(Reference::stored(REFERENCE)), ..Event::new(kind, at(seconds)) }
}

/// Returns the kinds of all events with [`REFERENCE`], in the order of recording.
async fn kinds(store: &Arc<dyn Store>) -> Vec<EventKind> {
    done(store.trace(&Reference::stored(REFERENCE)).await).iter().map(|event| event.kind.clone()).collect()
}

/// Records `count` events, one second apart.
async fn record(store: &Arc<dyn Store>, count: i64) {
    for second in 0..count {
        done(store.record(&event(EventKind::Tried, second)).await);
    }
}

pub async fn an_event_is_read_back_as_it_was_written(store: Arc<dyn Store>) {
    let full = Event {
        dialect: "one".to_owned(),
        job: Some(JobId::new("job")),
        account: Some(AccountId::new("any key")),
        address: Some(AddressTag::stored("tag")),
        network: Some(Network::stored("2001:db8::/64")),
        detail: "451 4.7.1 '\"".to_owned(),
        ..event(EventKind::PutOff, 3)
    };
    let bare = event(EventKind::Done, 2);
    done(store.record(&full).await);
    done(store.record(&bare).await);
    done(store.record(&Event::new(EventKind::Tried, at(1))).await);
    let trace = done(store.trace(&Reference::stored(REFERENCE)).await);
    assert!(trace == [full.clone(), bare], "in the order of recording, not of time");
    assert!(done(store.trace(&Reference::stored("other")).await).is_empty());
    assert!(done(store.asked_with(&AddressTag::stored("tag"), 9).await) == [full]);
    assert!(done(store.asked_with(&AddressTag::stored("TAG"), 9).await).is_empty());
}

pub async fn every_kind_of_event_can_be_stored(store: Arc<dyn Store>) {
    for kind in EventKind::ALL {
        done(store.record(&event(kind, 0)).await);
    }
    assert_eq!(kinds(&store).await, EventKind::ALL);
}

pub async fn reset_requests_for_an_address_are_found_newest_first(store: Arc<dyn Store>) {
    for second in 0..5 {
        let address = Some(AddressTag::stored("tag"));
        done(store.record(&Event { address, ..event(EventKind::Accepted, second) }).await);
    }
    let found = done(store.asked_with(&AddressTag::stored("tag"), 2).await);
    assert_eq!(found.iter().map(|event| event.at).collect::<Vec<_>>(), [at(4), at(3)]);
}

pub async fn a_job_within_its_budget_is_recorded_as_accepted_and_beyond_it_as_limited(store: Arc<dyn Store>) {
    let requests = [Budget::shared("requests", &[Window::new(1, std::time::Duration::from_secs(60))])];
    let accepted = event(EventKind::Accepted, 0);
    assert!(done(store.push_within(&job("first", "ann"), &requests, &accepted).await));
    assert!(!done(store.push_within(&job("second", "ann"), &requests, &accepted).await));
    assert_eq!(kinds(&store).await, [EventKind::Accepted, EventKind::Limited]);
}

pub async fn each_step_of_a_job_is_recorded_once(store: Arc<dyn Store>) {
    done(store.push(&job("one", "ann")).await);
    let id = JobId::new("one");
    let claimed = done(claim_any(&store, 1, at(0), at(60)).await).remove(0);
    done(store.postpone(&claimed, until(at(1)), Some(&event(EventKind::PutOff, 0))).await);
    done(store.postpone(&claimed, until(at(1)), Some(&event(EventKind::Dead, 0))).await);
    done(claim_any(&store, 1, at(1), at(60)).await);
    done(store.finish(&id, Outcome::Mailed, "250", None, &event(EventKind::Mailed, 1)).await);
    done(store.finish(&id, Outcome::Mailed, "250", None, &event(EventKind::Ended, 2)).await);
    assert_eq!(kinds(&store).await, [EventKind::PutOff, EventKind::Mailed]);
}

pub async fn a_job_pushed_as_done_is_never_claimed_and_has_a_sequence_number(store: Arc<dyn Store>) {
    done(store.push(&job("before", "ann")).await);
    let seq = done(store.push_done(&job("linked", "ann"), Outcome::HandedOver, at(0)).await);
    done(store.push(&job("after", "bob")).await);
    let claimed = done(claim_any(&store, 10, at(0), at(60)).await);
    assert_eq!(claimed.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["before", "after"]);
    assert!(claimed[0].seq < seq && seq < claimed[1].seq);
}

pub async fn each_step_of_a_ticket_is_recorded_once(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let code = ticket(&ann, "code");
    done(store.issue(&code, None, &event(EventKind::Matched, 0)).await);
    // A second ticket of the same digest is not issued, and no event is recorded.
    let duplicate = Ticket { digest: digest("code"), ..ticket(&account(&store, "bob").await, "duplicate") };
    done(store.issue(&duplicate, None, &event(EventKind::Matched, 0)).await);
    let token = Ticket {
        id: TicketId::new("token"),
        job: JobId::new("token"),
        kind: TicketKind::Token,
        digest: digest("token"),
        ..code.clone()
    };
    assert!(done(store.exchange(&code.id, &token, &event(EventKind::Exchanged, 2)).await));
    assert!(!done(store.exchange(&code.id, &token, &event(EventKind::Exchanged, 2)).await));
    let set = event(EventKind::Done, 3);
    let redemption = || PasswordChange {
        ticket: &token.id,
        account: &ann.id,
        password_hash: "the second hash",
        jobs: &[],
        event: &set,
        now: at(3),
    };
    assert!(done(store.redeem(redemption()).await));
    assert!(!done(store.redeem(redemption()).await));
    let trace = done(store.trace(&Reference::stored(REFERENCE)).await);
    assert_eq!(
        trace.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(),
        [EventKind::Matched, EventKind::Exchanged, EventKind::Done]
    );
}

pub async fn a_block_is_recorded_with_its_account(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    done(store.set_blocked(&address("ann"), true, &event(EventKind::Blocked, 0)).await);
    done(store.set_blocked(&address("nobody"), true, &event(EventKind::Blocked, 0)).await);
    let trace = done(store.trace(&Reference::stored(REFERENCE)).await);
    assert_eq!(trace.len(), 1);
    assert_eq!(trace[0].account, Some(ann.id));
}

pub async fn a_ticket_keeps_its_reference(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    issued(&store, ticket(&ann, "one")).await;
    issued(&store, Ticket { reference: None, dialect: "old".to_owned(), ..ticket(&ann, "two") }).await;
    for (job, reference) in [("one", Some(Reference::stored(REFERENCE))), ("two", None)] {
        let stored = done(store.ticket_of(&JobId::new(job)).await).expect("a ticket");
        assert_eq!(stored.reference, reference);
    }
}

pub async fn events_are_sealed_once_in_order_and_without_gaps(store: Arc<dyn Store>) {
    record(&store, 5).await;
    assert_eq!(done(store.seal(&sealer(), 3).await), 3);
    assert_eq!(done(store.sealed(0, 100).await).len(), 3);
    assert_eq!(done(store.seal(&sealer(), 3).await), 2);
    assert_eq!(done(store.seal(&sealer(), 3).await), 0);
    record(&store, 1).await;
    assert_eq!(done(store.seal(&sealer(), 3).await), 1);
    let sealed = done(store.sealed(0, 100).await);
    assert_eq!(sealed.iter().map(|one| one.mark.place).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(done(verify(&*store, &sealer(), None).await), Ok(Verified { count: 6, end: sealed[5].mark }));
    assert!(done(store.sealed(4, 1).await) == [sealed[4].clone()]);
}

pub async fn parallel_sealers_give_each_event_one_place(store: Arc<dyn Store>) {
    record(&store, 40).await;
    let all: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { done(store.seal(&sealer(), 10).await) })
        })
        .collect();
    for one in all {
        one.await.expect("the task does not panic");
    }
    done(store.seal(&sealer(), 100).await);
    let verified = done(verify(&*store, &sealer(), None).await).expect("the chain verifies");
    assert_eq!((verified.count, verified.end.place), (40, 40));
}

pub async fn the_chain_still_verifies_after_old_events_are_deleted(store: Arc<dyn Store>) {
    let sealer = sealer();
    record(&store, 6).await;
    done(store.forget_events(&sealer, at(100)).await);
    assert_eq!(kinds(&store).await.len(), 6, "events that are not sealed are not deleted");
    done(store.seal(&sealer, 100).await);
    let all = done(store.sealed(0, 100).await);
    done(store.forget_events(&sealer, at(4)).await);
    let ends = done(store.ends().await).expect("the ends are stored with the first seal");
    assert_eq!((ends.base.0, ends.head.0), (all[3].mark, all[5].mark));
    assert!(done(store.sealed(0, 100).await) == all[4..]);
    let verified = done(verify(&*store, &sealer, Some(all[4].mark)).await);
    assert_eq!(verified, Ok(Verified { count: 2, end: all[5].mark }));
    let deleted = done(verify(&*store, &sealer, Some(all[1].mark)).await);
    assert_eq!(deleted, Err(Broken::Forgotten(all[1].mark)));
    done(store.forget_events(&sealer, at(100)).await);
    assert!(done(store.sealed(0, 100).await).is_empty());
    record(&store, 1).await;
    done(store.seal(&sealer, 100).await);
    assert_eq!(done(store.sealed(0, 100).await)[0].mark.place, 7, "places are not reused");
    assert!(done(verify(&*store, &sealer, None).await).is_ok());
}

/// A recent event also keeps the older events behind it, because the chain is deleted only from its start.
pub async fn deletion_stops_at_the_first_recent_event(store: Arc<dyn Store>) {
    for second in [0, 50, 1] {
        done(store.record(&event(EventKind::Tried, second)).await);
    }
    done(store.seal(&sealer(), 100).await);
    done(store.forget_events(&sealer(), at(10)).await);
    assert_eq!(done(store.sealed(0, 100).await).len(), 2);
}

pub async fn a_chain_of_another_secret_is_neither_sealed_nor_deleted(store: Arc<dyn Store>) {
    let other = Sealer::of(&Keys::new(&HmacKey::shared(&[8; 32])));
    record(&store, 2).await;
    done(store.seal(&sealer(), 1).await);
    assert!(store.seal(&other, 100).await.is_err());
    assert!(store.forget_events(&other, at(100)).await.is_err());
    assert_eq!(done(verify(&*store, &other, None).await), Err(Broken::Ends));
    assert_eq!(done(store.seal(&sealer(), 100).await), 1, "the own chain still accepts seals");
    assert!(done(verify(&*store, &sealer(), None).await).is_ok());
}

pub async fn a_chain_continues_under_the_next_secret_and_then_without_the_previous_one(
    store: Arc<dyn Store>,
) {
    let key = |byte: u8| HmacKey::shared(&[byte; 32]);
    let sealer_of = |roots: Keyring| Sealer::of(&Keys::rotated(&roots));
    record(&store, 2).await;
    done(store.seal(&sealer(), 100).await);
    record(&store, 1).await;
    let both = sealer_of(Keyring::new(key(8), [key(7)]));
    assert_eq!(done(store.seal(&both, 100).await), 1);
    assert!(done(verify(&*store, &both, None).await).is_ok());
    let next = sealer_of(Keyring::new(key(8), []));
    record(&store, 1).await;
    assert_eq!(done(store.seal(&next, 100).await), 1);
    // An event that does not match its seal is not deleted: its age may be forged.
    assert!(store.forget_events(&next, at(100)).await.is_err());
    assert_eq!(done(store.sealed(0, 100).await).len(), 4);
    let both = sealer_of(Keyring::new(key(8), [key(7)]));
    done(store.forget_events(&both, at(100)).await);
    assert!(done(store.sealed(0, 100).await).is_empty());
}

pub async fn an_empty_chain_verifies_unless_a_mark_is_known(store: Arc<dyn Store>) {
    assert_eq!(done(verify(&*store, &sealer(), None).await), Ok(Verified { count: 0, end: Mark::START }));
    let known = Mark { place: 3, ..Mark::START };
    assert_eq!(done(verify(&*store, &sealer(), Some(known)).await), Err(Broken::Lost(known)));
}

/// An event in the same transaction records each job and each ticket, so an older job or ticket has lost its event.
pub async fn work_older_than_every_event_shows_that_the_log_was_emptied(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    assert!(!done(store.has_lost_events().await), "nothing has happened yet");
    issued(&store, ticket(&ann, "one")).await;
    done(store.record(&event(EventKind::Tried, 0)).await);
    assert!(!done(store.has_lost_events().await));
    let early = Ticket { dialect: "other".to_owned(), issued_at: at(-400), ..ticket(&ann, "early") };
    issued(&store, early).await;
    assert!(done(store.has_lost_events().await));
    assert_eq!(done(verify(&*store, &sealer(), None).await), Err(Broken::Emptied));
    done(store.seal(&sealer(), 100).await);
    assert!(!done(store.has_lost_events().await), "old events of a chain may have been deleted");
    assert!(done(verify(&*store, &sealer(), None).await).is_ok());
}

pub async fn record_once_stores_a_repeated_event_once(store: Arc<dyn Store>) {
    for second in 0..3 {
        done(store.record_once(&event(EventKind::Opened, second).saying("live")).await);
    }
    done(store.record_once(&event(EventKind::Opened, 3).saying("spent")).await);
    done(store.record_once(&event(EventKind::Dead, 4).saying("spent")).await);
    assert_eq!(kinds(&store).await, [EventKind::Opened, EventKind::Opened, EventKind::Dead]);
}

pub async fn limited_events_are_recorded_ten_times_an_hour_per_address(store: Arc<dyn Store>) {
    let unlimited = [Budget::shared("requests", &[])];
    let full = [Budget::shared("full", &[Window::new(0, std::time::Duration::from_secs(60))])];
    let limited = async |tag: &str, number: i64, seconds: i64| {
        let address = Some(AddressTag::stored(tag));
        let request = Event { address, ..event(EventKind::Accepted, seconds) };
        done(store.push_within(&job(&format!("{tag}{number}"), "ann"), &full, &request).await)
    };
    for number in 0..15 {
        assert!(!limited("a", number, number).await);
    }
    assert!(!limited("b", 0, 15).await);
    assert_eq!(kinds(&store).await.len(), 11, "ten for one address and one for the other");
    assert!(!limited("a", 15, 3700).await);
    assert_eq!(kinds(&store).await.len(), 12, "an hour later one more is recorded");
    assert!(done(store.push_within(&job("free", "ann"), &unlimited, &event(EventKind::Accepted, 0)).await));
}
