//! The job queue of the in-memory store, in the order of the requests.

use reset_core::{
    email::EmailAddress,
    error::StoreError,
    job::{Job, JobId, JobKind, Outcome, RETRY_RETENTION, SUSPECT_CRASHES},
    ports::{Backlog, Queued},
    time::Timestamp,
};

#[derive(Default)]
pub(super) struct Queue {
    rows: Vec<Row>,
    last_seq: i64,
}

struct Row {
    job: Job,
    due_at: Timestamp,
    /// Whether a worker has claimed the job; then `due_at` is the end of the lease.
    taken: bool,
    finished: Option<(Timestamp, Outcome)>,
    reply: Option<String>,
}

impl Row {
    fn is_due(&self, now: Timestamp) -> bool {
        self.finished.is_none() && self.due_at <= now
    }

    /// Returns the address whose jobs run in order. Notices and webhooks have none and need no order.
    fn address(&self) -> Option<&EmailAddress> {
        match &self.job.kind {
            JobKind::Reset { email, .. } => Some(email),
            JobKind::Notice { .. } | JobKind::Webhook { .. } => None,
        }
    }

    /// Returns whether `self` is unfinished and an earlier request than `late` for the same address and dialect.
    fn precedes(&self, late: &Self) -> bool {
        self.finished.is_none()
            && self.job.seq < late.job.seq
            && self.job.dialect == late.job.dialect
            && self.address().is_some_and(|email| Some(email) == late.address())
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
        self.rows.push(Row { due_at: job.created_at, job, taken: false, finished: None, reply: None });
        Ok(())
    }

    pub(super) fn claim(&mut self, limit: usize, now: Timestamp, lease_end: Timestamp) -> Vec<Job> {
        let waits =
            |late: &Row| self.rows.iter().any(|row| row.precedes(late) && (row.taken || row.is_due(now)));
        let mut due: Vec<&Row> =
            self.rows.iter().filter(|row| row.is_due(now) && !waits(row)).take(limit).collect();
        let is_suspect = |row: &&Row| row.job.lost + u32::from(row.taken) > SUSPECT_CRASHES;
        if due.iter().all(is_suspect) {
            due.truncate(1);
        } else {
            due.retain(|row| !is_suspect(row));
        }
        let due: Vec<i64> = due.into_iter().map(|row| row.job.seq).collect();
        let rows = self.rows.iter_mut().filter(|row| due.contains(&row.job.seq));
        rows.map(|row| {
            row.job.lost += u32::from(row.taken);
            (row.taken, row.due_at) = (true, lease_end);
            row.job.attempts += 1;
            row.job.clone()
        })
        .collect()
    }

    /// Finishes the job. Returns whether it was unfinished.
    pub(super) fn finish(&mut self, id: &JobId, outcome: Outcome, reply: &str, now: Timestamp) -> bool {
        let row = self.unfinished().find(|row| row.job.id == *id);
        row.map(|row| (row.finished, row.reply) = (Some((now, outcome)), Some(reply.to_owned()))).is_some()
    }

    /// Postpones the job. Returns false if it was finished, or claimed again since `attempts`.
    pub(super) fn postpone(&mut self, id: &JobId, attempts: u32, due_at: Timestamp, reply: &str) -> bool {
        let Some(row) = self.claimed(id, attempts) else { return false };
        (row.taken, row.due_at, row.reply, row.job.lost) = (false, due_at, Some(reply.to_owned()), 0);
        true
    }

    pub(super) fn renew(&mut self, id: &JobId, attempts: u32, lease_end: Timestamp) {
        if let Some(row) = self.claimed(id, attempts).filter(|row| row.taken) {
            row.due_at = lease_end;
        }
    }

    pub(super) fn release(&mut self, now: Timestamp) {
        for row in self.unfinished() {
            row.job.lost += u32::from(row.taken);
            (row.taken, row.due_at) = (false, now);
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let waits = |late: &Row| self.rows.iter().any(|row| row.precedes(late) && row.taken);
        self.rows.iter().filter(|row| row.finished.is_none() && !waits(row)).map(|row| row.due_at).min()
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
            taken: row.taken,
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

    /// Makes the job due again and returns it. A finished job that owes a mail is replaced by a new one with `new_id`.
    pub(super) fn retry(
        &mut self,
        id: &JobId,
        new_id: &JobId,
        now: Timestamp,
    ) -> Result<Option<Job>, StoreError> {
        let Some(row) = self.rows.iter_mut().find(|row| row.job.id == *id) else { return Ok(None) };
        match row.finished {
            None if !row.taken => {
                row.due_at = now;
                Ok(Some(row.job.clone()))
            }
            Some((_, outcome)) if Outcome::OWED.contains(&outcome) => {
                let again =
                    Job { id: new_id.clone(), created_at: now, attempts: 0, lost: 0, ..row.job.clone() };
                self.push(&again)?;
                self.rows.retain(|row| row.job.id != *id);
                Ok(Some(again))
            }
            None | Some(_) => Ok(None),
        }
    }

    pub(super) fn clear(&mut self, waiting: bool, limit: usize) -> u64 {
        let is_cleared =
            |row: &Row| if waiting { row.finished.is_none() && !row.taken } else { row.finished.is_some() };
        let mut count = 0;
        self.rows.retain(|row| {
            let removed = is_cleared(row) && count < limit;
            count += usize::from(removed);
            !removed
        });
        count as u64
    }

    /// Returns the unfinished job if it was not claimed again since `attempts`.
    fn claimed(&mut self, id: &JobId, attempts: u32) -> Option<&mut Row> {
        self.unfinished().find(|row| row.job.id == *id && row.job.attempts == attempts)
    }

    fn unfinished(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut().filter(|row| row.finished.is_none())
    }
}
