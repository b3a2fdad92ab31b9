//! Migration of MySQL and MariaDB, by one process at a time.
//!
//! DDL is not transactional here. Therefore every statement of a migration can be run again, and the version is
//! recorded only after the last statement. If a process is killed during a migration, the next process completes it.
//!
//! The lock belongs to one server. On a Galera cluster, processes that migrate through different nodes run the same
//! statements at once: the cluster executes them in one order on every node, all but one process conflict when they
//! record the version, and these find it recorded when they try again.

use std::{error::Error, thread, time::Duration};

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
use crate::SchemaDifference;

/// Name of the lock. Lock names are global on the server, so the name contains a hash of the database's name. Names
/// have at most 64 characters.
const LOCK: &str = "CONCAT('polyreset.', SHA1(DATABASE()))";
/// Time to wait for another process to migrate, in seconds.
const TIMEOUT: u32 = 600;
/// Maximum number of attempts while other nodes of a cluster migrate, and the delay after the first; later delays are
/// multiples of it.
const CONFLICT_ATTEMPTS: u32 = 10;
const CONFLICT_DELAY: Duration = Duration::from_millis(100);

diesel::table! {
    /// The server's catalog of tables.
    information_schema.tables (table_name) {
        table_schema -> Text,
        table_name -> Text,
    }
}

/// Compares the schema with the migrations of this program. Creates nothing.
pub(super) fn schema_difference(db: &mut Db) -> QueryResult<SchemaDifference> {
    let record = tables::table
        .filter(tables::table_schema.eq(sql::<Text>("DATABASE()")))
        .filter(tables::table_name.eq("polyreset_migrations"));
    let exists = record.select(count_star()).get_result::<i64>(db)? > 0;
    let applied = if exists { versions::applied(db)? } else { Vec::new() };
    Ok(versions::difference(&applied))
}

/// Applies the pending migrations. If an error leaves the lock held, closing the connection releases it.
pub(super) fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let lock = sql::<Nullable<BigInt>>(&format!("GET_LOCK({LOCK}, {TIMEOUT})"));
    if select(lock).get_result::<Option<i64>>(db)? != Some(1) {
        return Err("timeout: another process has been migrating this database for ten minutes".into());
    }
    let mut migrated = Vec::new();
    let mut attempt = 1;
    while let Err(error) = apply(db, &mut migrated) {
        if attempt == CONFLICT_ATTEMPTS || !is_conflict(&*error) {
            return Err(error);
        }
        thread::sleep(CONFLICT_DELAY * attempt);
        attempt += 1;
    }
    let unlock = sql::<Nullable<BigInt>>(&format!("RELEASE_LOCK({LOCK})"));
    select(unlock).get_result::<Option<i64>>(db)?;
    Ok(migrated)
}

/// Applies the pending migrations and adds the version of each to `migrated`.
fn apply(db: &mut Db, migrated: &mut Vec<String>) -> Result<(), Box<dyn Error + Send + Sync>> {
    db.batch_execute(
        "CREATE TABLE IF NOT EXISTS polyreset_migrations \
         (version VARCHAR(64) PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) \
         ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )?;
    let applied = versions::applied(db)?;
    for (version, migration) in versions::all() {
        if applied.contains(&version) {
            continue;
        }
        migration.run(db)?;
        insert_into(migrations::table).values(migrations::version.eq(&version)).execute(db)?;
        migrated.push(version);
    }
    Ok(())
}

/// Whether another node of a cluster migrated at the same time.
fn is_conflict(error: &(dyn Error + Send + Sync)) -> bool {
    // Errors of a migration's own statements have a type without the server's error code.
    let message = error.to_string().to_lowercase();
    ["deadlock", "duplicate entry"].iter().any(|words| message.contains(words))
}
