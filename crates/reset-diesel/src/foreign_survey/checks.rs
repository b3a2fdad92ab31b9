//! Checks of what the first reset would find: missing privileges, hidden rows, and times in another unit.

use diesel::{
    QueryableByName,
    connection::SimpleConnection,
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    super::{
        describe::{BEGIN_PROBE, END_PROBE, PROBE, all_columns, tables_hiding_rows},
        engine::{Db, SYNTAX},
    },
    Found,
};
use crate::foreign_users::{MappingError, Name, Plan, SqlSyntax, TimeUnit, qualified, quoted, unit};

/// What to do about a rejected statement.
const FIX: &str = match SYNTAX {
    SqlSyntax::Sqlite => "check the triggers and generated columns of the table",
    SqlSyntax::Postgres | SqlSyntax::Mysql => "run the GRANT statements that `adopt --dry-run` prints",
};

/// Milliseconds since the Unix epoch on 1973-03-03. As seconds, it is in the year 5138.
const LEAST_MILLISECONDS: i64 = 100_000_000_000;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Whether a column of this name holds a salt.
pub(super) fn is_salt(column: &str) -> bool {
    column.to_ascii_lowercase().ends_with("salt")
}

/// Returns the name, if it is one.
pub(super) fn name(text: Option<&str>) -> Option<Name> {
    text.and_then(|text| Name::parse(text).ok())
}

/// Checks one value of each integer column of times: is it in the assumed unit?
pub(super) fn units(db: &mut Db, found: &Found) -> QueryResult<Result<(), MappingError>> {
    let mapping = &found.mapping;
    let table = qualified(SYNTAX, mapping.schema.as_ref(), &mapping.table);
    let times = [
        (&mapping.created_at, "created_at"),
        (&mapping.updated_at, "updated_at"),
        (&mapping.password_changed_at, "password_changed_at"),
    ];
    for (name, setting) in times {
        let Some(name) = name else { continue };
        let column = found.columns.get(name.as_str()).filter(|column| column.kind.is_integer());
        let Some(column) = column else { continue };
        let unit = unit(mapping, column);
        let quoted = quoted(SYNTAX, name);
        // SQLite's times are read and written as each row has them.
        if SYNTAX == SqlSyntax::Sqlite && mapping.time_unit.is_none() {
            continue;
        }
        let number = if SYNTAX == SqlSyntax::Mysql { "SIGNED" } else { "bigint" };
        let sample =
            format!("SELECT CAST({quoted} AS {number}) AS number FROM {table} WHERE {quoted} > 0 LIMIT 1");
        let sample: Option<Number> = sql_query(sample).get_result(db).optional()?;
        let is_milliseconds = |sample: &Number| sample.number >= LEAST_MILLISECONDS;
        if sample.is_some_and(|sample| is_milliseconds(&sample) != (unit == TimeUnit::Milliseconds)) {
            let unit = if unit == TimeUnit::Seconds { "seconds" } else { "milliseconds" };
            return Ok(Err(MappingError::OtherUnit { setting, column: name.to_string(), unit }));
        }
    }
    Ok(Ok(()))
}

/// Returns an error if there is a column with a salt that this role may not read.
pub(super) fn hidden_salt(db: &mut Db, found: &Found) -> QueryResult<Option<MappingError>> {
    if !found.detects_salt {
        return Ok(None);
    }
    let table = qualified(SYNTAX, found.mapping.schema.as_ref(), &found.mapping.table);
    let all = all_columns(db, &table)?;
    let hidden = all.into_iter().find(|name| is_salt(name) && !found.columns.contains_key(name));
    Ok(hidden.map(|column| MappingError::NoColumn { setting: "salt".to_owned(), table, column }))
}

/// Returns an error for each table whose rows row-level security hides from `role`, or from this one.
pub(super) fn hidden_rows(db: &mut Db, found: &Found, role: Option<&str>) -> QueryResult<Vec<MappingError>> {
    let mapping = &found.mapping;
    let users = qualified(SYNTAX, mapping.schema.as_ref(), &mapping.table);
    let mut tables = vec![(users, "table", "r,w", "no mail is sent")];
    tables.extend(mapping.deleted().map(|(rows, setting)| {
        let effect = match setting {
            "sessions" => "no session ends",
            _ => "the other system's resets stay valid",
        };
        (qualified(SYNTAX, rows.schema.as_ref(), &rows.table), setting, "r,d", effect)
    }));
    let mut errors = Vec::new();
    for (table, setting, commands, effect) in tables {
        for table in tables_hiding_rows(db, &table, commands, role)? {
            errors.push(MappingError::HiddenRows { setting, table, effect });
        }
    }
    Ok(errors)
}

/// Runs the statements without any row and returns the first one that the database rejects.
pub(super) fn rejected(db: &mut Db, found: &Found, plan: &Plan) -> QueryResult<Option<MappingError>> {
    db.batch_execute(BEGIN_PROBE)?;
    let rejected = first_rejected(db, found, plan);
    // After a rejection, PostgreSQL's transaction accepts nothing else until it ends.
    if matches!(rejected, Ok(None)) || !BEGIN_PROBE.is_empty() {
        db.batch_execute(END_PROBE)?;
    }
    rejected
}

fn first_rejected(db: &mut Db, found: &Found, plan: &Plan) -> QueryResult<Option<MappingError>> {
    let mapping = &found.mapping;
    let table = qualified(SYNTAX, mapping.schema.as_ref(), &mapping.table);
    if let Some(reason) = probe(db, &plan.by_id, 1)? {
        let what = format!("reading {table}");
        return Ok(Some(MappingError::Rejected { setting: "table", what, reason, fix: FIX }));
    }
    let roles = mapping.columns();
    for name in mapping.written() {
        let column = quoted(SYNTAX, name);
        if let Some(reason) = probe(db, &format!("UPDATE {table} SET {column} = NULL WHERE 1 = 0"), 0)? {
            let setting =
                roles.iter().rev().find(|(known, _)| *known == name).map_or("table", |(_, role)| role);
            let what = format!("writing the column {column} of {table}");
            return Ok(Some(MappingError::Rejected { setting, what, reason, fix: FIX }));
        }
    }
    for (statement, parameters) in [(&plan.lock, 1), (&plan.set_password, if plan.stamps { 3 } else { 2 })] {
        if let Some(reason) = probe(db, statement, parameters)? {
            let what = format!("updating {table}");
            return Ok(Some(MappingError::Rejected { setting: "table", what, reason, fix: FIX }));
        }
    }
    for delete in &plan.deletes {
        if let Some(reason) = probe(db, &delete.statement, 1)? {
            let what = format!("deleting from {}", delete.table);
            return Ok(Some(MappingError::Rejected { setting: delete.setting, what, reason, fix: FIX }));
        }
    }
    Ok(None)
}

/// Runs a statement with NULL for each parameter, which no row matches. Returns the database's reason if it rejects the
/// statement.
fn probe(db: &mut Db, statement: &str, parameters: usize) -> QueryResult<Option<String>> {
    let mut query = sql_query(format!("{PROBE}{statement}")).into_boxed();
    for _ in 0..parameters {
        query = query.bind::<Nullable<Text>, _>(None::<String>);
    }
    match query.execute(db) {
        Ok(_) => Ok(None),
        Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, info)) => {
            Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, info))
        }
        // A replica cannot serve now, but that says nothing about the mapping.
        Err(Error::DatabaseError(_, info)) if is_read_only(info.message()) => Ok(None),
        Err(Error::DatabaseError(_, info)) => Ok(Some(info.message().to_owned())),
        Err(error) => Err(error),
    }
}

fn is_read_only(message: &str) -> bool {
    ["read-only", "read only", "super-read"].iter().any(|part| message.contains(part))
}
