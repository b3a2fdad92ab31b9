//! The ports of the job queue: [`Jobs`] for workers, [`Outbox`] for operators.

use async_trait::async_trait;

use crate::{
    budget::Budget,
    error::StoreError,
    event::Event,
    job::{Job, JobId, Outcome, Reference},
    ticket::TicketId,
    time::Timestamp,
};

/// The job queue, as use cases and workers use it.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Queues a job. When this returns `Ok`, the job is durable.
    ///
    /// # Errors
    /// Fails if the store fails; then the job was not queued, unless only the result of the commit was lost (see
    /// [`StoreError`]). In that case it may still run, once.
    async fn push(&self, job: &Job) -> Result<(), StoreError>;

    /// Takes one from each of `budgets`, as [`Budgets::take`](super::Budgets::take) does, queues the job and records
    /// `event`, in one transaction. Returns whether the job was queued. If a budget has no room, nothing is taken and
    /// `event` is recorded as [`EventKind::Limited`](crate::event::EventKind::Limited), up to
    /// [`LIMITED_MOST`](crate::event::LIMITED_MOST) times per hour and address; this costs one commit as well.
    ///
    /// # Errors
    /// Fails if the store fails; then the job was not queued and nothing was taken.
    async fn push_within(&self, job: &Job, budgets: &[Budget], event: &Event) -> Result<bool, StoreError>;

    /// Stores a job that is already finished. Returns its sequence number.
    ///
    /// # Errors
    /// Fails if the store fails; then the job was not stored.
    async fn push_done(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError>;

    /// Claims up to `limit` due jobs in request order, with a lease until `lease_end`. A job that is neither finished
    /// nor postponed by then is due again. A job waits while an earlier job for the same address and dialect is due
    /// or claimed, so that the last mail carries the last secret. A job whose previous lease ran out counts one more
    /// lost worker ([`Job::lost`]). A job that has lost more than [`SUSPECT_CRASHES`](crate::job::SUSPECT_CRASHES)
    /// workers is claimed alone, after all others.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn claim(&self, limit: u32, now: Timestamp, lease_end: Timestamp) -> Result<Vec<Job>, StoreError>;

    /// Finishes a job and records `event`. The caller's lease need not be valid any more: a mail that was sent was
    /// sent. With `accepted`, the new end of the ticket is stored in the same transaction if the ticket is live,
    /// because its lifetime starts when the mail is accepted. If the job is already finished, its outcome stays and
    /// `event` is not recorded.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn finish(
        &self,
        job: &JobId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError>;

    /// Postpones an unfinished job until `due_at` and records `event`, if there is one. The count of lost workers is
    /// reset. Later jobs for the same address may overtake it. `attempts` is the attempt number under which the job
    /// was claimed; if it was claimed again since, another worker has it and nothing changes.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn postpone(
        &self,
        job: &JobId,
        attempts: u32,
        due_at: Timestamp,
        reply: &str,
        event: Option<&Event>,
    ) -> Result<(), StoreError>;

    /// Extends the lease of a claimed job to `lease_end`, unless the job was claimed again since attempt `attempts`.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn renew(&self, job: &JobId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError>;

    /// Makes every unfinished job due now. Called at startup by the only process on an embedded database: jobs that
    /// its predecessor had claimed when it was killed are orphaned, and count as [lost](Job::lost).
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn release(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Returns when the next unfinished job becomes due. A job that waits behind a claimed one does not count: it
    /// becomes claimable when that job is finished or its lease ends.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// A job as an operator sees it: without the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Key of the job.
    pub id: JobId,
    /// The reset it belongs to.
    pub reference: Reference,
    /// The dialect of the request.
    pub dialect: String,
    /// The kind of job: `reset`, `notice` or `webhook`.
    pub kind: &'static str,
    /// When the job was queued.
    pub created_at: Timestamp,
    /// Number of attempts so far.
    pub attempts: u32,
    /// When the next attempt is due; for a claimed job, when the lease ends.
    pub due_at: Timestamp,
    /// Whether a worker has claimed it.
    pub taken: bool,
    /// How the job ended, as the name of an [`Outcome`]; `None` while it waits.
    pub outcome: Option<String>,
    /// The last reply of the mail server or webhook.
    pub reply: Option<String>,
}

/// The size and age of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Unfinished jobs, claimed ones included.
    pub waiting: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
}

/// The job queue, as operators use it while workers run.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Returns the first `limit` jobs, in request order, that are waiting or that ended with a mail still owed
    /// ([`Outcome::OWED`]).
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn queued(&self, limit: u32) -> Result<Vec<Queued>, StoreError>;

    /// Returns the size and age of the queue.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Retries a job. A waiting job becomes due at the time of `event`. A job that ended with a mail still owed is
    /// queued again under the id `new_id`, with its full retry time. Returns whether such a job exists, and records
    /// `event` for it if so. Claimed jobs are not retried.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn retry(&self, job: &JobId, new_id: &JobId, event: &Event) -> Result<bool, StoreError>;

    /// Deletes up to `limit` finished jobs; with `waiting`, waiting jobs that no worker has claimed. Returns how
    /// many.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn clear(&self, waiting: bool, limit: u32) -> Result<u64, StoreError>;
}
