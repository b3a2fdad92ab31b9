//! The job queue of the in-memory store, in the order of the requests.

use reset_core::{
    email::EmailAddress,
    error::StoreError,
    job::{Job, JobId, JobKind, Outcome, RETRY_RETENTION, SUSPECT_CRASHES},
    ports::{Backlog, LONGEST_LEASE, LONGEST_WAIT, Postponement, Queued},
    time::Timestamp,
};

#[derive(Default)]
pub(super) struct Queue {
    /// How often accepted jobs were claimed, whether or not there were any.
    pub(super) accepted_claims: usize,
    rows: Vec<Row>,
    last_seq: i64,
}

/// The stage of an unfinished job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Accepted,
    Ready,
    /// Due at `due_at`.
    Postponed,
    Suspect,
    /// Claimed from the accepted stage, until `due_at`.
    Resolving,
    /// Claimed from another stage, until `due_at`.
    Sending,
}

struct Row {
    job: Job,
    stage: Stage,
    due_at: Timestamp,
    finished: Option<(Timestamp, Outcome)>,
    reply: Option<String>,
}

impl Row {
    fn is_waiting(&self, stage: Stage) -> bool {
        self.finished.is_none() && self.stage == stage
    }

    fn is_claimed(&self) -> bool {
        self.is_waiting(Stage::Resolving) || self.is_waiting(Stage::Sending)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.is_waiting(Stage::Postponed) && self.due_at <= now
    }

    /// Returns the dialect and the address, of which one job at a time is claimed. Notices and webhooks have none.
    fn address(&self) -> Option<(&str, &EmailAddress)> {
        match &self.job.kind {
            JobKind::Reset { email, .. } => Some((&self.job.dialect, email)),
            JobKind::Notice { .. } | JobKind::Webhook { .. } => None,
        }
    }

    /// Returns the job to the stage that it was claimed from, as one whose worker was lost.
    fn lose(&mut self) {
        self.stage = match self.stage {
            _ if self.job.lost >= SUSPECT_CRASHES => Stage::Suspect,
            Stage::Resolving => Stage::Accepted,
            _ => Stage::Ready,
        };
        self.job.lost += 1;
        self.due_at = self.job.created_at;
    }
}

impl Queue {
    pub(super) fn all(&self) -> Vec<(Job, Option<Outcome>)> {
        self.rows.iter().map(|row| (row.job.clone(), row.finished.map(|(_, outcome)| outcome))).collect()
    }

    pub(super) fn push(&mut self, job: &Job) -> Result<(), StoreError> {
        if self.rows.iter().any(|row| row.job.id == job.id) {
            return Err(StoreError::new("a job of this id exists already"));
        }
        self.last_seq += 1;
        let job = Job { seq: self.last_seq, ..job.clone() };
        let (due_at, stage) = (job.created_at, Stage::Accepted);
        self.rows.push(Row { due_at, job, stage, finished: None, reply: None });
        Ok(())
    }

    /// Returns the sequence numbers of the jobs of a stage, in turn.
    fn in_turn(&self, stage: Stage) -> Vec<i64> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.is_waiting(stage)).collect();
        rows.sort_by_key(|row| (row.job.turn, row.job.seq));
        rows.into_iter().map(|row| row.job.seq).collect()
    }

    /// Returns the sequence numbers of the postponed jobs that are due, the longest first.
    fn due(&self, now: Timestamp) -> Vec<i64> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.is_due(now)).collect();
        rows.sort_by_key(|row| row.due_at);
        rows.into_iter().map(|row| row.job.seq).collect()
    }

    /// Claims the first `limit` of these jobs, but only one per address.
    fn claim(&mut self, seqs: &[i64], limit: usize, stage: Stage, lease_end: Timestamp) -> Vec<Job> {
        let mut claimed: Vec<Job> = Vec::new();
        for seq in seqs {
            let Some(row) = self.rows.iter().position(|row| row.job.seq == *seq) else { continue };
            let address = self.rows[row].address();
            let is_taken = self.rows[row].is_claimed()
                || (address.is_some()
                    && self.rows.iter().any(|other| other.is_claimed() && other.address() == address));
            if is_taken || claimed.len() == limit {
                continue;
            }
            let row = &mut self.rows[row];
            (row.stage, row.due_at) = (stage, lease_end);
            row.job.claims += 1;
            row.job.attempts += 1;
            claimed.push(row.job.clone());
        }
        claimed
    }

    pub(super) fn claim_accepted(&mut self, limit: usize, lease_end: Timestamp) -> Vec<Job> {
        self.accepted_claims += 1;
        self.claim(&self.in_turn(Stage::Accepted), limit, Stage::Resolving, lease_end)
    }

    pub(super) fn claim_ready(
        &mut self,
        limit: usize,
        retries: usize,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Vec<Job> {
        let due = self.due(now);
        let first = due.iter().copied().take(retries);
        let order: Vec<i64> = first.chain(self.in_turn(Stage::Ready)).chain(due.iter().copied()).collect();
        self.claim(&order, limit, Stage::Sending, lease_end)
    }

    pub(super) fn claim_suspect(&mut self, lease_end: Timestamp) -> Option<Job> {
        self.claim(&self.in_turn(Stage::Suspect), 1, Stage::Sending, lease_end).pop()
    }

    pub(super) fn make_ready(&mut self, job: &Job, turn: i64) {
        if let Some(row) = self.claimed(job) {
            (row.stage, row.due_at) = (Stage::Ready, row.job.created_at);
            (row.job.turn, row.job.lost) = (turn, 0);
            row.job.attempts -= 1;
        }
    }

    /// Returns when the oldest job was queued that waits for a worker.
    pub(super) fn oldest_waiting(&self) -> Option<Timestamp> {
        let waiting = |row: &&Row| row.is_waiting(Stage::Accepted) || row.is_waiting(Stage::Ready);
        self.rows.iter().filter(waiting).map(|row| row.job.created_at).min()
    }

    /// Finishes the job. Returns whether it was unfinished.
    pub(super) fn finish(&mut self, id: &JobId, outcome: Outcome, reply: &str, now: Timestamp) -> bool {
        let row = self.unfinished().find(|row| row.job.id == *id);
        row.map(|row| (row.finished, row.reply) = (Some((now, outcome)), Some(reply.to_owned()))).is_some()
    }

    /// Postpones the job. Returns false if it was finished or claimed again since.
    pub(super) fn postpone(&mut self, job: &Job, delay: Postponement<'_>) -> bool {
        let Some(row) = self.claimed(job) else { return false };
        (row.stage, row.due_at) = (Stage::Postponed, delay.due_at);
        (row.reply, row.job.lost) = (Some(delay.reply.to_owned()), 0);
        row.job.attempts -= u32::from(!delay.counts);
        row.job.unconfirmed += u32::from(delay.unconfirmed);
        true
    }

    pub(super) fn renew(&mut self, jobs: &[JobId], lease_end: Timestamp) {
        for row in self.rows.iter_mut().filter(|row| row.is_claimed() && jobs.contains(&row.job.id)) {
            row.due_at = lease_end;
        }
    }

    pub(super) fn reclaim(&mut self, now: Timestamp) {
        let expired = |row: &Row| row.due_at <= now || row.due_at > now.plus(LONGEST_LEASE);
        self.rows.iter_mut().filter(|row| row.is_claimed() && expired(row)).for_each(Row::lose);
        let ahead = |row: &&mut Row| row.is_waiting(Stage::Postponed) && row.due_at > now.plus(LONGEST_WAIT);
        self.rows.iter_mut().filter(ahead).for_each(|row| row.due_at = now);
    }

    pub(super) fn release(&mut self, now: Timestamp) {
        self.rows.iter_mut().filter(|row| row.is_claimed()).for_each(Row::lose);
        let postponed = |row: &&mut Row| row.is_waiting(Stage::Postponed);
        self.rows.iter_mut().filter(postponed).for_each(|row| row.due_at = now);
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.rows.retain(|row| {
            row.finished.is_none_or(|(at, outcome)| {
                at >= if Outcome::OWED.contains(&outcome) { before.minus(RETRY_RETENTION) } else { before }
            })
        });
    }

    /// Returns the sequence number of the last job.
    pub(super) fn last_seq(&self) -> i64 {
        self.last_seq
    }

    pub(super) fn queued(&self, limit: usize) -> Vec<Queued> {
        let listed = self
            .rows
            .iter()
            .filter(|row| row.finished.is_none_or(|(_, outcome)| Outcome::OWED.contains(&outcome)));
        let views = listed.map(|row| Queued {
            id: row.job.id.clone(),
            reference: row.job.reference.clone(),
            dialect: row.job.dialect.clone(),
            kind: row.job.kind.name(),
            created_at: row.job.created_at,
            attempts: row.job.attempts,
            due_at: row.due_at,
            taken: row.is_claimed(),
            outcome: row.finished.map(|(_, outcome)| outcome.name().to_owned()),
            reply: row.reply.clone(),
        });
        views.take(limit).collect()
    }

    pub(super) fn backlog(&self) -> Backlog {
        let waiting = self.rows.iter().filter(|row| row.finished.is_none());
        Backlog {
            waiting: waiting.clone().count() as u64,
            oldest: waiting.map(|row| row.job.created_at).min(),
        }
    }

    pub(super) fn quarantined(&self) -> u64 {
        let ended = self.rows.iter().filter_map(|row| row.finished);
        ended.filter(|(_, outcome)| *outcome == Outcome::Quarantined).count() as u64
    }

    /// Makes the job due again. A finished job that owes a mail is replaced by a new one with `new_id`.
    pub(super) fn retry(
        &mut self,
        id: &JobId,
        new_id: &JobId,
        now: Timestamp,
    ) -> Result<Retried, StoreError> {
        let Some(row) = self.rows.iter_mut().find(|row| row.job.id == *id) else { return Ok(Retried::No) };
        match row.finished {
            // A worker has it: it is being retried already.
            None if row.is_claimed() => Ok(Retried::Already),
            None => {
                if row.stage == Stage::Postponed {
                    row.due_at = now;
                }
                Ok(Retried::Now(Box::new(row.job.clone())))
            }
            Some((_, outcome)) if Outcome::OWED.contains(&outcome) => {
                let Job { reference, dialect, kind, network, .. } = row.job.clone();
                let again = Job { network, ..Job::new(new_id.clone(), reference, &dialect, kind, now) };
                self.push(&again)?;
                self.rows.retain(|row| row.job.id != *id);
                Ok(Retried::Now(Box::new(again)))
            }
            Some(_) => Ok(Retried::No),
        }
    }

    pub(super) fn clear(&mut self, waiting: bool, limit: usize) -> u64 {
        let is_cleared = |row: &Row| {
            if waiting { row.finished.is_none() && !row.is_claimed() } else { row.finished.is_some() }
        };
        let mut count = 0;
        self.rows.retain(|row| {
            let removed = is_cleared(row) && count < limit;
            count += usize::from(removed);
            !removed
        });
        count as u64
    }

    /// Returns the row of a claimed job, unless it was claimed again since.
    fn claimed(&mut self, job: &Job) -> Option<&mut Row> {
        let mut rows = self.rows.iter_mut().filter(|row| row.is_claimed());
        rows.find(|row| row.job.id == job.id && row.job.claims == job.claims)
    }

    fn unfinished(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut().filter(|row| row.finished.is_none())
    }
}

/// The result of a retry.
pub(super) enum Retried {
    /// The job is due now.
    Now(Box<Job>),
    /// A worker has the job.
    Already,
    /// There is no such job, or it owes no mail.
    No,
}
