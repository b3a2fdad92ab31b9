//! The `Outbox` port: the outbox, as operators use it.

use async_trait::async_trait;
use diesel::{
    delete,
    dsl::{count_star, min},
    insert_into,
    prelude::*,
    result::Error,
    update,
};
use reset_core::{
    error::StoreError,
    event::Event,
    job::{JobId, Outcome, Reference},
    ports::{Backlog, Outbox, Queued},
    time::Timestamp,
};

use super::{
    super::engine::{Db, EngineStore, locked, schema::jobs},
    events::insert_event,
    rows::{NewJobRow, count, unreadable},
};

/// A job without the requested address.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct QueuedRow {
    seq: i64,
    id: String,
    reference: String,
    dialect: String,
    account: Option<String>,
    recipient: Option<String>,
    created_at: i64,
    attempts: i64,
    due_at: i64,
    claimed: bool,
    outcome: Option<String>,
    reply: Option<String>,
}

impl TryFrom<QueuedRow> for Queued {
    type Error = Error;

    fn try_from(row: QueuedRow) -> QueryResult<Self> {
        let kind = match (row.account, row.recipient) {
            (None, None) => "reset",
            (Some(_), Some(_)) => "notice",
            (Some(_), None) => "webhook",
            (None, Some(_)) => return Err(unreadable("a task")),
        };
        Ok(Self {
            id: JobId::new(row.id),
            reference: Reference::stored(row.reference),
            dialect: row.dialect,
            kind,
            created_at: Timestamp::from_millis(row.created_at),
            attempts: count(row.attempts)?,
            due_at: Timestamp::from_millis(row.due_at),
            taken: row.claimed,
            outcome: row.outcome,
            reply: row.reply,
        })
    }
}

/// Returns the names of the outcomes after which a job can be retried, because its mail was not sent.
pub(super) fn retryable() -> [&'static str; 3] {
    Outcome::OWED.map(Outcome::name)
}

fn retry(db: &mut Db, job: &str, new_id: &str, event: &Event) -> QueryResult<bool> {
    let row = jobs::table.filter(jobs::id.eq(job)).select(QueuedRow::as_select());
    let Some(row): Option<QueuedRow> = locked!(row).first(db).optional()? else { return Ok(false) };
    let now = event.at.as_millis();
    let id = match row.outcome.as_deref() {
        None if !row.claimed => {
            update(jobs::table.find(row.seq)).set(jobs::due_at.eq(now)).execute(db)?;
            job
        }
        Some(outcome) if retryable().contains(&outcome) => {
            let finished = jobs::table.find(row.seq).select(NewJobRow::as_select()).first(db)?;
            insert_into(jobs::table).values(NewJobRow::restarted(finished, new_id, now)).execute(db)?;
            delete(jobs::table.find(row.seq)).execute(db)?;
            new_id
        }
        None | Some(_) => return Ok(false),
    };
    let (reference, job) = (Some(Reference::stored(row.reference)), Some(JobId::new(id)));
    insert_event(db, &Event { dialect: row.dialect, reference, job, ..event.clone() })?;
    Ok(true)
}

fn clear(db: &mut Db, waiting: bool, limit: u32) -> QueryResult<usize> {
    let seqs: Vec<i64> = if waiting {
        let unclaimed = jobs::finished_at.is_null().and(jobs::claimed.eq(false));
        jobs::table.filter(unclaimed).select(jobs::seq).limit(limit.into()).load(db)?
    } else {
        let finished = jobs::table.filter(jobs::finished_at.is_not_null());
        finished.select(jobs::seq).limit(limit.into()).load(db)?
    };
    let selected = jobs::table.filter(jobs::seq.eq_any(seqs));
    if waiting {
        // A worker may have claimed one of them in the meantime.
        delete(selected.filter(jobs::claimed.eq(false))).execute(db)
    } else {
        delete(selected).execute(db)
    }
}

#[async_trait]
impl Outbox for EngineStore {
    async fn queued(&self, limit: u32) -> Result<Vec<Queued>, StoreError> {
        let query = move |db: &mut Db| {
            let shown = jobs::finished_at.is_null().or(jobs::outcome.eq_any(retryable()));
            let rows: Vec<QueuedRow> = jobs::table
                .filter(shown)
                .order(jobs::seq)
                .limit(limit.into())
                .select(QueuedRow::as_select())
                .load(db)?;
            rows.into_iter().map(Queued::try_from).collect()
        };
        self.read(query).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let query = |db: &mut Db| {
            let waiting = jobs::table.filter(jobs::finished_at.is_null());
            let (waiting, oldest): (i64, Option<i64>) =
                waiting.select((count_star(), min(jobs::created_at))).first(db)?;
            Ok(Backlog { waiting: count(waiting)?.into(), oldest: oldest.map(Timestamp::from_millis) })
        };
        self.read(query).await
    }

    async fn retry(&self, job: &JobId, new_id: &JobId, event: &Event) -> Result<bool, StoreError> {
        let (job, new_id, event) = (job.as_str().to_owned(), new_id.as_str().to_owned(), event.clone());
        self.write(move |db| retry(db, &job, &new_id, &event)).await
    }

    async fn clear(&self, waiting: bool, limit: u32) -> Result<u64, StoreError> {
        Ok(self.write(move |db| clear(db, waiting, limit)).await? as u64)
    }
}
