//! The schema's migrations, embedded in the program.

use std::{error::Error, path::Path};

use diesel::{
    dsl::exists,
    migration::MigrationSource,
    prelude::*,
    select,
    sqlite::{Sqlite as Backend, SqliteConnection},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{
    aside,
    connection::Role,
    schema::{__diesel_schema_migrations as applied, sqlite_schema},
};
use crate::OpenError;

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Versions that are still to be applied, oldest first. A look makes no file, and not even Diesel's own table.
pub(crate) async fn pending(path: &Path) -> Result<Vec<String>, OpenError> {
    aside(path, |path| {
        if !path.exists() {
            return Ok(versions());
        }
        let mut db = Role::Reader.connect(&path)?;
        let applied = applied_versions(&mut db).map_err(|error| error.to_string())?;
        Ok(versions().into_iter().filter(|version| !applied.contains(version)).collect())
    })
    .await
}

/// Applies what is pending in one transaction, which holds SQLite's write lock from the first look to the
/// commit: of several processes one migrates, the others wait and then find nothing to do.
pub(crate) async fn migrate(path: &Path) -> Result<Vec<String>, OpenError> {
    aside(path, |path| {
        let mut db = Role::Writer.connect(&path)?;
        let migrated = db.immediate_transaction(|db| {
            let versions = db.run_pending_migrations(MIGRATIONS)?;
            Ok(versions.iter().map(ToString::to_string).collect())
        });
        migrated.map_err(|error: Box<dyn Error + Send + Sync>| format!("the migration failed: {error}"))
    })
    .await
}

/// Whether the migration `version` was applied.
pub(super) fn is_applied(db: &mut SqliteConnection, version: &str) -> QueryResult<bool> {
    select(exists(applied::table.filter(applied::version.eq(version)))).get_result(db)
}

/// The newest version this program knows.
pub(super) fn newest() -> String {
    versions().pop().expect("there is a first migration")
}

fn versions() -> Vec<String> {
    let all = MigrationSource::<Backend>::migrations(&MIGRATIONS).expect("names that the macro has checked");
    let mut versions: Vec<String> =
        all.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    versions
}

fn applied_versions(db: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let table = sqlite_schema::table.filter(sqlite_schema::name.eq("__diesel_schema_migrations"));
    if select(exists(table)).get_result(db)? {
        applied::table.select(applied::version).load(db)
    } else {
        Ok(Vec::new())
    }
}
