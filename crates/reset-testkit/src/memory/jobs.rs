//! [`Jobs`] and [`Outbox`] of the in-memory store, over its queue.

use async_trait::async_trait;

use super::{
    queue::Retried,
    store::{MemoryStore, is_open},
};
use reset_core::{
    budget::Budget,
    error::StoreError,
    event::Event,
    job::{Job, JobId, Outcome},
    ports::{Backlog, Jobs, Outbox, Postponement, Queued},
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

    async fn claim_accepted(
        &self,
        limit: u32,
        _: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        Ok(self.working("claim")?.queue.claim_accepted(limit as usize, lease_end))
    }

    async fn claim_ready(
        &self,
        limit: u32,
        retries: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        Ok(self.working("claim")?.queue.claim_ready(limit as usize, retries as usize, now, lease_end))
    }

    async fn claim_suspect(&self, _: Timestamp, lease_end: Timestamp) -> Result<Option<Job>, StoreError> {
        Ok(self.working("claim")?.queue.claim_suspect(lease_end))
    }

    async fn make_ready(&self, job: &Job, turn: i64) -> Result<(), StoreError> {
        self.working("make_ready")?.queue.make_ready(job, turn);
        Ok(())
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
            && let Some(ticket) = state.ticket(ticket).filter(|ticket| is_open(ticket))
        {
            ticket.expires_at = end;
        }
        Ok(())
    }

    async fn postpone(
        &self,
        job: &Job,
        delay: Postponement<'_>,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let mut state = self.working("postpone")?;
        if state.queue.postpone(job, delay)
            && let Some(event) = event
        {
            state.events.write(event.clone());
        }
        Ok(())
    }

    async fn renew(&self, jobs: &[JobId], lease_end: Timestamp) -> Result<(), StoreError> {
        self.working("renew")?.queue.renew(jobs, lease_end);
        Ok(())
    }

    async fn reclaim(&self, now: Timestamp) -> Result<(), StoreError> {
        self.working("reclaim")?.queue.reclaim(now);
        Ok(())
    }

    async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        self.working("release")?.queue.release(now);
        Ok(())
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.working("oldest_waiting")?.queue.oldest_waiting())
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
        match state.queue.retry(job, new_id, event.at)? {
            Retried::Now(retried) => {
                let Job { id, dialect, reference, .. } = *retried;
                let (reference, job) = (Some(reference), Some(id));
                state.events.write(Event { dialect, reference, job, ..event.clone() });
                Ok(true)
            }
            Retried::Already => Ok(true),
            Retried::No => Ok(false),
        }
    }

    async fn clear(&self, waiting: bool, limit: u32) -> Result<u64, StoreError> {
        Ok(self.working("clear")?.queue.clear(waiting, limit as usize))
    }
}
