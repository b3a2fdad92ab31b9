//! The contract of [`Budgets`](reset_core::ports::Budgets) and of jobs that are accepted within budgets.

use std::{sync::Arc, time::Duration};

use super::{at, claim_any, done, happened, job};
use reset_core::{
    budget::{Budget, Window},
    event::Event,
    job::Reference,
    ports::Store,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Returns a budget of `count` per minute.
fn budget(name: &str, count: u32) -> Budget {
    Budget::shared(name, &[Window::new(count, MINUTE)])
}

async fn take(store: &Arc<dyn Store>, budget: &Budget, second: i64) -> bool {
    done(store.take(std::slice::from_ref(budget), at(second)).await)
}

pub async fn a_budget_has_room_until_it_is_used_up(store: Arc<dyn Store>) {
    let (one, other) = (budget("one", 2), budget("other", 2));
    assert!(done(store.has_room(&one, at(0)).await));
    assert!(take(&store, &one, 0).await && take(&store, &one, 0).await);
    assert!(!done(store.has_room(&one, at(0)).await));
    assert!(!take(&store, &one, 0).await && !take(&store, &one, 1).await);
    assert!(take(&store, &other, 1).await, "another budget");
    assert!(done(store.take(&[], at(1)).await), "taking from no budget always succeeds");
}

pub async fn a_window_slides(store: Arc<dyn Store>) {
    let one = budget("one", 2);
    assert!(take(&store, &one, 0).await && take(&store, &one, 40).await);
    assert!(!take(&store, &one, 59).await);
    assert!(take(&store, &one, 60).await, "the first has left the window");
    assert!(
        !take(&store, &one, 99).await,
        "the rejected take at 59 did not count, and the one at 40 is still in the window"
    );
    assert!(take(&store, &one, 100).await);
}

pub async fn a_take_needs_room_in_every_window(store: Arc<dyn Store>) {
    let windows = [Window::new(1, MINUTE), Window::new(3, 60 * MINUTE), Window::new(4, 24 * 60 * MINUTE)];
    let requests = Budget::shared("requests", &windows);
    let mut taken = Vec::new();
    for second in (0..2 * 24 * 3600).step_by(30) {
        if take(&store, &requests, second).await {
            taken.push(second);
        }
    }
    let day = 24 * 3600;
    assert_eq!(taken, [0, 60, 120, 3600, day, day + 60, day + 120, day + 3600]);
}

pub async fn a_take_from_several_budgets_is_all_or_nothing(store: Arc<dyn Store>) {
    let (narrow, wide) = (budget("b narrow", 1), budget("a wide", 3));
    let both = [narrow, wide.clone()];
    assert!(done(store.take(&both, at(0)).await));
    for _ in 0..5 {
        assert!(!done(store.take(&both, at(0)).await));
    }
    assert!(take(&store, &wide, 0).await && take(&store, &wide, 0).await);
    assert!(!take(&store, &wide, 0).await);
}

pub async fn a_take_that_is_given_back_can_be_taken_again(store: Arc<dyn Store>) {
    let one = budget("one", 2);
    assert!(take(&store, &one, 0).await && take(&store, &one, 1).await);
    let refunded = std::slice::from_ref(&one);
    done(store.give_back(refunded, at(1)).await);
    done(store.give_back(refunded, at(7)).await);
    done(store.give_back(&[budget("never taken from", 1)], at(1)).await);
    assert!(take(&store, &one, 2).await);
    assert!(!take(&store, &one, 2).await, "one take was given back, not two");
    assert!(take(&store, &one, 60).await, "the first take has left the window");
}

pub async fn fifty_parallel_takes_stay_within_the_budget(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { take(&store, &budget("one", 7), 0).await })
        })
        .collect();
    let mut taken = 0;
    for one in all {
        taken += usize::from(one.await.expect("the task does not panic"));
    }
    assert_eq!(taken, 7);
}

/// The takes name the budgets in either order, which must not deadlock.
pub async fn parallel_takes_of_several_budgets_do_not_deadlock(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..30)
        .map(|number| {
            let (store, mut both) = (store.clone(), [budget("one", 40), budget("other", 40)]);
            if number % 2 == 0 {
                both.reverse();
            }
            tokio::spawn(async move { done(store.take(&both, at(number)).await) })
        })
        .collect();
    for one in all {
        assert!(one.await.expect("the task does not panic"));
    }
}

pub async fn a_job_within_a_budget_is_accepted_and_claimed(store: Arc<dyn Store>) {
    let requests = [budget("requests", 2)];
    assert!(done(store.push_within(&job("one", "ann"), &requests, &happened(at(0))).await));
    assert!(
        done(store.push_within(&job("free", "bob"), &[], &happened(at(0))).await),
        "without a budget there is no limit"
    );
    let claimed = done(claim_any(&store, 10, at(0), at(60)).await);
    let ids: Vec<_> = claimed.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["one", "free"]);
    assert!(take(&store, &requests[0], 0).await && !take(&store, &requests[0], 0).await);
}

pub async fn a_job_over_a_budget_is_not_accepted(store: Arc<dyn Store>) {
    let requests = [budget("requests", 1)];
    assert!(take(&store, &requests[0], 0).await);
    assert!(!done(store.push_within(&job("one", "ann"), &requests, &happened(at(59))).await));
    assert_eq!(done(claim_any(&store, 10, at(59), at(60)).await), []);
    assert!(done(store.push_within(&job("one", "ann"), &requests, &happened(at(60))).await));
}

pub async fn a_budget_of_three_accepts_three_of_twenty_parallel_jobs(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            let job = job(&format!("job {number}"), "ann");
            tokio::spawn(async move {
                done(store.push_within(&job, &[budget("requests", 3)], &happened(at(0))).await)
            })
        })
        .collect();
    let mut accepted = 0;
    for one in all {
        accepted += usize::from(one.await.expect("the task does not panic"));
    }
    assert_eq!(accepted, 3);
    done(store.release(at(0)).await);
    let mut claimed = 0;
    while let [job] = done(claim_any(&store, 1, at(0), at(60)).await).as_slice() {
        let outcome = reset_core::job::Outcome::NoAccount;
        done(store.finish(&job.id, outcome, "", None, &happened(at(0))).await);
        claimed += 1;
    }
    assert_eq!(claimed, 3);
}

/// Otherwise the work for a guess would show whether a budget had room.
pub async fn a_take_is_recorded_whether_or_not_there_was_room(store: Arc<dyn Store>) {
    let one = [budget("one", 1)];
    for (now, taken) in [(0, true), (1, false)] {
        let event = Event { reference: Some(Reference::stored("guess")), ..happened(at(now)) };
        assert_eq!(done(store.take_and_record(&one, &event).await), taken);
    }
    assert!(!done(store.take_and_record(&one, &happened(at(2)).skipped()).await));
    assert_eq!(done(store.trace(&Reference::stored("guess")).await).len(), 2);
}

/// The job cannot be stored because its id exists already.
pub async fn a_job_that_cannot_be_stored_takes_nothing(store: Arc<dyn Store>) {
    let requests = [budget("requests", 1)];
    done(store.push(&job("taken", "bob")).await);
    assert!(store.push_within(&job("taken", "ann"), &requests, &happened(at(0))).await.is_err());
    assert!(take(&store, &requests[0], 0).await);
}

pub async fn purge_removes_budgets_with_empty_windows(store: Arc<dyn Store>) {
    let (early, late) = (budget("early", 1), budget("late", 1));
    assert!(take(&store, &early, 0).await && take(&store, &late, 30).await);
    done(store.purge(at(80)).await);
    assert!(take(&store, &early, 0).await, "removed");
    assert!(!take(&store, &late, 80).await, "still within its minute");
}

pub async fn a_clock_that_ran_a_year_ahead_freezes_a_budget_for_one_window_only(store: Arc<dyn Store>) {
    let budget = [Budget::shared("ahead", &[Window::new(1, Duration::from_secs(60))])];
    let year = 365 * 24 * 3600;
    assert!(done(store.take(&budget, at(year)).await));
    assert!(!done(store.take(&budget, at(0)).await), "it counts as taken now");
    assert!(!done(store.take(&budget, at(59)).await));
    assert!(done(store.take(&budget, at(60)).await));
}
