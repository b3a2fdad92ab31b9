//! Migration of PostgreSQL: all pending migrations in one transaction, by one process at a time.

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
use crate::SchemaDifference;

/// Key of the advisory lock: the ASCII codes of `polyrese`, which no other application is likely to use.
const LOCK: i64 = 0x706f_6c79_7265_7365;

/// Compares the schema with the migrations of this program. Creates nothing.
pub(super) fn schema_difference(db: &mut Db) -> QueryResult<SchemaDifference> {
    db.batch_execute("BEGIN READ ONLY")?;
    let applied =
        if exists(db, "to_regclass", "polyreset.migrations")? { versions::applied(db)? } else { Vec::new() };
    db.batch_execute("COMMIT")?;
    Ok(versions::difference(&applied))
}

/// Applies the pending migrations. On an error the caller drops the connection, which rolls everything back.
pub(super) fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    // The lock belongs to the transaction, because behind a pooler the session is shared.
    db.batch_execute(&format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; SET LOCAL statement_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK})"
    ))?;
    // IF NOT EXISTS would require the privilege to create schemas even if an administrator has already created this
    // one.
    if !exists(db, "to_regnamespace", "polyreset")? {
        db.batch_execute("CREATE SCHEMA polyreset")?;
    }
    db.batch_execute(
        "CREATE TABLE IF NOT EXISTS polyreset.migrations \
         (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    )?;
    let applied = versions::applied(db)?;
    let mut migrated = Vec::new();
    for (version, migration) in versions::all() {
        if applied.contains(&version) {
            continue;
        }
        migration.run(db)?;
        insert_into(migrations::table).values(migrations::version.eq(&version)).execute(db)?;
        migrated.push(version);
    }
    db.batch_execute("COMMIT")?;
    Ok(migrated)
}

/// Whether `name` exists, according to one of PostgreSQL's lookup functions such as `to_regclass`.
fn exists(db: &mut Db, lookup: &str, name: &str) -> QueryResult<bool> {
    let found = sql::<Bool>(&format!("{lookup}(")).bind::<Text, _>(name).sql(") IS NOT NULL");
    select(found).get_result(db)
}
