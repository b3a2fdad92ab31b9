//! Migration versions: those of this program, and those applied to a database.

use diesel::{
    dsl::exists,
    migration::{Migration, MigrationSource},
    prelude::*,
    select,
};

use super::engine::{Backend, Db, MIGRATIONS, schema::migrations};
use crate::SchemaDifference;

/// Whether the migration `version` was applied.
pub(in super::super) fn is_applied(db: &mut Db, version: &str) -> QueryResult<bool> {
    select(exists(migrations::table.filter(migrations::version.eq(version)))).get_result(db)
}

/// Returns the applied versions. The table must exist.
pub(in super::super) fn applied(db: &mut Db) -> QueryResult<Vec<String>> {
    migrations::table.select(migrations::version).load(db)
}

/// Compares the applied versions with those of this program.
pub(in super::super) fn difference(applied: &[String]) -> SchemaDifference {
    SchemaDifference::of(all().into_iter().map(|(version, _)| version).collect(), applied)
}

/// Returns all migrations of this program, oldest first.
pub(in super::super) fn all() -> Vec<(String, Box<dyn Migration<Backend>>)> {
    let all = MigrationSource::<Backend>::migrations(&MIGRATIONS).expect("the macro has checked the names");
    let mut all: Vec<_> =
        all.into_iter().map(|migration| (migration.name().version().to_string(), migration)).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// Returns the newest version of this program.
pub(in super::super) fn newest() -> String {
    all().pop().expect("there is at least one migration").0
}
