//! What polyreset remembers: the [`Store`] port on Diesel, one module an engine.
//!
//! The URL chooses the engine. The queries are written once, in `queries`, and compiled for each engine against its
//! module `engine`. To add one: a module beside `sqlite`, a folder in `migrations`, a line in [`Database::at`]; it is
//! done when `reset_testkit::store_contract!` is green on it.

#![expect(clippy::duplicate_mod, reason = "the queries are compiled once for each engine")]

mod fault;
pub mod foreign_users;
mod mysql;
mod postgres;
mod roots;
mod schema;
mod server;
mod sqlite;
#[cfg(test)]
mod tests;
mod thread_pool;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reset_core::ports::Store;
use thiserror::Error;

use self::{
    foreign_users::{Mapping, Survey, Unfit},
    mysql::Mysql,
    postgres::Postgres,
    server::ServerStore,
};

/// A database by its address. Making one touches nothing.
#[derive(Clone, Debug)]
pub struct Database {
    engine: OpenEngine,
    options: Options,
    users: Option<Mapping>,
}

#[derive(Clone)]
enum OpenEngine {
    Sqlite(PathBuf),
    Postgres(postgres::Address),
    Mysql(mysql::Address),
}

impl fmt::Debug for OpenEngine {
    /// The engine alone: an address holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::Mysql(_) => f.write_str("Mysql"),
        }
    }
}

/// How a server is used. SQLite has no use for any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Connections, each on a thread of its own. Default 10.
    pub connections: u32,
    /// Longest time to connect to one server, and longest wait for a connection to be free. Default 5 s.
    pub connect_timeout: Duration,
    /// Longest time for one statement. Default 5 s.
    pub statement_timeout: Duration,
    /// What is between us and PostgreSQL. Default nothing.
    pub pooler: Pooler,
}

/// What is between us and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that keeps our sessions apart.
    None,
    /// Something like PgBouncer in transaction mode: a session is ours for one transaction only.
    Transaction,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 10,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            pooler: Pooler::None,
        }
    }
}

/// Why a database was not opened or migrated. The texts name the fix, and never a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no engine for the URL.
    #[error(
        "no database engine for `{0}`; supported: `sqlite://PATH`, `postgres://…`, `mysql://…` (MySQL and MariaDB)"
    )]
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
    /// The URL of a server cannot be read.
    #[error("not an address of a {engine} server: {expected}")]
    Address {
        /// Whose URL it is.
        engine: &'static str,
        /// How it has to look.
        expected: &'static str,
    },
    /// The trust anchors cannot be read.
    #[error("{of}: {reason}; name a PEM file with the certificate of the database's CA")]
    Certificates {
        /// The file, or the system's.
        of: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The users table is not as it is said to be.
    #[error(transparent)]
    Unfit(Unfit),
    /// The server could not be reached, or refused.
    #[error("the {engine} database: {reason}")]
    Server {
        /// What kind of server.
        engine: &'static str,
        /// What the system or the server said.
        reason: String,
    },
}

impl Database {
    /// Reads the address: `sqlite://reset.db` lies in the working directory, `sqlite:///var/lib/reset.db` is
    /// absolute; `postgres://` and `postgresql://`, `mysql://` and `mariadb://` name a server.
    ///
    /// # Errors
    /// [`OpenError::Unsupported`], [`OpenError::Path`] and [`OpenError::Address`].
    pub fn at(url: &str) -> Result<Self, OpenError> {
        let engine = match url.split_once("://") {
            Some(("sqlite", path)) => OpenEngine::Sqlite(sqlite::path(path)?),
            Some(("postgres" | "postgresql", _)) => OpenEngine::Postgres(postgres::Address::read(url)?),
            Some(("mysql" | "mariadb", _)) => OpenEngine::Mysql(mysql::Address::read(url)?),
            // What follows the scheme may hold a password.
            Some((scheme, _)) => return Err(OpenError::Unsupported(format!("{scheme}://…"))),
            None => return Err(OpenError::Unsupported("a URL without a scheme".to_owned())),
        };
        Ok(Self { engine, options: Options::default(), users: None })
    }

    /// The same database, used as `options` say.
    pub fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same database, with the accounts in another system's table, where there is a mapping. SQLite has our own
    /// alone.
    pub fn with_users(self, users: Option<Mapping>) -> Self {
        Self { users, ..self }
    }

    /// The file, where the database is embedded in this process: then no other server works on it, its
    /// schema may be migrated at start, and [`release`](reset_core::ports::Jobs::release) is safe.
    pub fn file(&self) -> Option<&Path> {
        match &self.engine {
            OpenEngine::Sqlite(path) => Some(path),
            OpenEngine::Postgres(_) | OpenEngine::Mysql(_) => None,
        }
    }

    /// Whether it is reached over a network, and the server does not have to show that it is the right one.
    pub fn is_unverified(&self) -> bool {
        match &self.engine {
            OpenEngine::Sqlite(_) => false,
            OpenEngine::Postgres(address) => address.is_unverified(),
            OpenEngine::Mysql(address) => address.is_unverified(),
        }
    }

    /// Whether there may be a pooler in transaction mode before it.
    pub fn may_be_pooled(&self) -> bool {
        matches!(self.engine, OpenEngine::Postgres(_))
    }

    /// The versions of the migrations that are still to be applied. Makes no database where there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pending(&self) -> Result<Vec<String>, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) => sqlite::pending(path).await,
            OpenEngine::Postgres(address) => server::pending(self.postgres(address)?).await,
            OpenEngine::Mysql(address) => server::pending(self.mysql(address)?).await,
        }
    }

    /// Applies what is pending and returns the versions: all of it or nothing, but on MySQL, where what was begun is
    /// finished by the next call. Any number of processes may do so at once: each migration is applied by one of
    /// them.
    ///
    /// # Errors
    /// When the database cannot be opened, or a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) => sqlite::migrate(path).await,
            OpenEngine::Postgres(address) => server::migrate(self.postgres(address)?).await,
            OpenEngine::Mysql(address) => server::migrate(self.mysql(address)?).await,
        }
    }

    /// Opens the database for use, and makes it if it is a file and there is none. It migrates nothing: until
    /// [`Self::migrate`] has run, [`Store::ready`] fails.
    ///
    /// # Errors
    /// When the database cannot be opened, or the users table is not as it is said to be.
    pub async fn open(&self) -> Result<Arc<dyn Store>, OpenError> {
        let users = self.users.as_ref();
        Ok(match &self.engine {
            OpenEngine::Sqlite(path) => Arc::new(sqlite::Sqlite::open(path).await?),
            OpenEngine::Postgres(address) => {
                Arc::new(ServerStore::open(self.postgres(address)?, users).await?)
            }
            OpenEngine::Mysql(address) => Arc::new(ServerStore::open(self.mysql(address)?, users).await?),
        })
    }

    /// Looks at the users table of another system, and says what would be done with it by `role`; changes nothing.
    /// Nothing where the table is our own.
    ///
    /// # Errors
    /// When the database cannot be opened, or the users table is not as it is said to be.
    pub async fn survey(&self, role: &str) -> Result<Option<Survey>, OpenError> {
        let Some(mapping) = self.users.clone() else { return Ok(None) };
        let role = role.to_owned();
        match &self.engine {
            OpenEngine::Sqlite(_) => Ok(None),
            OpenEngine::Postgres(address) => {
                server::survey(self.postgres(address)?, mapping, role).await.map(Some)
            }
            OpenEngine::Mysql(address) => server::survey(self.mysql(address)?, mapping, role).await.map(Some),
        }
    }

    fn postgres(&self, address: &postgres::Address) -> Result<Postgres, OpenError> {
        Postgres::new(address.clone(), self.options.clone())
    }

    fn mysql(&self, address: &mysql::Address) -> Result<Mysql, OpenError> {
        Mysql::new(address, self.options.clone())
    }
}

#[cfg(test)]
mod addresses {
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
        let sentence = refused("oracle://reset:hunter2@db/reset");
        assert_eq!(
            sentence,
            "no database engine for `oracle://…`; supported: `sqlite://PATH`, `postgres://…`, `mysql://…` (MySQL and MariaDB)"
        );
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
