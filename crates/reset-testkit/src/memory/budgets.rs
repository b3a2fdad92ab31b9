//! [`Budgets`] of the in-memory store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::store::MemoryStore;
use reset_core::{
    budget::{Budget, Takes},
    error::StoreError,
    event::Event,
    ports::Budgets,
    time::Timestamp,
};

#[derive(Clone, Default)]
pub(super) struct MemoryBudgets {
    rows: BTreeMap<String, (Takes, Timestamp)>,
    /// Number of takes from each budget, minus those given back.
    taken: BTreeMap<String, usize>,
}

impl MemoryBudgets {
    /// Takes one from each budget, or from none. Returns whether it did.
    pub(super) fn take(&mut self, budgets: &[Budget], now: Timestamp) -> bool {
        let mut after = Vec::new();
        for Budget { name, windows } in budgets {
            let mut takes = self.rows.get(name).map(|(takes, _)| takes.clone()).unwrap_or_default();
            if !takes.take(windows, now) {
                // The takes of a clock that was wrong were corrected.
                if let Some(row) = self.rows.get_mut(name) {
                    *row = (takes.clone(), takes.end(windows));
                }
                return false;
            }
            let end = takes.end(windows);
            after.push((name.clone(), (takes, end)));
        }
        for budget in budgets {
            *self.taken.entry(budget.name.clone()).or_default() += 1;
        }
        self.rows.extend(after);
        true
    }

    fn give_back(&mut self, budgets: &[Budget], taken_at: Timestamp) {
        for Budget { name, .. } in budgets {
            let refunded = self.rows.get_mut(name).is_some_and(|(takes, _)| takes.give_back(taken_at));
            if let Some(taken) = self.taken.get_mut(name).filter(|_| refunded) {
                *taken -= 1;
            }
        }
    }

    fn has_room(&self, budget: &Budget, now: Timestamp) -> bool {
        self.rows.get(&budget.name).is_none_or(|(takes, _)| takes.have_room(&budget.windows, now))
    }

    pub(super) fn taken(&self, name: &str) -> usize {
        self.taken.get(name).copied().unwrap_or_default()
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.rows.retain(|_, (_, end)| *end >= before);
    }
}

#[async_trait]
impl Budgets for MemoryStore {
    async fn take(&self, budgets: &[Budget], now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.working("take")?.budgets.take(budgets, now))
    }

    async fn take_and_record(&self, budgets: &[Budget], event: &Event) -> Result<bool, StoreError> {
        let mut state = self.working("take_and_record")?;
        let taken = state.budgets.take(budgets, event.at);
        state.events.write(event.clone());
        Ok(taken)
    }

    async fn give_back(&self, budgets: &[Budget], taken_at: Timestamp) -> Result<(), StoreError> {
        self.working("give_back")?.budgets.give_back(budgets, taken_at);
        Ok(())
    }

    async fn has_room(&self, budget: &Budget, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.working("has_room")?.budgets.has_room(budget, now))
    }
}
