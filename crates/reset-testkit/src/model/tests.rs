//! Schedules of the model on the store in memory.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::*;

/// Length of the schedules that are tried exhaustively.
const DEPTH: usize = 6;

async fn run(schedule: &[Action]) -> (Model, Result<(), String>) {
    let memory = Memory::new(1);
    let store = memory.store.clone();
    let mut model = Model::new(memory, store, "ann@example.org").await;
    for action in schedule {
        let performed = model.perform(*action).await;
        if performed.is_err() {
            return (model, performed);
        }
    }
    (model, Ok(()))
}

/// Returns a number for the state of the world and of the store in memory.
fn state(model: &Model) -> u64 {
    let (store, now) = (&model.memory.store, model.memory.clock.now());
    let tickets: Vec<_> = store.tickets().into_iter().collect();
    let tickets = tickets.iter().map(|one| {
        let rest = one.expires_at.as_millis() - now.as_millis();
        format!("{} {:?} {:?} {} {rest}", one.dialect, one.kind, one.state(now), one.attempts)
    });
    let jobs = store.jobs().into_iter().map(|(job, outcome)| {
        format!("{} {outcome:?} {} {} {}", job.dialect, job.attempts, job.claims, job.lost)
    });
    let mut hasher = DefaultHasher::new();
    (model.fingerprint(), tickets.collect::<Vec<_>>(), jobs.collect::<Vec<_>>()).hash(&mut hasher);
    hasher.finish()
}

/// Every schedule up to a length: of those that lead to the same state, one is continued.
#[tokio::test]
async fn every_short_schedule_keeps_what_must_hold() {
    let (mut seen, mut next) = (HashSet::new(), VecDeque::from([Vec::new()]));
    let mut tried = 0;
    while let Some(schedule) = next.pop_front() {
        for action in Action::ALL {
            let longer: Vec<Action> = schedule.iter().copied().chain([action]).collect();
            let (mut model, performed) = run(&longer).await;
            assert_eq!(performed, Ok(()), "{longer:?}");
            if !seen.insert(state(&model)) {
                continue;
            }
            tried += 1;
            if longer.len() < DEPTH {
                next.push_back(longer.clone());
            }
            assert_eq!(model.settle().await, Ok(()), "after everything settled: {longer:?}");
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[tokio::test]
async fn random_schedules_keep_what_must_hold() {
    for seed in 1..20 {
        random_schedules(Memory::new(seed).store.clone(), seed, 4, 60).await;
    }
}
