//! A fresh database for each test, on the servers that `conformance` leads to.

use std::{sync::Arc, thread, time::Duration};

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
pub(super) struct Fresh(databases::Fresh);

impl Server {
    /// An empty database; nothing where there is no server.
    pub(super) fn empty(self) -> Option<Fresh> {
        let server = match self {
            Self::Postgres => databases::Server::Postgres,
            Self::Mariadb => databases::Server::Mariadb,
        };
        server.empty(execute).map(Fresh)
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
}

impl Fresh {
    pub(super) fn url(&self) -> String {
        self.0.url()
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
        self.0.execute(statements);
    }

    /// Ends every other connection to this database, as a server does that is stopped.
    pub(super) fn cut(&self) {
        let name = self.0.name();
        let kills = match self.0.server() {
            databases::Server::Postgres => {
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            }
            databases::Server::Mariadb => format!(
                "BEGIN NOT ATOMIC FOR one IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO \
                 KILL CONNECTION one.id; END FOR; END"
            ),
        };
        execute(self.0.server(), self.0.admin(), &kills);
    }
}

/// Runs statements at `url`.
fn execute(server: databases::Server, url: &str, statements: &str) {
    fn run<E: Engine>(engine: &E, statements: &str) {
        let mut db = engine.connect(Purpose::Migrating).unwrap();
        db.batch_execute(statements).unwrap();
        drop(db);
        linger();
    }
    let (url, statements) = (url.to_owned(), statements.to_owned());
    let done = thread::spawn(move || match server {
        databases::Server::Postgres => {
            let address = postgres::Address::read(&url).ok().unwrap();
            run(&Postgres::new(address, Options::default()).unwrap(), &statements);
        }
        databases::Server::Mariadb => {
            let url = if url.ends_with('/') { format!("{url}mysql") } else { url };
            let address = mysql::Address::read(&url).ok().unwrap();
            run(&Mysql::new(&address, Options::default()).unwrap(), &statements);
        }
    });
    done.join().unwrap();
}
