//! [`Jobs`] and [`Outbox`] of the in-memory store, over its queue.

use async_trait::async_trait;

use super::store::{MemoryStore, is_live};
use reset_core::{
    budget::Budget,
    error::StoreError,
    event::Event,
    job::{Job, JobId, Outcome},
    ports::{Backlog, Jobs, Outbox, Queued},
    ticket::TicketId,
    time::Timestamp,
};

#[async_trait]
impl Jobs for MemoryStore {
    async fn push(&self, job: &Job) -> Result<(), StoreError> {
        self.working("push")?.queue.push(job)
    }

    async fn push_within(&self, job: &Job, budgets: &[Budget], event: &Event) -> Result<bool, StoreError> {
        let mut state = self.working("push_within")?;
        let before = state.budgets.clone();
        let taken = state.budgets.take(budgets, event.at);
        if taken && let Err(error) = state.queue.push(job) {
            state.budgets = before;
            return Err(error);
        }
        if taken {
            state.events.write(event.clone());
        } else {
            state.events.write_limited(event);
        }
        Ok(taken)
    }

    async fn push_done(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError> {
        let mut state = self.working("push_done")?;
        state.queue.push(job)?;
        state.queue.finish(&job.id, outcome, "", now);
        Ok(state.queue.last_seq())
    }

    async fn claim(&self, limit: u32, now: Timestamp, lease_end: Timestamp) -> Result<Vec<Job>, StoreError> {
        Ok(self.working("claim")?.queue.claim(limit as usize, now, lease_end))
    }

    async fn finish(
        &self,
        job: &JobId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let now = event.at;
        let mut state = self.working("finish")?;
        if state.queue.finish(job, outcome, reply, now) {
            state.events.write(event.clone());
        }
        if let Some((ticket, end)) = accepted
            && let Some(ticket) = state.ticket(ticket).filter(|ticket| is_live(ticket, now))
        {
            ticket.expires_at = end;
        }
        Ok(())
    }

    async fn postpone(
        &self,
        job: &JobId,
        attempts: u32,
        due_at: Timestamp,
        reply: &str,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let mut state = self.working("postpone")?;
        if state.queue.postpone(job, attempts, due_at, reply)
            && let Some(event) = event
        {
            state.events.write(event.clone());
        }
        Ok(())
    }

    async fn renew(&self, job: &JobId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError> {
        self.working("renew")?.queue.renew(job, attempts, lease_end);
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

#[async_trait]
impl Outbox for MemoryStore {
    async fn queued(&self, limit: u32) -> Result<Vec<Queued>, StoreError> {
        Ok(self.working("queued")?.queue.queued(limit as usize))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        Ok(self.working("backlog")?.queue.backlog())
    }

    async fn retry(&self, job: &JobId, new_id: &JobId, event: &Event) -> Result<bool, StoreError> {
        let mut state = self.working("retry")?;
        let retried = state.queue.retry(job, new_id, event.at)?;
        if let Some(retried) = &retried {
            let (dialect, reference) = (retried.dialect.clone(), Some(retried.reference.clone()));
            let job = Some(retried.id.clone());
            state.events.write(Event { dialect, reference, job, ..event.clone() });
        }
        Ok(retried.is_some())
    }

    async fn clear(&self, waiting: bool, limit: u32) -> Result<u64, StoreError> {
        Ok(self.working("clear")?.queue.clear(waiting, limit as usize))
    }
}
