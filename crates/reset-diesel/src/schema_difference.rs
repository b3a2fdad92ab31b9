//! How the schema of a database differs from the migrations of this program.

use crate::{Database, OpenEngine, OpenError, server, sqlite};

/// The migrations that a database and this program do not share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaDifference {
    /// Versions of this program's migrations that were not applied yet, oldest first.
    pub pending: Vec<String>,
    /// Versions of applied migrations that this program does not have, oldest first: a newer program applied them.
    pub newer: Vec<String>,
}

impl SchemaDifference {
    /// Compares the versions of this program's migrations, oldest first, with the applied ones.
    pub(crate) fn of(own: Vec<String>, applied: &[String]) -> Self {
        let mut newer: Vec<String> =
            applied.iter().filter(|version| !own.contains(version)).cloned().collect();
        newer.sort();
        Self { pending: own.into_iter().filter(|version| !applied.contains(version)).collect(), newer }
    }
}

impl Database {
    /// Compares the schema of the database with the migrations of this program. Does not create a missing SQLite file.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn schema(&self) -> Result<SchemaDifference, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) => sqlite::schema_difference(path).await,
            OpenEngine::Postgres(address) => server::schema_difference(self.postgres(address)?).await,
            OpenEngine::Mysql(address) => server::schema_difference(self.mysql(address)?).await,
        }
    }

    /// Returns the versions of the pending migrations. Does not create a missing SQLite file.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn pending(&self) -> Result<Vec<String>, OpenError> {
        Ok(self.schema().await?.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_has_pending_and_newer_migrations_oldest_first() {
        let versions = |all: &[&str]| all.iter().map(|version| (*version).to_owned()).collect::<Vec<_>>();
        let of = |own: &[&str], applied: &[&str]| SchemaDifference::of(versions(own), &versions(applied));
        assert_eq!(of(&["1", "2"], &["2", "1"]), SchemaDifference::default());
        let both = of(&["1", "2", "3"], &["9", "1", "8"]);
        assert_eq!((both.pending, both.newer), (versions(&["2", "3"]), versions(&["8", "9"])));
    }
}
