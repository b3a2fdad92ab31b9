//! Inspection of another system's users table: the statements for it, and a report for operators.
//!
//! Compiled once for each server engine, like `queries`.

mod columns;
mod survey;

use diesel::QueryResult;

pub(super) use self::survey::survey;
use super::engine::{Db, SYNTAX};
use crate::foreign_users::{Columns, Mapping, MappingError, Plan};

/// Inspects the users table and returns the statements for it.
pub(super) fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
    let (mapping, columns, sessions) = resolve(db, mapping)?;
    Ok(Plan::new(&mapping, SYNTAX, &columns, &sessions))
}

/// Returns the mapping, the columns of the users table, and those of the sessions table. The returned mapping names
/// the schemas in which the tables were found, so that a later change of the search path has no effect.
fn resolve(db: &mut Db, mapping: &Mapping) -> QueryResult<(Mapping, Columns, Columns)> {
    let mut mapping = mapping.clone();
    let (schema, columns) = columns::columns(db, mapping.schema.as_ref(), &mapping.table)?;
    mapping.schema = schema.or(mapping.schema);
    let mut session_columns = Columns::new();
    if let Some(sessions) = &mut mapping.sessions {
        let schema = sessions.schema.as_ref().or(mapping.schema.as_ref());
        let (schema, columns) = columns::columns(db, schema, &sessions.table)?;
        sessions.schema = schema.or(sessions.schema.take());
        session_columns = columns;
    }
    Ok((mapping, columns, session_columns))
}
