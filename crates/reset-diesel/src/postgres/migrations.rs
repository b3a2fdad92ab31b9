//! Migrating PostgreSQL: everything that is pending in one transaction, one process at a time.

use std::error::Error;

use diesel::{
    connection::SimpleConnection,
    dsl::sql,
    insert_into,
    prelude::*,
    select,
    sql_types::{Bool, Text},
};

use super::{
    engine::{Db, schema::migrations},
    queries::versions,
};

/// What the lock is called: any number that nobody else uses.
const LOCK: i64 = 0x706f_6c79_7265_7365;

/// Versions that are still to be applied, oldest first. A look makes nothing.
pub(super) fn pending(db: &mut Db) -> QueryResult<Vec<String>> {
    db.batch_execute("BEGIN READ ONLY")?;
    let applied =
        if exists(db, "to_regclass", "polyreset.migrations")? { versions::applied(db)? } else { Vec::new() };
    db.batch_execute("COMMIT")?;
    Ok(versions::all().into_iter().map(|(version, _)| version).filter(|one| !applied.contains(one)).collect())
}

/// Applies what is pending. A connection that is dropped on an error takes everything back.
pub(super) fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    // The lock is the transaction's and not the session's, which behind a pooler is somebody else's.
    db.batch_execute(&format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; SET LOCAL statement_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK})"
    ))?;
    // Not IF NOT EXISTS: that asks for the right to make schemas even where somebody made ours for us.
    if !exists(db, "to_regnamespace", "polyreset")? {
        db.batch_execute("CREATE SCHEMA polyreset")?;
    }
    db.batch_execute(
        "CREATE TABLE IF NOT EXISTS polyreset.migrations \
         (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    )?;
    let applied = versions::applied(db)?;
    let mut done = Vec::new();
    for (version, migration) in versions::all() {
        if applied.contains(&version) {
            continue;
        }
        migration.run(db)?;
        insert_into(migrations::table).values(migrations::version.eq(&version)).execute(db)?;
        done.push(version);
    }
    db.batch_execute("COMMIT")?;
    Ok(done)
}

/// Whether one of PostgreSQL's look-ups finds `name`.
fn exists(db: &mut Db, look_up: &str, name: &str) -> QueryResult<bool> {
    let found = sql::<Bool>(&format!("{look_up}(")).bind::<Text, _>(name).sql(") IS NOT NULL");
    select(found).get_result(db)
}
