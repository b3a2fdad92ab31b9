//! Migrating MySQL and MariaDB: one process at a time.
//!
//! DDL is not transactional here. So every statement of a migration may be run again, and its version is recorded
//! when all of it is done: what a killed process began, the next one finishes.

use std::error::Error;

use diesel::{
    connection::SimpleConnection,
    dsl::{count_star, sql},
    insert_into,
    prelude::*,
    select,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    engine::{Db, schema::migrations},
    queries::versions,
};

/// The lock's name, which is the whole server's: so it holds the database's. Names end at 64 letters.
const LOCK: &str = "CONCAT('polyreset.', SHA1(DATABASE()))";
/// How long the process before us may take, in seconds.
const TIMEOUT: u32 = 600;

diesel::table! {
    /// The server's own list of tables.
    information_schema.tables (table_name) {
        table_schema -> Text,
        table_name -> Text,
    }
}

/// Versions that are still to be applied, oldest first. A look makes nothing.
pub(super) fn pending(db: &mut Db) -> QueryResult<Vec<String>> {
    let ours = tables::table
        .filter(tables::table_schema.eq(sql::<Text>("DATABASE()")))
        .filter(tables::table_name.eq("polyreset_migrations"));
    let there = ours.select(count_star()).get_result::<i64>(db)? > 0;
    let applied = if there { versions::applied(db)? } else { Vec::new() };
    Ok(versions::all().into_iter().map(|(version, _)| version).filter(|one| !applied.contains(one)).collect())
}

/// Applies what is pending. The lock ends with the connection at the latest.
pub(super) fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let lock = sql::<Nullable<BigInt>>(&format!("GET_LOCK({LOCK}, {TIMEOUT})"));
    if select(lock).get_result::<Option<i64>>(db)? != Some(1) {
        return Err("another process has been migrating this database for ten minutes".into());
    }
    db.batch_execute(
        "CREATE TABLE IF NOT EXISTS polyreset_migrations \
         (version VARCHAR(64) PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) \
         ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
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
    let unlock = sql::<Nullable<BigInt>>(&format!("RELEASE_LOCK({LOCK})"));
    select(unlock).get_result::<Option<i64>>(db)?;
    Ok(done)
}
