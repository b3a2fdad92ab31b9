//! Inspection of another system's users table: the statements for it, and a report for operators.
//!
//! Compiled once for each server engine, like `queries`.

mod checks;
mod columns;
mod survey;

use diesel::QueryResult;

pub(super) use self::survey::survey;
use super::engine::{Db, SYNTAX};
use crate::foreign_users::{Columns, Mapping, MappingError, Plan, SaltColumn};

/// Inspects the users table, checks that this role can do what a reset does, and returns the statements for it.
pub(super) fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
    let found = resolve(db, mapping)?;
    let plan = match found.plan() {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = checks::units(db, &found)? {
        return Ok(Err(error));
    }
    if let Some(error) = checks::hidden_salt(db, &found)? {
        return Ok(Err(error));
    }
    if let Some(error) = checks::hidden_rows(db, &found, None)?.into_iter().next() {
        return Ok(Err(error));
    }
    Ok(checks::rejected(db, &found, &plan)?.map_or(Ok(plan), Err))
}

/// A mapping with the columns that the database has.
struct Found {
    /// The mapping. It names the schemas in which the tables were found, so that a later change of the search path has no
    /// effect, and the column of the salt.
    mapping: Mapping,
    /// The columns of the users table.
    columns: Columns,
    /// The columns of the tables of [`Mapping::deleted`].
    others: Vec<Columns>,
    /// Whether no setting says where the salt is.
    detects_salt: bool,
}

impl Found {
    fn plan(&self) -> Result<Plan, MappingError> {
        Plan::new(&self.mapping, SYNTAX, &self.columns, &self.others)
    }
}

/// Looks up the tables of a mapping.
fn resolve(db: &mut Db, mapping: &Mapping) -> QueryResult<Found> {
    let mut mapping = mapping.clone();
    let (schema, columns) = columns::columns(db, mapping.schema.as_ref(), &mapping.table)?;
    mapping.schema = schema.or(mapping.schema);
    let mut others = Vec::new();
    for rows in mapping.sessions.iter_mut().chain(&mut mapping.void) {
        let schema = rows.schema.as_ref().or(mapping.schema.as_ref());
        let (schema, columns) = columns::columns(db, schema, &rows.table)?;
        rows.schema = schema.or(rows.schema.take());
        others.push(columns);
    }
    let detects_salt = mapping.salt == SaltColumn::Detected;
    if detects_salt {
        let salt = columns.keys().find(|name| checks::is_salt(name));
        mapping.salt = checks::name(salt.map(String::as_str)).map_or(SaltColumn::None, SaltColumn::Named);
    }
    Ok(Found { mapping, columns, others, detects_salt })
}
