//! The Store on MariaDB 10.6 and later, and on MySQL 8.

mod address;
mod connection;
mod engine;
mod migrations;
#[path = "../queries/mod.rs"]
mod queries;
mod schema;

use std::error::Error;

use diesel::{QueryResult, connection::SimpleConnection};

pub(crate) use self::address::Address;
use self::{engine::Db, queries::users::Users};
use crate::{
    OpenError, Options,
    networked::{Engine, Networked, Purpose},
};

/// A MySQL or MariaDB server, and how it is to be used.
pub(crate) struct Mysql {
    /// Each server with the ways to reach it, the best first.
    servers: Vec<Vec<mysql_async::Opts>>,
    options: Options,
}

impl Mysql {
    /// Reads the certificates that the address names.
    pub(crate) fn new(address: &Address, options: Options) -> Result<Self, OpenError> {
        Ok(Self { servers: address.servers()?, options })
    }
}

impl Engine for Mysql {
    type Db = Db;
    const NAME: &str = "MySQL";

    fn options(&self) -> &Options {
        &self.options
    }

    fn connect(&self, purpose: Purpose) -> Result<Db, String> {
        connection::connect(self, purpose)
    }

    fn begin(&self, db: &mut Db) -> QueryResult<()> {
        db.batch_execute("START TRANSACTION READ WRITE")
    }

    fn reads_alone(&self) -> bool {
        true
    }

    fn pending(db: &mut Db) -> QueryResult<Vec<String>> {
        migrations::pending(db)
    }

    fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        migrations::migrate(db)
    }
}

impl Networked<Mysql> {
    /// The users table.
    #[expect(clippy::unused_self, reason = "it will be the deployment's to choose")]
    fn users(&self) -> Users {
        Users::Own
    }
}
