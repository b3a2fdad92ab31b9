//! Migration of a SQLite file.

use std::{error::Error, path::Path};

use diesel::{dsl::exists, prelude::*, select, sqlite::SqliteConnection};
use diesel_migrations::MigrationHarness;

pub(super) use super::engine::MIGRATIONS;
use super::{connection::Role, on_own_thread, queries::versions, schema::sqlite_schema};
use crate::{OpenError, SchemaDifference};

/// Compares the schema with the migrations of this program. Creates neither the file nor Diesel's own table.
pub(crate) async fn schema_difference(path: &Path) -> Result<SchemaDifference, OpenError> {
    on_own_thread(path, |path| {
        if !path.exists() {
            return Ok(versions::difference(&[]));
        }
        let mut db = Role::Reader.connect(&path)?;
        let applied = applied_versions(&mut db).map_err(|error| error.to_string())?;
        Ok(versions::difference(&applied))
    })
    .await
}

/// Applies the pending migrations in one transaction, which holds SQLite's write lock from its first query to the
/// commit. Of several processes one migrates; the others wait and then find nothing to do.
pub(crate) async fn migrate(path: &Path) -> Result<Vec<String>, OpenError> {
    on_own_thread(path, |path| {
        let mut db = Role::Writer.connect(&path)?;
        let migrated = db.immediate_transaction(|db| {
            let versions = db.run_pending_migrations(MIGRATIONS)?;
            Ok(versions.iter().map(ToString::to_string).collect())
        });
        migrated.map_err(|error: Box<dyn Error + Send + Sync>| format!("the migration failed: {error}"))
    })
    .await
}

fn applied_versions(db: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let table = sqlite_schema::table.filter(sqlite_schema::name.eq("__diesel_schema_migrations"));
    if select(exists(table)).get_result(db)? { versions::applied(db) } else { Ok(Vec::new()) }
}
