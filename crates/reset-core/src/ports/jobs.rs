//! The ports of the job queue: [`Jobs`] for workers, [`Outbox`] for operators.

use std::time::Duration;

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

    /// Claims up to `limit` accepted jobs, whose addresses were not looked up yet, in the order of their turns, with a
    /// lease until `lease_end`. Neither this nor [`Self::claim_ready`] claims a job while another one for the same
    /// address and dialect is claimed, so that the last mail carries the last secret.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn claim_accepted(
        &self,
        limit: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError>;

    /// Claims up to `limit` jobs whose mail can be sent: up to `retries` postponed jobs that are due, then ready jobs in
    /// the order of their turns, then further postponed jobs that are due.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn claim_ready(
        &self,
        limit: u32,
        retries: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError>;

    /// Claims one job that has lost more than [`SUSPECT_CRASHES`](crate::job::SUSPECT_CRASHES) workers. The caller runs
    /// no other job beside it.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn claim_suspect(&self, now: Timestamp, lease_end: Timestamp) -> Result<Option<Job>, StoreError>;

    /// Puts a claimed job into the ready stage under `turn`. The attempt does not count. If the job was finished or
    /// claimed again since, nothing changes.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn make_ready(&self, job: &Job, turn: i64) -> Result<(), StoreError>;

    /// Finishes a job and records `event`. The caller's lease need not be valid any more: a mail that was sent was
    /// sent. With `accepted`, the new end of the ticket is stored in the same transaction unless it is spent or void,
    /// because its lifetime starts when the mail is accepted, however long the mail server took. If the job is already finished, its outcome stays and
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

    /// Postpones a claimed job and records `event`, if there is one. The count of lost workers is reset. If the job was
    /// finished or claimed again since, nothing changes.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn postpone(
        &self,
        job: &Job,
        delay: Postponement<'_>,
        event: Option<&Event>,
    ) -> Result<(), StoreError>;

    /// Extends the leases of claimed jobs to `lease_end`.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn renew(&self, jobs: &[JobId], lease_end: Timestamp) -> Result<(), StoreError>;

    /// Returns jobs whose lease has expired to the stage that they were claimed from, and counts one more lost worker
    /// for each ([`Job::lost`]). Jobs that have lost too many are set aside for [`Self::claim_suspect`]. A lease or a
    /// postponed job that ends later than any clock that runs right could have set it is due as well: the clock was set
    /// back since.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn reclaim(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Makes every unfinished job due now. Called at startup by the only process on an embedded database: jobs that
    /// its predecessor had claimed when it was killed are orphaned, and count as [lost](Job::lost).
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn release(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Returns when the oldest job was queued that waits for its first claim or for a sending slot. Postponed jobs do
    /// not count: they wait for their recipient's server, not for this service.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// How and why a job is postponed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postponement<'a> {
    /// When it is due again.
    pub due_at: Timestamp,
    /// The reply of the mail server or webhook, or a word for the reason.
    pub reply: &'a str,
    /// Whether this was an attempt. A job that found no sending slot made none.
    pub counts: bool,
    /// Whether the mail may have been accepted although no reply came.
    pub unconfirmed: bool,
}

/// How far in the future a job can be due: the longest wait, and some time for clocks that differ.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2 * 60 * 60);

/// How far in the future a lease can end: several leases, for clocks that differ.
pub const LONGEST_LEASE: Duration = Duration::from_secs(90);

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
    /// Unfinished jobs, claimed ones included; [`COUNTED_MOST`] if there are more.
    pub waiting: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
}

/// Up to how many unfinished jobs [`Outbox::backlog`] counts, so that its cost does not grow with the queue.
pub const COUNTED_MOST: u32 = 100_000;

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
    /// `event` for it if so. A claimed job is being retried already, so nothing changes and the result is `true`.
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
