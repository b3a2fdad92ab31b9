//! A new database for each test, on the servers that `conformance::databases` finds.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use conformance::databases;
use diesel::connection::SimpleConnection;
use reset_core::ports::Store;

use crate::{
    Database, Options,
    mysql::{self, Mysql},
    postgres::{self, Postgres},
    server::{ConnectionPurpose, ServerEngine, finish_closing},
};

/// A server to test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Postgres,
    Mariadb,
}

/// A database that is dropped together with this value.
pub(super) struct Fresh {
    server: Server,
    admin: String,
    name: String,
}

impl Server {
    /// Returns the administrator's URL. Without one, reports once that tests are skipped.
    pub(super) fn admin(self) -> Option<String> {
        match self {
            Self::Postgres => databases::DatabaseServer::Postgres.admin(),
            Self::Mariadb => databases::DatabaseServer::Mariadb.admin(),
        }
    }

    /// Creates an empty database. Returns `None` if there is no server.
    pub(super) fn empty(self) -> Option<Fresh> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let admin = self.admin()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("polyreset_test_{}_{number}", process::id());
        self.execute(&admin, &format!("CREATE DATABASE {name}"));
        Some(Fresh { server: self, admin, name })
    }

    /// Creates a migrated database.
    pub(super) async fn fresh(self) -> Option<Fresh> {
        let fresh = self.empty()?;
        fresh.database().migrate().await.unwrap();
        Some(fresh)
    }

    /// Opens a store on a new, migrated database.
    pub(super) async fn store(self) -> Option<(Arc<dyn Store>, Fresh)> {
        let fresh = self.fresh().await?;
        Some((fresh.database().open().await.unwrap(), fresh))
    }

    /// Runs statements as the administrator.
    pub(super) fn execute(self, url: &str, statements: &str) {
        match self {
            Self::Postgres => {
                on(&postgres(url, Options::default()), |db| db.batch_execute(statements).unwrap());
            }
            Self::Mariadb => on(&mysql(url, Options::default()), |db| db.batch_execute(statements).unwrap()),
        }
    }
}

pub(super) fn postgres(url: &str, options: Options) -> Postgres {
    Postgres::new(postgres::Address::parse(url).ok().unwrap(), options).unwrap()
}

pub(super) fn mysql(url: &str, options: Options) -> Mysql {
    let url = if url.ends_with('/') { format!("{url}mysql") } else { url.to_owned() };
    Mysql::new(&mysql::Address::parse(&url).ok().unwrap(), options).unwrap()
}

/// Runs `work` on its own connection.
fn on<E: ServerEngine, T: Send>(engine: &E, work: impl FnOnce(&mut E::Db) -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut db = engine.connect(ConnectionPurpose::Maintenance).unwrap();
            let result = work(&mut db);
            drop(db);
            finish_closing();
            result
        });
        thread.join().unwrap()
    })
}

impl Fresh {
    pub(super) fn server(&self) -> Server {
        self.server
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` as the administrator, on PostgreSQL.
    pub(super) fn postgres<T: Send>(
        &self,
        work: impl FnOnce(&mut <Postgres as ServerEngine>::Db) -> T + Send,
    ) -> T {
        on(&postgres(&self.url(), Options::default()), work)
    }

    /// Runs `work` as the administrator, on MariaDB.
    pub(super) fn mysql<T: Send>(
        &self,
        work: impl FnOnce(&mut <Mysql as ServerEngine>::Db) -> T + Send,
    ) -> T {
        on(&mysql(&self.url(), Options::default()), work)
    }

    /// Returns the URL for another role, which needs no password.
    pub(super) fn url_of(&self, role: &str) -> String {
        let url = self.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        format!("{scheme}://{role}@{}", rest.rsplit_once('@').unwrap().1)
    }

    pub(super) fn url(&self) -> String {
        let (base, _) = self.admin.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }

    /// Returns this database with four connections and a long connect timeout.
    pub(super) fn database(&self) -> Database {
        let options =
            Options { connections: 4, connect_timeout: Duration::from_secs(20), ..Options::default() };
        Database::at(&self.url()).unwrap().with(options)
    }

    /// Opens `count` stores on this database, like `count` replicas.
    pub(super) async fn stores(&self, count: usize) -> Vec<Arc<dyn Store>> {
        let mut stores = Vec::new();
        for _ in 0..count {
            stores.push(self.database().open().await.unwrap());
        }
        stores
    }

    /// Runs statements in this database.
    pub(super) fn execute(&self, statements: &str) {
        self.server.execute(&self.url(), statements);
    }

    /// Runs a statement as another role. Returns the error if the database rejects it.
    pub(super) fn attempt(&self, role: &str, statement: &str) -> Option<String> {
        let (url, options) = (self.url_of(role), Options::default());
        let error = |result: diesel::QueryResult<()>| result.err().map(|error| error.to_string());
        match self.server {
            Server::Postgres => on(&postgres(&url, options), |db| error(db.batch_execute(statement))),
            Server::Mariadb => on(&mysql(&url, options), |db| error(db.batch_execute(statement))),
        }
    }

    /// Closes every other connection to this database, like a server that is stopped.
    pub(super) fn close_connections(&self) {
        match self.server {
            Server::Postgres => self.server.execute(
                &self.admin,
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                    self.name
                ),
            ),
            Server::Mariadb => {
                let kills = format!(
                    "BEGIN NOT ATOMIC FOR one IN (SELECT id FROM information_schema.processlist WHERE db = '{}') DO \
                     KILL CONNECTION one.id; END FOR; END",
                    self.name
                );
                self.server.execute(&self.admin, &kills);
            }
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let force = if self.server == Server::Postgres { " WITH (FORCE)" } else { "" };
        self.server.execute(&self.admin, &format!("DROP DATABASE {}{force}", self.name));
    }
}
