//! The contract of [`Tickets`](reset_core::ports::Tickets), except for spending a ticket.

use std::sync::Arc;

use super::{DIALECT, account, address, at, digest, done, happened, issued, state, stored, ticket};
use reset_core::{
    account::AccountId,
    event::{Event, EventKind},
    job::{JobId, Reference},
    ports::{Issued, Store},
    secret::TicketDigest,
    ticket::{Ticket, TicketKind, TicketState},
};

pub async fn a_ticket_is_read_back_as_it_was_issued(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let full = Ticket {
        kind: TicketKind::LongCode,
        digest: TicketDigest::from_bytes([0; 32]),
        epoch: 7,
        job_seq: i64::from(u32::MAX) + 1,
        nonce: u32::MAX,
        redirect_to: Some("https://example.org/?a=b&c='\"".to_owned()),
        attempts: 3,
        minted_at: at(1),
        ..ticket(&ann, "full")
    };
    issued(&store, full.clone()).await;
    assert!(stored(&store, &full).await == full);
    assert!(done(store.ticket_of(&JobId::new("another")).await).is_none());
}

pub async fn a_new_ticket_voids_the_earlier_one_of_its_account_and_dialect(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let early = issued(&store, Ticket { kind: TicketKind::Token, ..ticket(&ann, "early") }).await;
    let late = Ticket { job_seq: 2, issued_at: at(9), ..ticket(&ann, "late") };
    let late = issued(&store, late).await;
    assert_eq!(stored(&store, &early).await.voided_at, Some(at(9)));
    assert_eq!(state(&store, &late, at(9)).await, TicketState::Live);
}

pub async fn a_new_ticket_leaves_other_dialects_and_accounts_alone(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let other = issued(&store, Ticket { dialect: "other".to_owned(), ..ticket(&ann, "other") }).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    issued(&store, Ticket { job_seq: 2, ..ticket(&ann, "late") }).await;
    assert_eq!(state(&store, &other, at(0)).await, TicketState::Live);
    assert_eq!(state(&store, &bobs, at(0)).await, TicketState::Live);
}

/// Otherwise the number of live codes would show which addresses have accounts.
pub async fn a_decoy_counts_as_live_once_per_address_and_leaves_no_event(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let event = happened(at(0)).skipped();
    let decoy = |id: &str, seq| Ticket {
        account: AccountId::new("nobody/1"),
        job_seq: seq,
        reference: Some(Reference::stored("decoy")),
        ..ticket(&ann, id)
    };
    for (id, seq) in [("d1", 1), ("d2", 2)] {
        assert_eq!(done(store.issue(&decoy(id, seq), Some(1), &event).await), Issued::Live, "{id}");
    }
    assert_eq!(state(&store, &decoy("d1", 1), at(0)).await, TicketState::Void);
    assert_eq!(done(store.issue(&ticket(&ann, "a1"), Some(1), &happened(at(0))).await), Issued::LimitReached);
    assert_eq!(done(store.issue(&ticket(&ann, "a2"), Some(2), &happened(at(0))).await), Issued::Live);
    assert_eq!(done(store.trace(&Reference::stored("decoy")).await), []);
}

/// Otherwise the worker of the earlier job, whose mail was delayed, would restart the clock of its ticket.
pub async fn a_new_ticket_voids_an_expired_one_for_good(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let early = issued(&store, ticket(&ann, "early")).await;
    let late = Ticket { job_seq: 2, issued_at: at(700), expires_at: at(1300), ..ticket(&ann, "late") };
    issued(&store, late).await;
    done(store.restart_clock(&early.id, at(701), at(1301)).await);
    assert_eq!(state(&store, &early, at(702)).await, TicketState::Void);
}

pub async fn a_live_digest_causes_a_collision_and_no_change(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let anns = issued(&store, ticket(&ann, "same")).await;
    let earlier = issued(&store, ticket(&bob, "earlier")).await;
    let second = Ticket { digest: anns.digest, job_seq: 2, ..ticket(&bob, "second") };
    assert_eq!(done(store.issue(&second, None, &happened(at(0))).await), Issued::Collision);
    assert!(done(store.ticket_of(&second.job).await).is_none());
    assert_eq!(state(&store, &anns, at(0)).await, TicketState::Live);
    assert_eq!(state(&store, &earlier, at(0)).await, TicketState::Live);
    // A second draw with another digest succeeds.
    issued(&store, Ticket { digest: digest("another"), nonce: 1, ..second }).await;
}

pub async fn digests_of_dead_tickets_can_be_reused(store: Arc<dyn Store>) {
    let mut early: Option<Ticket> = None;
    for (name, minutes) in [("ann", 0), ("bob", 10), ("cleo", 20)] {
        let owner = account(&store, name).await;
        // Each ticket is issued in the millisecond in which the previous one expires.
        let (issued_at, expires_at) = (at(minutes * 60), at((minutes + 10) * 60));
        let late = Ticket { digest: digest("same"), issued_at, expires_at, ..ticket(&owner, name) };
        issued(&store, late.clone()).await;
        if let Some(early) = early.replace(late) {
            // Another account has the same secret now, so restarting the clock must not revive the old ticket.
            done(store.restart_clock(&early.id, issued_at, expires_at).await);
            assert_eq!(state(&store, &early, issued_at).await, TicketState::Void);
        }
    }
    done(store.set_blocked(&address("cleo"), true, &happened(at(1201))).await);
    let dave = account(&store, "dave").await;
    issued(&store, Ticket { digest: digest("same"), issued_at: at(1202), ..ticket(&dave, "dave") }).await;
}

pub async fn one_digest_may_be_live_in_two_dialects(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let other = Ticket { dialect: "other".to_owned(), digest: one.digest, ..ticket(&ann, "other") };
    let other = issued(&store, other).await;
    for ticket in [one, other] {
        let found = done(store.ticket_with(&ticket.dialect, &ticket.digest, at(0)).await);
        assert!(found == Some(ticket));
    }
}

pub async fn a_job_older_than_the_latest_ticket_is_superseded(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let late = issued(&store, Ticket { job_seq: 2, ..ticket(&ann, "late") }).await;
    let early = ticket(&ann, "early");
    assert_eq!(done(store.issue(&early, None, &happened(at(0))).await), Issued::Superseded);
    assert!(done(store.ticket_of(&early.job).await).is_none());
    assert_eq!(state(&store, &late, at(0)).await, TicketState::Live);
    // This also holds after the later ticket is dead.
    done(store.set_blocked(&address("ann"), true, &happened(at(1))).await);
    assert_eq!(done(store.issue(&early, None, &happened(at(0))).await), Issued::Superseded);
    issued(&store, Ticket { dialect: "other".to_owned(), ..early }).await;
}

/// When the first worker's lease expires, a second one runs the same job. It must find the ticket, not void it.
pub async fn a_job_issues_only_one_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let first = issued(&store, ticket(&ann, "first")).await;
    let second = Ticket { job: first.job.clone(), ..ticket(&ann, "second") };
    assert!(store.issue(&second, None, &happened(at(0))).await.is_err());
    assert!(stored(&store, &first).await == first);
}

pub async fn the_live_ticket_is_found_among_equal_digests(store: Arc<dyn Store>) {
    let names = ["ann", "bob", "cleo"];
    for (name, minute) in names.into_iter().zip(0..) {
        let owner = account(&store, name).await;
        let (issued_at, expires_at) = (at(minute * 60), at((minute + 1) * 60));
        let one = Ticket { digest: digest("same"), issued_at, expires_at, ..ticket(&owner, name) };
        issued(&store, one).await;
    }
    let found = done(store.ticket_with(DIALECT, &digest("same"), at(150)).await).expect("a ticket");
    assert_eq!((found.id.as_str(), found.state(at(150))), ("cleo", TicketState::Live));
}

pub async fn a_dead_ticket_is_found_and_an_unknown_one_is_not(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let expired = done(store.ticket_with(DIALECT, &one.digest, at(600)).await).expect("a ticket");
    assert_eq!(expired.state(at(600)), TicketState::Expired);
    done(store.set_blocked(&address("ann"), true, &happened(at(5))).await);
    let void = done(store.ticket_with(DIALECT, &one.digest, at(5)).await).expect("a ticket");
    assert_eq!(void.state(at(5)), TicketState::Void);
    assert!(done(store.ticket_with("other", &one.digest, at(5)).await).is_none());
    assert!(done(store.ticket_with(DIALECT, &digest("two"), at(5)).await).is_none());
}

pub async fn max_live_counts_live_tickets_of_the_kind_in_other_accounts(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let cleo = account(&store, "cleo").await;
    issued(&store, ticket(&ann, "ann")).await;
    issued(&store, Ticket { expires_at: at(60), ..ticket(&bob, "bob") }).await;
    issued(&store, Ticket { kind: TicketKind::Token, dialect: "other".to_owned(), ..ticket(&cleo, "o") })
        .await;
    let cleos = |id: &str, now| Ticket { issued_at: now, expires_at: at(900), ..ticket(&cleo, id) };
    assert_eq!(
        done(store.issue(&cleos("c1", at(59)), Some(2), &happened(at(0))).await),
        Issued::LimitReached
    );
    assert!(done(store.ticket_with(DIALECT, &digest("c1"), at(59)).await).is_none());
    let token = Ticket { kind: TicketKind::Token, ..cleos("c2", at(59)) };
    assert_eq!(
        done(store.issue(&token, Some(1), &happened(at(0))).await),
        Issued::Live,
        "a token is of another kind"
    );
    assert_eq!(
        done(store.issue(&cleos("c3", at(60)), Some(2), &happened(at(0))).await),
        Issued::Live,
        "Bob's has expired"
    );
    assert_eq!(
        done(store.issue(&cleos("c4", at(60)), Some(2), &happened(at(0))).await),
        Issued::Live,
        "the account's own ticket does not count"
    );
}

pub async fn parallel_issues_do_not_exceed_max_live(store: Arc<dyn Store>) {
    let mut issuing = Vec::new();
    for number in 0..12 {
        let owner = account(&store, &format!("user{number}")).await;
        let (store, ticket) = (store.clone(), ticket(&owner, &format!("t{number}")));
        issuing
            .push(tokio::spawn(async move { done(store.issue(&ticket, Some(5), &happened(at(0))).await) }));
    }
    let mut live = 0;
    for issue in issuing {
        live += usize::from(issue.await.expect("the task does not panic") == Issued::Live);
    }
    assert_eq!(live, 5);
}

/// They can share a transaction, and depend on each other.
pub async fn parallel_issues_for_the_same_owners_leave_the_latest_ticket_live(store: Arc<dyn Store>) {
    let (mut issuing, mut latest) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let owner = account(&store, &format!("user{number}")).await;
        for seq in 1..=4 {
            let one = Ticket { job_seq: seq, ..ticket(&owner, &format!("t{number}-{seq}")) };
            let (store, ticket) = (store.clone(), one.clone());
            issuing.push(tokio::spawn(async move {
                (ticket.job_seq, done(store.issue(&ticket, None, &happened(at(0))).await))
            }));
            if seq == 4 {
                latest.push(one);
            }
        }
    }
    for issue in issuing {
        let (seq, result) = issue.await.expect("the task does not panic");
        let expected: &[_] = if seq == 4 { &[Issued::Live] } else { &[Issued::Live, Issued::Superseded] };
        assert!(expected.contains(&result), "{seq}: {result:?}");
    }
    for ticket in latest {
        assert_eq!(state(&store, &ticket, at(0)).await, TicketState::Live);
        let voided = done(store.void_tickets(Some(&ticket.account), &happened(at(1))).await);
        assert_eq!(voided, 1, "the account has one live ticket");
    }
}

/// They can share a transaction, and depend on each other.
pub async fn parallel_issues_of_the_same_secret_make_one_ticket(store: Arc<dyn Store>) {
    let mut issuing = Vec::new();
    for number in 0..12 {
        let owner = account(&store, &format!("user{number}")).await;
        let one = Ticket { digest: digest("same"), ..ticket(&owner, &format!("t{number}")) };
        let store = store.clone();
        issuing.push(tokio::spawn(async move { done(store.issue(&one, None, &happened(at(0))).await) }));
    }
    let mut results = Vec::new();
    for issue in issuing {
        results.push(issue.await.expect("the task does not panic"));
    }
    let live = results.iter().filter(|result| **result == Issued::Live).count();
    let collisions = results.iter().filter(|result| **result == Issued::Collision).count();
    assert_eq!((live, collisions), (1, 11));
}

pub async fn restarting_the_clock_revives_only_an_expired_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    done(store.restart_clock(&one.id, at(700), at(1300)).await);
    let again = stored(&store, &one).await;
    assert!(again == Ticket { minted_at: at(700), expires_at: at(1300), ..one.clone() });
    done(store.set_blocked(&address("ann"), true, &happened(at(701))).await);
    let void = stored(&store, &one).await;
    done(store.restart_clock(&one.id, at(702), at(1400)).await);
    assert!(stored(&store, &one).await == void);
}

pub async fn a_guess_is_charged_to_the_live_ticket_of_its_kind(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let one = issued(&store, ticket(&ann, "one")).await;
    let guess = |account, dialect, kind| store.take_guess(account, dialect, kind, 3, at(1));
    let guessed = done(guess(&ann.id, DIALECT, TicketKind::Code).await);
    assert!(guessed == Some(Ticket { attempts: 1, ..one.clone() }));
    assert!(done(guess(&bob.id, DIALECT, TicketKind::Code).await).is_none());
    assert!(done(guess(&ann.id, "other", TicketKind::Code).await).is_none());
    assert!(done(guess(&ann.id, DIALECT, TicketKind::Token).await).is_none());
    assert_eq!(stored(&store, &one).await.attempts, 1);
    let two = issued(&store, Ticket { kind: TicketKind::Token, ..ticket(&bob, "two") }).await;
    let taken = done(guess(&bob.id, DIALECT, TicketKind::Token).await);
    assert!(taken.is_some_and(|ticket| ticket.id == two.id && ticket.attempts == 1));
    done(store.set_blocked(&address("ann"), true, &happened(at(1))).await);
    assert!(done(guess(&ann.id, DIALECT, TicketKind::Code).await).is_none());
}

pub async fn fifty_parallel_guesses_stay_within_the_limit(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (store, id) = (store.clone(), ann.id.clone());
            tokio::spawn(async move { store.take_guess(&id, DIALECT, TicketKind::Code, 5, at(1)).await })
        })
        .collect();
    let mut taken = Vec::new();
    for guess in all {
        taken.extend(done(guess.await.expect("the task does not panic")).map(|ticket| ticket.attempts));
    }
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4, 5]);
    assert_eq!(stored(&store, &one).await.attempts, 5);
}

pub async fn guesses_are_rejected_after_the_ticket_expires(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    let guess = |now| store.take_guess(&ann.id, DIALECT, TicketKind::Code, 5, now);
    assert!(done(guess(at(599)).await).is_some());
    assert!(done(guess(at(600)).await).is_none());
    assert_eq!(stored(&store, &one).await.attempts, 1);
}

pub async fn voiding_the_tickets_of_an_account_leaves_other_accounts_alone(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let one = issued(&store, ticket(&ann, "one")).await;
    let other = issued(&store, Ticket { dialect: "other".to_owned(), ..ticket(&ann, "other") }).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    let voided = Event::new(EventKind::TicketsVoided, at(5)).of(&ann.id);
    let voided = Event { reference: Some(Reference::stored("voided")), ..voided };
    assert_eq!(done(store.void_tickets(Some(&ann.id), &voided).await), 2);
    assert_eq!(stored(&store, &one).await.voided_at, Some(at(5)));
    assert_eq!(state(&store, &other, at(5)).await, TicketState::Void);
    assert_eq!(state(&store, &bobs, at(5)).await, TicketState::Live);
    assert!(done(store.trace(&Reference::stored("voided")).await) == [voided.saying("2")]);
    assert_eq!(done(store.void_tickets(Some(&ann.id), &happened(at(6))).await), 0);
}

pub async fn voiding_every_ticket_ends_those_of_all_accounts_for_good(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let anns = issued(&store, ticket(&ann, "anns")).await;
    let expired = issued(&store, Ticket { expires_at: at(3), ..ticket(&bob, "expired") }).await;
    assert_eq!(done(store.void_tickets(None, &happened(at(5))).await), 1, "the other one has expired");
    done(store.restart_clock(&expired.id, at(5), at(605)).await);
    for ticket in [anns, expired] {
        assert_eq!(state(&store, &ticket, at(5)).await, TicketState::Void, "{}", ticket.id.as_str());
    }
    issued(&store, Ticket { job_seq: 2, ..ticket(&ann, "next") }).await;
}
