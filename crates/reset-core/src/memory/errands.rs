//! The queue of a store in memory, as the port.

use async_trait::async_trait;

use super::store::{MemoryStore, is_live};
use crate::{
    budget::Budget,
    errand::{Errand, ErrandId, Outcome},
    error::StoreError,
    ports::Errands,
    ticket::TicketId,
    time::Timestamp,
};

#[async_trait]
impl Errands for MemoryStore {
    async fn push(&self, errand: &Errand) -> Result<(), StoreError> {
        self.working("push")?.queue.push(errand)
    }

    async fn push_within(
        &self,
        errand: &Errand,
        budgets: &[Budget],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.working("push_within")?;
        let before = state.ledger.clone();
        let taken = state.ledger.take(budgets, now);
        if taken && let Err(error) = state.queue.push(errand) {
            state.ledger = before;
            return Err(error);
        }
        Ok(taken)
    }

    async fn claim(
        &self,
        limit: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Errand>, StoreError> {
        Ok(self.working("claim")?.queue.claim(limit as usize, now, lease_end))
    }

    async fn finish(
        &self,
        errand: &ErrandId,
        outcome: Outcome,
        _reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.working("finish")?;
        state.queue.finish(errand, outcome, now);
        if let Some((ticket, end)) = accepted
            && let Some(ticket) = state.ticket(ticket).filter(|ticket| is_live(ticket, now))
        {
            ticket.expires_at = end;
        }
        Ok(())
    }

    async fn postpone(
        &self,
        errand: &ErrandId,
        attempts: u32,
        due_at: Timestamp,
        _reply: &str,
    ) -> Result<(), StoreError> {
        self.working("postpone")?.queue.postpone(errand, attempts, due_at);
        Ok(())
    }

    async fn renew(&self, errand: &ErrandId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError> {
        self.working("renew")?.queue.renew(errand, attempts, lease_end);
        Ok(())
    }

    async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        self.working("release")?.queue.release(now);
        Ok(())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.working("next_due")?.queue.next_due())
    }
}
