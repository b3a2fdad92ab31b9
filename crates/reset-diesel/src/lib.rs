//! What polyreset remembers: the [`Store`] port on Diesel, one module an engine.
//!
//! The URL chooses the engine. To add one: a module beside `sqlite`, a folder in `migrations`, a line in
//! [`Database::at`]; it is done when `reset_core::store_contract!` is green on it.

pub mod adopted;
mod sqlite;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use reset_core::ports::Store;
use thiserror::Error;

/// A database by its address. Making one touches nothing.
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(PathBuf),
}

/// Why a database was not opened or migrated. The texts name the fix, and never a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no engine for the URL.
    #[error("no database engine for `{0}`; supported: `sqlite://PATH`")]
    Unsupported(String),
    /// The URL names no file that could be opened.
    #[error("`{0}` is no path of a SQLite file; write `sqlite://reset.db` or `sqlite:///var/lib/reset.db`")]
    Path(String),
    /// The file could not be made, opened or migrated.
    #[error("cannot open the database {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system or the engine said.
        reason: String,
    },
}

impl Database {
    /// Reads the address: `sqlite://reset.db` lies in the working directory, `sqlite:///var/lib/reset.db` is
    /// absolute.
    ///
    /// # Errors
    /// [`OpenError::Unsupported`] and [`OpenError::Path`].
    pub fn at(url: &str) -> Result<Self, OpenError> {
        match url.split_once("://") {
            Some(("sqlite", path)) => Ok(Self { engine: Engine::Sqlite(sqlite::path(path)?) }),
            // What follows the scheme may hold a password.
            Some((scheme, _)) => Err(OpenError::Unsupported(format!("{scheme}://…"))),
            None => Err(OpenError::Unsupported("a URL without a scheme".to_owned())),
        }
    }

    /// The file, where the database is embedded in this process: then no other server works on it, its
    /// schema may be migrated at start, and [`release`](reset_core::ports::Errands::release) is safe.
    pub fn file(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Sqlite(path) => Some(path),
        }
    }

    /// The versions of the migrations that are still to be applied. Makes no database where there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pending(&self) -> Result<Vec<String>, OpenError> {
        match &self.engine {
            Engine::Sqlite(path) => sqlite::pending(path).await,
        }
    }

    /// Applies what is pending, all of it or nothing, and returns the versions. Any number of processes may
    /// do so at once: each migration is applied by one of them.
    ///
    /// # Errors
    /// When the database cannot be opened, or a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>, OpenError> {
        match &self.engine {
            Engine::Sqlite(path) => sqlite::migrate(path).await,
        }
    }

    /// Opens the database for use, and makes it if there is none. It migrates nothing: until
    /// [`Self::migrate`] has run, [`Store::ready`] fails.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn open(&self) -> Result<Arc<dyn Store>, OpenError> {
        match &self.engine {
            Engine::Sqlite(path) => Ok(Arc::new(sqlite::Sqlite::open(path).await?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Database::at(url).expect_err("refused").to_string()
    }

    #[test]
    fn a_path_is_relative_or_absolute() {
        assert_eq!(
            Database::at("sqlite:///var/lib/reset.db").unwrap().file(),
            Some(Path::new("/var/lib/reset.db"))
        );
        let relative = Database::at("sqlite://reset.db").unwrap();
        assert!(relative.file().unwrap().is_absolute() && relative.file().unwrap().ends_with("reset.db"));
        let odd = Database::at("sqlite:///tmp/file:a b%20c").unwrap();
        assert_eq!(odd.file(), Some(Path::new("/tmp/file:a b%20c")));
    }

    #[test]
    fn other_engines_are_refused_with_what_is_supported_and_without_the_password() {
        let sentence = refused("postgres://reset:hunter2@db/reset");
        assert_eq!(sentence, "no database engine for `postgres://…`; supported: `sqlite://PATH`");
        assert!(refused("reset.db").contains("supported: `sqlite://PATH`"));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for url in [
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://reset.db?mode=ro",
            "sqlite:///var/lib/",
            "sqlite://a\0b",
        ] {
            assert!(refused(url).contains("write `sqlite://reset.db`"), "{url}");
        }
    }
}
