//! Storage of polyreset: the [`Store`] port on Diesel, one module per engine.
//!
//! The URL selects the engine. The queries are written once, in `queries`, and compiled for each engine against its
//! module `engine`. To add an engine, add a module next to `sqlite`, a folder in `migrations` and a line in
//! [`Database::at`]; then make the tests of `reset_testkit::store_contract!` pass on it.
//!
//! ```
//! use reset_diesel::Database;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::at("sqlite:reset.db")?;
//! database.migrate().await?;
//! let store = database.open().await?;
//! # let _ = store;
//! # Ok(())
//! # }
//! assert!(Database::at("oracle://db").is_err());
//! ```

#![expect(clippy::duplicate_mod, reason = "the queries are compiled once for each engine")]

mod fault;
pub mod foreign_users;
mod mysql;
mod open_error;
mod postgres;
mod roots;
mod schema;
mod schema_difference;
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

use self::{
    foreign_users::{Extent, Mapping, Survey},
    mysql::Mysql,
    postgres::Postgres,
    server::{ServerEngine as _, ServerStore},
};
pub use self::{open_error::OpenError, schema_difference::SchemaDifference};

/// The address and options of a database. Creating one opens no connection and no file.
#[derive(Clone, Debug)]
pub struct Database {
    engine: OpenEngine,
    options: Options,
    users: Option<Mapping>,
    users_file: Option<PathBuf>,
}

#[derive(Clone)]
enum OpenEngine {
    Sqlite(PathBuf),
    Postgres(postgres::Address),
    Mysql(mysql::Address),
}

impl fmt::Debug for OpenEngine {
    /// Prints only the engine, because an address holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::Mysql(_) => f.write_str("Mysql"),
        }
    }
}

/// Options of a database server. SQLite ignores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of connections, each on its own thread. Default 10.
    pub connections: u32,
    /// Timeout for connecting to one server, and for waiting for a free connection. Default 5 s.
    pub connect_timeout: Duration,
    /// Timeout of one statement. Default 5 s.
    pub statement_timeout: Duration,
    /// Connection pooler in front of PostgreSQL. Default none.
    pub pooler: Pooler,
}

/// A connection pooler in front of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// No pooler, or one in session mode.
    None,
    /// A pooler such as PgBouncer in transaction mode: each transaction may run in another session.
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

/// Returns whether `text` has the form of a URL scheme (RFC 3986, 3.1), possibly after `jdbc:`.
fn is_scheme(text: &str) -> bool {
    let scheme = text.strip_prefix("jdbc:").unwrap_or(text);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

impl Database {
    /// Parses a database URL. `sqlite://reset.db` is relative to the working directory, `sqlite:///var/lib/reset.db` is
    /// absolute. `postgres://`, `postgresql://`, `mysql://` and `mariadb://` name a server.
    ///
    /// # Errors
    /// Fails if the URL is not valid, with the [`OpenError`] that says why.
    pub fn at(url: &str) -> Result<Self, OpenError> {
        let engine = match url.split_once("://") {
            Some(("sqlite", path)) => OpenEngine::Sqlite(sqlite::path(path)?),
            Some(("postgres" | "postgresql", _)) => OpenEngine::Postgres(postgres::Address::parse(url)?),
            Some(("mysql" | "mariadb", _)) => OpenEngine::Mysql(mysql::Address::parse(url)?),
            // The rest of the URL may contain a password, so the error quotes only the scheme. Text that is not a scheme may
            // contain one too: `user=u password=p sslrootcert=file://…`.
            Some((scheme, _)) if is_scheme(scheme) => {
                return Err(OpenError::Unsupported(format!("{scheme}://…")));
            }
            _ => return Err(OpenError::NoScheme),
        };
        Ok(Self { engine, options: Options::default(), users: None, users_file: None })
    }

    /// Returns the database with these options.
    pub fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Returns the database with another system's users table, if there is a mapping. SQLite uses the mapping for the file
    /// of [`Self::with_users_file`], and without one polyreset's own table.
    pub fn with_users(self, users: Option<Mapping>) -> Self {
        Self { users, ..self }
    }

    /// Returns the database with the SQLite file, at a `sqlite://` URL, that contains the other system's users table.
    ///
    /// # Errors
    /// Returns [`OpenError::Unsupported`] or [`OpenError::Path`] if the URL does not name a SQLite file.
    pub fn with_users_file(self, url: &str) -> Result<Self, OpenError> {
        let path = match url.split_once("://") {
            Some(("sqlite", path)) => sqlite::path(path)?,
            _ => return Err(OpenError::Unsupported("a URL that is not sqlite://PATH".to_owned())),
        };
        Ok(Self { users_file: Some(path), ..self })
    }

    /// Returns the SQLite file that contains the other system's users table.
    pub fn users_file(&self) -> Option<&Path> {
        self.users_file.as_deref()
    }

    fn users_in_file(&self) -> Option<(&Path, &Mapping)> {
        self.users_file().zip(self.users.as_ref())
    }

    /// Returns the path of the file if the database is embedded in this process. No other server uses such a database,
    /// so its schema may be migrated at startup and [`release`](reset_core::ports::Jobs::release) is safe.
    pub fn file(&self) -> Option<&Path> {
        match &self.engine {
            OpenEngine::Sqlite(path) => Some(path),
            OpenEngine::Postgres(_) | OpenEngine::Mysql(_) => None,
        }
    }

    /// Returns the name of the engine that the URL selects.
    pub fn engine_name(&self) -> &'static str {
        match &self.engine {
            OpenEngine::Sqlite(_) => "SQLite",
            OpenEngine::Postgres(_) => Postgres::NAME,
            OpenEngine::Mysql(_) => Mysql::NAME,
        }
    }

    /// Whether the database is reached over a network without verifying the server's certificate.
    pub fn is_unverified(&self) -> bool {
        match &self.engine {
            OpenEngine::Sqlite(_) => false,
            OpenEngine::Postgres(address) => address.is_unverified(),
            OpenEngine::Mysql(address) => address.is_unverified(),
        }
    }

    /// Whether the option [`Options::pooler`] applies to this engine.
    pub fn may_be_pooled(&self) -> bool {
        matches!(self.engine, OpenEngine::Postgres(_))
    }

    /// Applies the pending migrations and returns their versions. Either all or none are applied, except on MySQL,
    /// where the next call completes an interrupted migration. Any number of processes may call this at once: only one
    /// of them applies each migration.
    ///
    /// # Errors
    /// Fails if the database cannot be opened, or if a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) => sqlite::migrate(path).await,
            OpenEngine::Postgres(address) => server::migrate(self.postgres(address)?).await,
            OpenEngine::Mysql(address) => server::migrate(self.mysql(address)?).await,
        }
    }

    /// Opens the database, and creates a missing SQLite file. Applies no migrations: until [`Self::migrate`] has run,
    /// [`Store::ready`] fails.
    ///
    /// # Errors
    /// Fails if the database cannot be opened, or if the mapping does not fit the users table.
    pub async fn open(&self) -> Result<Arc<dyn Store>, OpenError> {
        let users = self.users.as_ref();
        Ok(match &self.engine {
            OpenEngine::Sqlite(path) => {
                let store = sqlite::Sqlite::open(path).await?;
                match self.users_in_file() {
                    Some((file, mapping)) => Arc::new(store.with_users(file, mapping).await?),
                    None => Arc::new(store),
                }
            }
            OpenEngine::Postgres(address) => {
                Arc::new(ServerStore::open(self.postgres(address)?, users).await?)
            }
            OpenEngine::Mysql(address) => Arc::new(ServerStore::open(self.mysql(address)?, users).await?),
        })
    }

    /// Reads the whole database file and returns the first damage; `None` if it is intact. A database server checks its
    /// files itself.
    ///
    /// # Errors
    /// Fails if the check cannot be started.
    pub async fn damage(&self) -> Result<Option<String>, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) => sqlite::damage(path).await,
            OpenEngine::Postgres(_) | OpenEngine::Mysql(_) => Ok(None),
        }
    }

    /// Whether an existing database file has recorded events of resets, so that it belongs to a secret. `false` for a
    /// database server, whose secret is never generated.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub async fn file_has_events(&self) -> Result<bool, OpenError> {
        match &self.engine {
            OpenEngine::Sqlite(path) if path.exists() => sqlite::has_events(path).await,
            _ => Ok(false),
        }
    }

    /// Inspects another system's users table and returns the statements and the grants that `role` needs. Without a role,
    /// what is checked for it is checked for the role of this connection. Changes nothing. Returns `None` if the
    /// deployment uses polyreset's own table.
    ///
    /// # Errors
    /// Fails if the database cannot be opened, or if the mapping does not fit the users table.
    pub async fn survey(&self, role: Option<&str>) -> Result<Option<Survey>, OpenError> {
        self.survey_of(Extent::Everything { role: role.map(ToOwned::to_owned) }).await
    }

    /// As [`Self::survey`], but of the hashes of the first rows alone: cheap enough for every start.
    ///
    /// # Errors
    /// As [`Self::survey`].
    pub async fn survey_of_hashes(&self) -> Result<Option<Survey>, OpenError> {
        self.survey_of(Extent::Hashes).await
    }

    async fn survey_of(&self, extent: Extent) -> Result<Option<Survey>, OpenError> {
        let Some(mapping) = self.users.clone() else { return Ok(None) };
        match &self.engine {
            OpenEngine::Sqlite(_) => match self.users_file() {
                Some(file) => sqlite::survey(file, mapping, extent).await.map(Some),
                None => Ok(None),
            },
            OpenEngine::Postgres(address) => {
                server::survey(self.postgres(address)?, mapping, extent).await.map(Some)
            }
            OpenEngine::Mysql(address) => {
                server::survey(self.mysql(address)?, mapping, extent).await.map(Some)
            }
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

    fn error_for(url: &str) -> String {
        Database::at(url).expect_err("the URL is rejected").to_string()
    }

    #[test]
    fn sqlite_url_holds_a_relative_or_absolute_path() {
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
    fn unknown_engine_error_lists_supported_engines_without_the_password() {
        let error = error_for("oracle://reset:hunter2@db/reset");
        assert_eq!(
            error,
            "no database engine for `oracle://…`; supported: `sqlite://PATH`, `postgres://…`, `mysql://…` (MySQL and MariaDB)"
        );
        assert!(error_for("reset.db").contains("not a URL: write `sqlite://PATH`"));
        let keywords = error_for("user=u password=hunter2 sslrootcert=file:///ca.pem");
        assert!(keywords.contains("not a URL") && !keywords.contains("hunter2"), "{keywords}");
    }

    #[test]
    fn sqlite_url_without_a_file_path_is_rejected() {
        for url in [
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://reset.db?mode=ro",
            "sqlite:///var/lib/",
            "sqlite://a\0b",
        ] {
            assert!(error_for(url).contains("write `sqlite://reset.db`"), "{url}");
        }
    }
}
