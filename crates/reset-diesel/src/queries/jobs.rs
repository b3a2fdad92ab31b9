//! The `Jobs` port: the outbox, as workers use it.

use async_trait::async_trait;
use diesel::{
    alias, delete,
    dsl::{auto_type, exists, min, not},
    prelude::*,
    update,
};
use reset_core::{
    budget::Budget,
    error::StoreError,
    event::{Event, EventKind},
    job::{Job, JobId, Outcome, RETRY_RETENTION, SUSPECT_CRASHES},
    ports::Jobs,
    ticket::TicketId,
    time::Timestamp,
};
use tracing::error;

use super::{
    super::engine::{Db, EngineStore, schema::jobs, skip_locked},
    budgets::take,
    events::{insert_event, insert_limited},
    outbox::retryable,
    rows::{JobRow, NewJobRow},
    statements::{insert_job, move_end},
};

alias!(jobs as earlier: Earlier);

/// Unfinished jobs with the same address and dialect as the outer query's job and a lower `seq`. A notice has no
/// address, and NULL equals nothing, so a notice waits for no other job.
#[auto_type]
fn earlier_for_address() -> _ {
    earlier
        .filter(earlier.field(jobs::finished_at).is_null())
        .filter(earlier.field(jobs::dialect).eq(jobs::dialect))
        .filter(earlier.field(jobs::email).eq(jobs::email))
        .filter(earlier.field(jobs::seq).lt(jobs::seq))
}

/// Deletes up to `limit` jobs that were finished before `before`. Returns the number of deleted rows.
pub(super) fn purge(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    // Jobs whose mail was not sent are kept longer, so that an operator can retry them.
    let undelivered_before =
        before.saturating_sub(i64::try_from(RETRY_RETENTION.as_millis()).unwrap_or(i64::MAX));
    let finished = jobs::table.filter(jobs::finished_at.lt(before)).filter(
        jobs::outcome
            .is_null()
            .or(jobs::outcome.ne_all(retryable()))
            .or(jobs::finished_at.lt(undelivered_before)),
    );
    let seqs: Vec<i64> = finished.select(jobs::seq).limit(limit.into()).load(db)?;
    delete(jobs::table.filter(jobs::seq.eq_any(seqs))).execute(db)
}

fn claim(db: &mut Db, limit: u32, now: i64, lease_end: i64) -> QueryResult<Vec<JobRow>> {
    let blocking =
        earlier_for_address().filter(earlier.field(jobs::claimed).or(earlier.field(jobs::due_at).le(now)));
    let due = jobs::table
        .filter(jobs::finished_at.is_null())
        .filter(jobs::due_at.le(now))
        .filter(not(exists(blocking)))
        .order(jobs::seq)
        .limit(limit.into())
        .select(JobRow::as_select());
    // Rows that another worker is claiming are skipped. They still block later jobs for their address, because both a
    // due job and a claimed job block them.
    let mut rows: Vec<JobRow> = skip_locked!(due).load(db)?;
    let is_suspect = |row: &JobRow| row.crashes + i64::from(row.claimed) > i64::from(SUSPECT_CRASHES);
    if rows.iter().all(is_suspect) {
        rows.truncate(1);
    } else {
        rows.retain(|row| !is_suspect(row));
    }
    for row in &mut rows {
        row.attempts += 1;
        // A row that is still claimed has an expired lease: its worker crashed or lost its connection.
        row.crashes += i64::from(row.claimed);
        update(jobs::table.find(row.seq))
            .set((
                jobs::claimed.eq(true),
                jobs::due_at.eq(lease_end),
                jobs::attempts.eq(row.attempts),
                jobs::crashes.eq(row.crashes),
            ))
            .execute(db)?;
    }
    Ok(rows)
}

#[async_trait]
impl Jobs for EngineStore {
    async fn push(&self, job: &Job) -> Result<(), StoreError> {
        let row = NewJobRow::from(job);
        self.write(move |db| insert_job(db, &row)).await.map(drop)
    }

    async fn push_within(&self, job: &Job, budgets: &[Budget], event: &Event) -> Result<bool, StoreError> {
        let (row, budgets, event) = (NewJobRow::from(job), budgets.to_vec(), event.clone());
        let pushed = self.write(move |db| {
            let taken = take(db, &budgets, event.at.as_millis())?;
            if taken {
                insert_job(db, &row)?;
                insert_event(db, &event)?;
            } else {
                insert_limited(db, &event)?;
            }
            Ok(taken)
        });
        pushed.await
    }

    async fn push_done(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError> {
        let (id, row, now) = (job.id.as_str().to_owned(), NewJobRow::from(job), now.as_millis());
        let pushed = self.write(move |db| {
            insert_job(db, &row)?;
            let row = jobs::table.filter(jobs::id.eq(&id));
            let seq = row.select(jobs::seq).first(db)?;
            update(jobs::table.find(seq))
                .set((jobs::finished_at.eq(now), jobs::outcome.eq(outcome.name())))
                .execute(db)?;
            Ok(seq)
        });
        pushed.await
    }

    async fn claim(&self, limit: u32, now: Timestamp, lease_end: Timestamp) -> Result<Vec<Job>, StoreError> {
        let (now, lease_end) = (now.as_millis(), lease_end.as_millis());
        let rows = self.write(move |db| claim(db, limit, now, lease_end)).await?;
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            if let Ok(job) = Job::try_from(row) {
                readable.push(job);
                continue;
            }
            // A corrupt row must not block the other jobs, nor its own address forever.
            error!(job.id = id, "job row is corrupt; job quarantined");
            let (id, now) = (JobId::new(id), Timestamp::from_millis(now));
            let event = Event { job: Some(id.clone()), ..Event::new(EventKind::Ended, now) };
            let event = event.saying(format!("{} unreadable", Outcome::Quarantined.name()));
            self.finish(&id, Outcome::Quarantined, "unreadable", None, &event).await?;
        }
        Ok(readable)
    }

    async fn finish(
        &self,
        job: &JobId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let (job, reply, event) = (job.as_str().to_owned(), reply.to_owned(), event.clone());
        let now = event.at.as_millis();
        let accepted = accepted.map(|(ticket, end)| (ticket.as_str().to_owned(), end.as_millis()));
        let finished = self.write(move |db| {
            let unfinished = jobs::table.filter(jobs::id.eq(&job)).filter(jobs::finished_at.is_null());
            let updated = update(unfinished)
                .set((jobs::finished_at.eq(now), jobs::outcome.eq(outcome.name()), jobs::reply.eq(&reply)))
                .execute(db)?;
            if updated > 0 {
                insert_event(db, &event)?;
            }
            if let Some((ticket, end)) = &accepted {
                move_end(db, ticket, *end, now)?;
            }
            Ok(())
        });
        finished.await
    }

    async fn postpone(
        &self,
        job: &JobId,
        attempts: u32,
        due_at: Timestamp,
        reply: &str,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let (job, due_at, reply) = (job.as_str().to_owned(), due_at.as_millis(), reply.to_owned());
        let event = event.cloned();
        let postponed = self.write(move |db| {
            let claimed = jobs::table
                .filter(jobs::id.eq(&job))
                .filter(jobs::finished_at.is_null())
                .filter(jobs::attempts.eq(i64::from(attempts)));
            let postponed = update(claimed)
                .set((
                    jobs::claimed.eq(false),
                    jobs::due_at.eq(due_at),
                    jobs::reply.eq(&reply),
                    jobs::crashes.eq(0),
                ))
                .execute(db)?;
            if postponed > 0
                && let Some(event) = &event
            {
                insert_event(db, event)?;
            }
            Ok(())
        });
        postponed.await
    }

    async fn renew(&self, job: &JobId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError> {
        let (job, lease_end) = (job.as_str().to_owned(), lease_end.as_millis());
        let renewed = self.write(move |db| {
            update(jobs::table.filter(jobs::id.eq(&job)).filter(jobs::claimed))
                .filter(jobs::finished_at.is_null())
                .filter(jobs::attempts.eq(i64::from(attempts)))
                .set(jobs::due_at.eq(lease_end))
                .execute(db)
        });
        renewed.await.map(drop)
    }

    async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = now.as_millis();
        let released = self.write(move |db| {
            update(jobs::table.filter(jobs::finished_at.is_null()).filter(jobs::claimed))
                .set(jobs::crashes.eq(jobs::crashes + 1))
                .execute(db)?;
            update(jobs::table.filter(jobs::finished_at.is_null()))
                .set((jobs::claimed.eq(false), jobs::due_at.eq(now)))
                .execute(db)
        });
        released.await.map(drop)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = |db: &mut Db| {
            let blocking = earlier_for_address().filter(earlier.field(jobs::claimed));
            jobs::table
                .filter(jobs::finished_at.is_null())
                .filter(not(exists(blocking)))
                .select(min(jobs::due_at))
                .first::<Option<i64>>(db)
        };
        Ok(self.read(query).await?.map(Timestamp::from_millis))
    }
}
