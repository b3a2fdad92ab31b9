//! A fresh database for each test, on the servers that `conformance` leads to.

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
    networked::{Engine, Purpose, linger},
    postgres::{self, Postgres},
};

/// A kind of server to test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Postgres,
    Mariadb,
}

/// An empty database, which is dropped with this.
pub(super) struct Fresh {
    server: Server,
    admin: String,
    name: String,
}

impl Server {
    /// The administrator's URL. Without one, says so once.
    pub(super) fn admin(self) -> Option<String> {
        match self {
            Self::Postgres => databases::Server::Postgres.admin(),
            Self::Mariadb => databases::Server::Mariadb.admin(),
        }
    }

    /// An empty database; nothing where there is no server.
    pub(super) fn empty(self) -> Option<Fresh> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let admin = self.admin()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("polyreset_test_{}_{number}", process::id());
        self.execute(&admin, format!("CREATE DATABASE {name}"));
        Some(Fresh { server: self, admin, name })
    }

    /// A migrated database.
    pub(super) async fn fresh(self) -> Option<Fresh> {
        let fresh = self.empty()?;
        fresh.database().migrate().await.unwrap();
        Some(fresh)
    }

    /// A store on a migrated database of its own.
    pub(super) async fn store(self) -> Option<(Arc<dyn Store>, Fresh)> {
        let fresh = self.fresh().await?;
        Some((fresh.database().open().await.unwrap(), fresh))
    }

    /// Runs statements as the administrator.
    pub(super) fn execute(self, url: &str, statements: String) {
        fn run<E: Engine>(engine: &E, statements: &str) {
            let mut db = engine.connect(Purpose::Migrating).unwrap();
            db.batch_execute(statements).unwrap();
            drop(db);
            linger();
        }
        let url = url.to_owned();
        let done = thread::spawn(move || match self {
            Self::Postgres => {
                let address = postgres::Address::read(&url).ok().unwrap();
                run(&Postgres::new(address, Options::default()).unwrap(), &statements);
            }
            Self::Mariadb => {
                let url = if url.ends_with('/') { format!("{url}mysql") } else { url };
                let address = mysql::Address::read(&url).ok().unwrap();
                run(&Mysql::new(&address, Options::default()).unwrap(), &statements);
            }
        });
        done.join().unwrap();
    }
}

impl Fresh {
    pub(super) fn url(&self) -> String {
        let (base, _) = self.admin.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }

    /// The database for tests: of four connections, and quick to give up.
    pub(super) fn database(&self) -> Database {
        let options =
            Options { connections: 4, connect_timeout: Duration::from_secs(20), ..Options::default() };
        Database::at(&self.url()).unwrap().with(options)
    }

    /// `count` stores on this database, as many replicas have.
    pub(super) async fn stores(&self, count: usize) -> Vec<Arc<dyn Store>> {
        let mut stores = Vec::new();
        for _ in 0..count {
            stores.push(self.database().open().await.unwrap());
        }
        stores
    }

    /// Runs statements in this database.
    pub(super) fn execute(&self, statements: &str) {
        self.server.execute(&self.url(), statements.to_owned());
    }

    /// Ends every other connection to this database, as a server does that is stopped.
    pub(super) fn cut(&self) {
        match self.server {
            Server::Postgres => self.server.execute(
                &self.admin,
                format!(
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
                self.server.execute(&self.admin, kills);
            }
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let force = if self.server == Server::Postgres { " WITH (FORCE)" } else { "" };
        self.server.execute(&self.admin, format!("DROP DATABASE {}{force}", self.name));
    }
}
