//! Writes of the outbox that share their transaction with others of their kind.

use std::collections::HashSet;

use diesel::{dsl::auto_type, insert_into, prelude::*, update};
use reset_core::{budget::Budget, event::Event, job::Outcome};

use super::{
    super::engine::{Db, ROW_BY_ROW, locked, schema::jobs},
    budgets::take_each,
    events::{insert_events, insert_limited},
    finish_jobs::FinishJobs,
    rows::NewJobRow,
    statements::{insert_job, move_end},
};
use crate::server::GroupTask;

/// An accepted request: what it takes from its budgets, its job and its event.
#[derive(Clone)]
pub(super) struct Push {
    pub(super) job: NewJobRow,
    pub(super) budgets: Vec<Budget>,
    pub(super) event: Event,
}

impl GroupTask<Db> for Push {
    const URGENT: bool = true;
    type Output = bool;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<bool>> {
        let requests: Vec<_> =
            group.iter().map(|push| (push.budgets.as_slice(), push.event.at.as_millis())).collect();
        let taken = take_each(db, &requests)?;
        let pushed: Vec<&Self> =
            group.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(push, _)| push).collect();
        if ROW_BY_ROW || pushed.len() <= 1 {
            for push in &pushed {
                insert_job(db, &push.job)?;
            }
        } else {
            let rows: Vec<&NewJobRow> = pushed.iter().map(|push| &push.job).collect();
            insert_into(jobs::table).values(rows).execute(db)?;
        }
        insert_events(db, pushed.iter().map(|push| &push.event))?;
        for (push, _) in group.iter().zip(&taken).filter(|(_, taken)| !**taken) {
            insert_limited(db, &push.event)?;
        }
        Ok(taken)
    }
}

/// The end of a job.
#[derive(Clone)]
pub(super) struct Finish {
    pub(super) job: String,
    pub(super) outcome: Outcome,
    pub(super) reply: String,
    /// The ticket whose mail was accepted, and its new end.
    pub(super) accepted: Option<(String, i64)>,
    pub(super) event: Event,
}

/// Those of these jobs that are not finished, in the order in which they are locked: an expression, because PostgreSQL would
/// otherwise read the whole primary key in order as long as it takes the table for tiny.
#[auto_type]
pub(super) fn unfinished<'a>(ids: &'a [&'a str]) -> _ {
    let with_id = jobs::table.filter(jobs::id.eq_any(ids));
    with_id.filter(jobs::finished_at.is_null()).order(jobs::seq + 0_i64).select(jobs::id)
}

/// The job with this id, if it is not finished.
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` declares needs the name")]
#[auto_type]
pub(super) fn unfinished_with_id<'a>(id: &'a str) -> _ {
    jobs::table.filter(jobs::id.eq(id)).filter(jobs::finished_at.is_null())
}

/// Finishes jobs, each with a statement that is prepared once. Returns those that were not finished before.
fn finish_each<'a>(db: &mut Db, group: &'a [Finish]) -> QueryResult<Vec<&'a Finish>> {
    let mut finished = Vec::with_capacity(group.len());
    for finish in group {
        let rows = update(unfinished_with_id(&finish.job))
            .set((
                jobs::stage.eq(None::<i16>),
                jobs::finished_at.eq(finish.event.at.as_millis()),
                jobs::outcome.eq(finish.outcome.name()),
                jobs::reply.eq(&finish.reply),
            ))
            .execute(db)?;
        if rows > 0 {
            finished.push(finish);
        }
    }
    Ok(finished)
}

/// Finishes jobs with one statement. Returns those that were not finished before.
fn finish_together<'a>(db: &mut Db, group: &'a [Finish]) -> QueryResult<Vec<&'a Finish>> {
    let ids: Vec<&str> = group.iter().map(|finish| finish.job.as_str()).collect();
    let locked = locked!(unfinished(&ids));
    let mut open: HashSet<String> = locked.load(db)?.into_iter().collect();
    let finished: Vec<&Finish> = group.iter().filter(|finish| open.remove(&finish.job)).collect();
    if !finished.is_empty() {
        FinishJobs::new(&finished).execute(db)?;
    }
    Ok(finished)
}

impl GroupTask<Db> for Finish {
    type Output = ();

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<()>> {
        // A job that is finished twice in one group keeps its first outcome.
        let row_by_row = ROW_BY_ROW || group.len() == 1;
        let finished = if row_by_row { finish_each(db, group)? } else { finish_together(db, group)? };
        insert_events(db, finished.iter().map(|finish| &finish.event))?;
        let mut accepted: Vec<_> = group.iter().filter_map(|finish| finish.accepted.as_ref()).collect();
        accepted.sort_unstable();
        for (ticket, end) in accepted {
            move_end(db, ticket, *end)?;
        }
        Ok(vec![(); group.len()])
    }
}
