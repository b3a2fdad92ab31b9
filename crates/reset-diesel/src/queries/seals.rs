//! The statement that seals events.

use diesel::{
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    query_source::QuerySource,
    sql_types::{BigInt, Binary},
};
use reset_core::audit::Mark;

use super::super::engine::{Backend, Db, schema::events};

/// Events that one statement seals.
pub(super) const SEALS_MOST: usize = 64;

/// The statement that sets the places and seals of events, given with their numbers. One statement for many rows, because
/// under load a database server would spend more on a statement each than on everything else.
pub(super) struct SetSeals<'a> {
    table: <events::table as QuerySource>::FromClause,
    seals: &'a [(i64, Mark)],
}

impl<'a> SetSeals<'a> {
    pub(super) fn new(seals: &'a [(i64, Mark)]) -> Self {
        Self { table: events::table.from_clause(), seals }
    }
}

impl QueryFragment<Backend> for SetSeals<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        for (position, column) in ["place", "seal"].into_iter().enumerate() {
            out.push_sql(if position == 0 { " SET " } else { ", " });
            out.push_identifier(column)?;
            out.push_sql(" = CASE ");
            out.push_identifier("seq")?;
            for (seq, mark) in self.seals {
                out.push_sql(" WHEN ");
                out.push_bind_param::<BigInt, _>(seq)?;
                out.push_sql(" THEN ");
                match position {
                    0 => out.push_bind_param::<BigInt, _>(&mark.place)?,
                    _ => out.push_bind_param::<Binary, _>(mark.seal.as_bytes())?,
                }
            }
            out.push_sql(" END");
        }
        out.push_sql(" WHERE ");
        out.push_identifier("seq")?;
        for (position, (seq, _)) in self.seals.iter().enumerate() {
            out.push_sql(if position == 0 { " IN (" } else { ", " });
            out.push_bind_param::<BigInt, _>(seq)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for SetSeals<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<Db> for SetSeals<'_> {}
