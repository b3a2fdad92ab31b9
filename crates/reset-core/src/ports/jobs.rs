//! The queue behind the answers, as workers and as operators work on it.

use async_trait::async_trait;

use crate::{
    budget::Budget,
    error::StoreError,
    event::Event,
    job::{Job, JobId, Outcome, Reference},
    ticket::TicketId,
    time::Timestamp,
};

/// The queue behind the answers.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Accepts a job. When this returns, the job survives the process.
    ///
    /// # Errors
    /// When the store fails; then the job was not accepted, unless the commit's answer was lost (see
    /// [`StoreError`]): then it may be done all the same, once.
    async fn push(&self, job: &Job) -> Result<(), StoreError>;

    /// Takes one from each of `budgets`, as [`Budgets::take`](super::Budgets::take) does, accepts the job and writes `event` down, in one
    /// transaction. Returns whether it was accepted; if not, nothing was taken, `event` is written down as
    /// [`EventKind::Limited`](crate::event::EventKind::Limited), up to [`LIMITED_MOST`](crate::event::LIMITED_MOST) times
    /// an hour for one address, and the refusal has cost the same one commit.
    ///
    /// # Errors
    /// When the store fails; then the job was not accepted, and nothing was taken.
    async fn push_within(&self, job: &Job, budgets: &[Budget], event: &Event) -> Result<bool, StoreError>;

    /// Writes a job down that is done already. Returns its place in the order of asking.
    ///
    /// # Errors
    /// When the store fails; then it was not written.
    async fn push_done(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError>;

    /// Takes up to `limit` due jobs in the order of asking, until `lease_end`: what is not finished or
    /// postponed by then is due again. A job waits while an earlier one for the same address and
    /// dialect is due or taken, so that the last mail carries the last secret. One that was still taken, its lease
    /// over, has lost a worker more ([`Job::lost`]). One that has lost more than [`SUSPECT_CRASHES`](crate::job::SUSPECT_CRASHES) is taken
    /// alone, and after all others.
    ///
    /// # Errors
    /// When the store fails.
    async fn claim(&self, limit: u32, now: Timestamp, lease_end: Timestamp) -> Result<Vec<Job>, StoreError>;

    /// Ends a job and writes `event` down, whoever has it: what was mailed was mailed, even by one whose lease is
    /// over. With `accepted`, the new end of the ticket is stored in the same transaction if it is live: the clock
    /// starts when the mail is accepted. Of a job that has ended already nothing is written.
    ///
    /// # Errors
    /// When the store fails.
    async fn finish(
        &self,
        job: &JobId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError>;

    /// Puts an unfinished job off until `due_at` and writes `event` down, if there is one. Its worker was not lost. Later ones for
    /// the same address may overtake it.
    /// `attempts` is the number under which it was claimed: if it was claimed again since, it is somebody else's
    /// and nothing changes.
    ///
    /// # Errors
    /// When the store fails.
    async fn postpone(
        &self,
        job: &JobId,
        attempts: u32,
        due_at: Timestamp,
        reply: &str,
        event: Option<&Event>,
    ) -> Result<(), StoreError>;

    /// Keeps a taken job until `lease_end`, if it was not claimed since it was under `attempts`.
    ///
    /// # Errors
    /// When the store fails.
    async fn renew(&self, job: &JobId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError>;

    /// Makes every unfinished job due now. For the start of the only process on an embedded database:
    /// what its predecessor had taken when it was killed is nobody's any more, and counts as [lost](Job::lost).
    ///
    /// # Errors
    /// When the store fails.
    async fn release(&self, now: Timestamp) -> Result<(), StoreError>;

    /// When the next unfinished job becomes due. One that waits behind a taken one does not count: it can
    /// be claimed when that one is finished, or when its lease ends.
    ///
    /// # Errors
    /// When the store fails.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// One job of the queue as an operator sees it: without the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Key of the job.
    pub id: JobId,
    /// The reset it belongs to.
    pub reference: Reference,
    /// The dialect that was asked.
    pub dialect: String,
    /// What is to be done: `reset`, `notice` or `webhook`.
    pub kind: &'static str,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried; while a worker has it, when that worker's lease ends.
    pub due_at: Timestamp,
    /// Whether a worker has it.
    pub taken: bool,
    /// How it ended, in the words of [`Outcome`]; nothing while it waits.
    pub outcome: Option<String>,
    /// The last reply.
    pub reply: Option<String>,
}

/// How much waits in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that have not ended, those under way included.
    pub waiting: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<Timestamp>,
}

/// The queue as an operator works on it, beside running workers.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The first `limit` jobs in the order of asking that wait, or ended while a mail was still owed
    /// ([`Outcome::OWED`]).
    ///
    /// # Errors
    /// When the store fails.
    async fn queued(&self, limit: u32) -> Result<Vec<Queued>, StoreError>;

    /// How much waits.
    ///
    /// # Errors
    /// When the store fails.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Has a job tried again: one that waits is due at the time of `event`, and one that ended while a mail was owed
    /// comes back as a new one, `anew`, with all its time before it. Returns whether there was such a job, and
    /// writes `event` down as its if there was; one that a worker has is none.
    ///
    /// # Errors
    /// When the store fails.
    async fn retry(&self, job: &JobId, anew: &JobId, event: &Event) -> Result<bool, StoreError>;

    /// Removes up to `limit` jobs that ended; with `waiting`, those that wait and no worker has. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    async fn clear(&self, waiting: bool, limit: u32) -> Result<u64, StoreError>;
}
