//! The `Jobs` port: the outbox, as workers use it.

use async_trait::async_trait;
use diesel::{
    delete,
    dsl::{self, auto_type},
    prelude::*,
    sql_types::{Nullable, SmallInt},
    update,
};
use reset_core::{
    budget::Budget,
    error::StoreError,
    event::{Event, EventKind},
    job::{Job, JobId, Outcome, RETRY_RETENTION},
    ports::{Jobs, Postponement},
    ticket::TicketId,
    time::Timestamp,
};
use tracing::error;

use super::{
    super::engine::{Db, EngineStore, schema::jobs},
    claim,
    events::insert_event,
    groups::{Finish, Push},
    outbox::retryable,
    rows::{JobRow, NewJobRow},
    stage::{ACCEPTED, FIRST_CLAIMED, POSTPONED, READY},
    statements::insert_job,
};
use crate::server::GroupTask;

diesel::define_sql_function! {
    /// The stage of a job, or another one once it is finished. Unlike the column alone, it does not make PostgreSQL read
    /// a partial index as a whole, which without statistics it takes for tiny.
    #[sql_name = "COALESCE"]
    fn stage_or(stage: Nullable<SmallInt>, other: SmallInt) -> SmallInt;
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

#[async_trait]
impl Jobs for EngineStore {
    async fn push(&self, job: &Job) -> Result<(), StoreError> {
        let row = NewJobRow::from(job);
        self.write(move |db| insert_job(db, &row)).await.map(drop)
    }

    async fn push_within(&self, job: &Job, budgets: &[Budget], event: &Event) -> Result<bool, StoreError> {
        let push = Push { job: NewJobRow::from(job), budgets: budgets.to_vec(), event: event.clone() };
        self.run_grouped(push).await
    }

    async fn push_done(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError> {
        let (id, row, now) = (job.id.as_str().to_owned(), NewJobRow::from(job), now.as_millis());
        let pushed = self.write(move |db| {
            insert_job(db, &row)?;
            let row = jobs::table.filter(jobs::id.eq(&id));
            let seq = row.select(jobs::seq).first(db)?;
            update(jobs::table.find(seq))
                .set((
                    jobs::stage.eq(None::<i16>),
                    jobs::finished_at.eq(now),
                    jobs::outcome.eq(outcome.name()),
                ))
                .execute(db)?;
            Ok(seq)
        });
        pushed.await
    }

    async fn claim_accepted(
        &self,
        limit: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        let lease_end = lease_end.as_millis();
        let rows = self.write(move |db| claim::accepted(db, limit, lease_end)).await?;
        self.readable(rows, now).await
    }

    async fn claim_ready(
        &self,
        limit: u32,
        retries: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        let (at, lease_end) = (now.as_millis(), lease_end.as_millis());
        let rows = self.write(move |db| claim::ready(db, limit, retries, at, lease_end)).await?;
        self.readable(rows, now).await
    }

    async fn claim_suspect(&self, now: Timestamp, lease_end: Timestamp) -> Result<Option<Job>, StoreError> {
        let lease_end = lease_end.as_millis();
        let row = self.write(move |db| claim::suspect(db, lease_end)).await?;
        Ok(self.readable(row.into_iter().collect(), now).await?.pop())
    }

    async fn make_ready(&self, job: &Job, turn: i64) -> Result<(), StoreError> {
        self.run_grouped(MakeReady { claim: Claim::from(job), turn }).await
    }

    async fn finish(
        &self,
        job: &JobId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let finish = Finish {
            job: job.as_str().to_owned(),
            outcome,
            reply: reply.to_owned(),
            accepted: accepted.map(|(ticket, end)| (ticket.as_str().to_owned(), end.as_millis())),
            event: event.clone(),
        };
        self.run_grouped(finish).await
    }

    async fn postpone(
        &self,
        job: &Job,
        delay: Postponement<'_>,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let Postponement { due_at, reply, counts, unconfirmed } = delay;
        let (claim, due_at, reply) = (Claim::from(job), due_at.as_millis(), reply.to_owned());
        let event = event.cloned();
        let postponed = self.write(move |db| {
            let postponed = update(claim.row())
                .set((
                    jobs::stage.eq(POSTPONED),
                    jobs::due_at.eq(due_at),
                    jobs::reply.eq(&reply),
                    jobs::attempts.eq(jobs::attempts - i64::from(!counts)),
                    jobs::unconfirmed.eq(jobs::unconfirmed + i64::from(unconfirmed)),
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

    async fn renew(&self, renewed: &[JobId], lease_end: Timestamp) -> Result<(), StoreError> {
        let ids: Vec<String> = renewed.iter().map(|job| job.as_str().to_owned()).collect();
        let lease_end = lease_end.as_millis();
        let renewed = self.write(move |db| {
            update(jobs::table.filter(jobs::id.eq_any(&ids)))
                .filter(stage_or(jobs::stage, ACCEPTED).ge(FIRST_CLAIMED))
                .set(jobs::due_at.eq(lease_end))
                .execute(db)
        });
        renewed.await.map(drop)
    }

    async fn reclaim(&self, now: Timestamp) -> Result<(), StoreError> {
        self.settle_passwords().await?;
        let now = now.as_millis();
        self.write(move |db| claim::reclaim(db, now)).await
    }

    async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        self.settle_passwords().await?;
        let now = now.as_millis();
        self.write(move |db| claim::release(db, now)).await
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = |db: &mut Db| {
            let accepted: Option<i64> = claim::oldest(ACCEPTED).first(db).optional()?;
            let ready: Option<i64> = claim::oldest(READY).first(db).optional()?;
            Ok(accepted.into_iter().chain(ready).min())
        };
        Ok(self.read(query).await?.map(Timestamp::from_millis))
    }
}

/// A claimed job whose mail waits for a sending slot.
#[derive(Clone)]
struct MakeReady {
    claim: Claim,
    turn: i64,
}

impl GroupTask<Db> for MakeReady {
    type Output = ();

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<()>> {
        let mut in_order: Vec<&Self> = group.iter().collect();
        in_order.sort_unstable_by_key(|ready| ready.claim.seq);
        for Self { claim, turn } in in_order {
            update(claim.row())
                .set((
                    jobs::stage.eq(READY),
                    jobs::turn.eq(turn),
                    jobs::due_at.eq(jobs::created_at),
                    jobs::attempts.eq(jobs::attempts - 1),
                    jobs::crashes.eq(0),
                ))
                .execute(db)?;
        }
        Ok(vec![(); group.len()])
    }
}

/// A worker's claim on a job.
#[derive(Clone)]
struct Claim {
    seq: i64,
    claims: i64,
}

impl From<&Job> for Claim {
    fn from(job: &Job) -> Self {
        Self { seq: job.seq, claims: job.claims.into() }
    }
}

#[auto_type]
fn held(seq: i64, claims: i64) -> _ {
    let claimed: dsl::GtEq<jobs::stage, i16> = jobs::stage.ge(FIRST_CLAIMED);
    jobs::table.filter(jobs::seq.eq(seq)).filter(jobs::claims.eq(claims)).filter(claimed)
}

impl Claim {
    /// Returns the row, unless the job was finished or claimed again since.
    fn row(&self) -> held {
        held(self.seq, self.claims)
    }
}

impl EngineStore {
    /// Returns the jobs of the rows. A corrupt row must not block other jobs, so its job is quarantined.
    async fn readable(&self, rows: Vec<JobRow>, now: Timestamp) -> Result<Vec<Job>, StoreError> {
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            if let Ok(job) = Job::try_from(row) {
                readable.push(job);
                continue;
            }
            error!(job.id = id, "job row is corrupt; job quarantined");
            let id = JobId::new(id);
            let event = Event { job: Some(id.clone()), ..Event::new(EventKind::Ended, now) };
            let event = event.saying(format!("{} unreadable", Outcome::Quarantined.name()));
            self.finish(&id, Outcome::Quarantined, "unreadable", None, &event).await?;
        }
        Ok(readable)
    }
}
