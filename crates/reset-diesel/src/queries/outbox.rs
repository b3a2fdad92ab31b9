//! The `Outbox` port: the outbox, as operators use it.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, result::Error, update};
use reset_core::{
    error::StoreError,
    event::Event,
    job::{JobId, Outcome, Reference},
    ports::{Backlog, COUNTED_MOST, Outbox, Queued},
    time::Timestamp,
};

use super::{
    super::engine::{Db, EngineStore, locked, schema::jobs},
    events::insert_event,
    rows::{NewJobRow, count, unreadable},
    stage::{ACCEPTED, CLAIMED, POSTPONED, READY, SUSPECT},
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
    stage: Option<i16>,
    outcome: Option<String>,
    reply: Option<String>,
}

impl QueuedRow {
    fn is_claimed(&self) -> bool {
        self.stage.is_some_and(|stage| CLAIMED.iter().any(|(claimed, _)| *claimed == stage))
    }
}

impl TryFrom<QueuedRow> for Queued {
    type Error = Error;

    fn try_from(row: QueuedRow) -> QueryResult<Self> {
        let taken = row.is_claimed();
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
            taken,
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
        // A worker has it: it is being retried already.
        None if row.is_claimed() => return Ok(true),
        None => {
            if row.stage == Some(POSTPONED) {
                update(jobs::table.find(row.seq)).set(jobs::due_at.eq(now)).execute(db)?;
            }
            job
        }
        Some(outcome) if retryable().contains(&outcome) => {
            let finished = jobs::table.find(row.seq).select(NewJobRow::as_select()).first(db)?;
            insert_into(jobs::table).values(NewJobRow::restarted(finished, new_id, now)).execute(db)?;
            delete(jobs::table.find(row.seq)).execute(db)?;
            new_id
        }
        Some(_) => return Ok(false),
    };
    let (reference, job) = (Some(Reference::stored(row.reference)), Some(JobId::new(id)));
    insert_event(db, &Event { dialect: row.dialect, reference, job, ..event.clone() })?;
    Ok(true)
}

/// The stages of waiting jobs that no worker has claimed.
const WAITING: [i16; 4] = [ACCEPTED, READY, POSTPONED, SUSPECT];

fn clear(db: &mut Db, waiting: bool, limit: u32) -> QueryResult<usize> {
    let seqs: Vec<i64> = if waiting {
        jobs::table.filter(jobs::stage.eq_any(WAITING)).select(jobs::seq).limit(limit.into()).load(db)?
    } else {
        let finished = jobs::table.filter(jobs::finished_at.is_not_null());
        finished.select(jobs::seq).limit(limit.into()).load(db)?
    };
    let selected = jobs::table.filter(jobs::seq.eq_any(seqs));
    if waiting {
        // A worker may have claimed one of them in the meantime.
        delete(selected.filter(jobs::stage.eq_any(WAITING))).execute(db)
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
            let counted = jobs::table.filter(jobs::stage.is_not_null()).limit(COUNTED_MOST.into());
            let created: Vec<i64> = counted.select(jobs::created_at).load(db)?;
            let oldest = created.iter().min().copied().map(Timestamp::from_millis);
            Ok(Backlog { waiting: created.len() as u64, oldest })
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
