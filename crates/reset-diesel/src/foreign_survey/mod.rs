//! Another system's users table as it is: the plan that follows, and what an operator should know before.
//!
//! Compiled once for each engine that has one, like `queries`.

mod columns;
mod survey;

use diesel::QueryResult;

pub(super) use self::survey::survey;
use super::engine::{Db, SPEECH};
use crate::foreign_users::{Columns, Mapping, Plan, Unfit};

/// The statements for the users table as it is.
pub(super) fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, Unfit>> {
    let (mapping, columns, sessions) = found(db, mapping)?;
    Ok(Plan::new(&mapping, SPEECH, &columns, &sessions))
}

/// The mapping, the columns of the users table, and those of the sessions table. The mapping's schema is the one where
/// the tables were found, so that no later change of a search path leads elsewhere.
fn found(db: &mut Db, mapping: &Mapping) -> QueryResult<(Mapping, Columns, Columns)> {
    let mut mapping = mapping.clone();
    let (schema, columns) = columns::columns(db, mapping.schema.as_ref(), &mapping.table)?;
    mapping.schema = schema.or(mapping.schema);
    let mut theirs = Columns::new();
    if let Some(sessions) = &mut mapping.sessions {
        let wanted = sessions.schema.as_ref().or(mapping.schema.as_ref());
        let (schema, columns) = columns::columns(db, wanted, &sessions.table)?;
        sessions.schema = schema.or(sessions.schema.take());
        theirs = columns;
    }
    Ok((mapping, columns, theirs))
}
