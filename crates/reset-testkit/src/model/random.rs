//! Random schedules of the model.

use std::sync::Arc;

use reset_core::ports::Store;

use super::{Action, Model};
use crate::memory::Memory;

/// Performs random schedules on a store, one account after the other.
///
/// # Panics
/// Panics with the schedule if something does not hold.
pub async fn random_schedules(store: Arc<dyn Store>, seed: u64, schedules: u32, length: usize) {
    let memory = Memory::new(seed);
    let mut dice = seed | 1;
    for number in 0..schedules {
        let email = format!("ann{number}@example.org");
        let mut model = Model::new(memory.clone(), store.clone(), &email).await;
        let mut schedule = Vec::new();
        for _ in 0..length {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let action = Action::ALL[usize::try_from(dice >> 33).unwrap_or_default() % Action::ALL.len()];
            schedule.push(action);
            if let Err(violation) = model.perform(action).await {
                panic!("{violation}: {schedule:?}");
            }
        }
        if let Err(violation) = model.settle().await {
            panic!("{violation}, after everything settled: {schedule:?}");
        }
    }
}
