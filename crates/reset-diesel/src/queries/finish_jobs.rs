//! The statement that finishes jobs.

use diesel::{
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    query_source::QuerySource,
    sql_types::{BigInt, Text},
};

use super::{
    super::engine::{Backend, Db, schema::jobs},
    groups::Finish,
};

/// The statement that marks jobs as finished, each with its own outcome, reply and time. One statement for many rows, for
/// the same reason as [`SetSeals`](super::seals::SetSeals).
pub(super) struct FinishJobs<'a> {
    table: <jobs::table as QuerySource>::FromClause,
    finished: Vec<FinishedJob<'a>>,
}

/// The values of a row.
struct FinishedJob<'a> {
    id: &'a str,
    finished_at: i64,
    outcome: &'static str,
    reply: &'a str,
}

impl<'a> FinishJobs<'a> {
    pub(super) fn new(finished: &[&'a Finish]) -> Self {
        let row = |finish: &&'a Finish| FinishedJob {
            id: &finish.job,
            finished_at: finish.event.at.as_millis(),
            outcome: finish.outcome.name(),
            reply: &finish.reply,
        };
        Self { table: jobs::table.from_clause(), finished: finished.iter().map(row).collect() }
    }
}

impl QueryFragment<Backend> for FinishJobs<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        out.push_identifier("stage")?;
        out.push_sql(" = NULL");
        for column in ["finished_at", "outcome", "reply"] {
            out.push_sql(", ");
            out.push_identifier(column)?;
            out.push_sql(" = CASE ");
            out.push_identifier("id")?;
            for row in &self.finished {
                out.push_sql(" WHEN ");
                out.push_bind_param::<Text, _>(row.id)?;
                out.push_sql(" THEN ");
                match column {
                    "finished_at" => out.push_bind_param::<BigInt, _>(&row.finished_at)?,
                    "outcome" => out.push_bind_param::<Text, _>(row.outcome)?,
                    _ => out.push_bind_param::<Text, _>(row.reply)?,
                }
            }
            out.push_sql(" END");
        }
        out.push_sql(" WHERE ");
        out.push_identifier("id")?;
        for (position, row) in self.finished.iter().enumerate() {
            out.push_sql(if position == 0 { " IN (" } else { ", " });
            out.push_bind_param::<Text, _>(row.id)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for FinishJobs<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<Db> for FinishJobs<'_> {}
