//! The Store on PostgreSQL 12 and later, behind a pooler in transaction mode where there is one.

mod address;
mod connection;
mod describe;
mod engine;
#[path = "../foreign_survey/mod.rs"]
mod foreign_survey;
mod migrations;
#[path = "../queries/mod.rs"]
mod queries;
mod schema;
mod tls;

use std::{error::Error, sync::Arc};

use diesel::{QueryResult, connection::SimpleConnection};

pub(crate) use self::address::Address;
use self::{engine::Db, queries::users::Users};
use crate::{
    OpenError, Options, Pooler,
    foreign_users::{Mapping, Plan, Survey, Unfit},
    server::{ConnectionPurpose, ServerEngine, ServerStore},
};

/// A PostgreSQL server, and how it is to be used.
pub(crate) struct Postgres {
    address: Address,
    options: Options,
    /// Nothing where the connection is not encrypted.
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Postgres {
    /// Reads the certificates that the address names.
    pub(crate) fn new(address: Address, options: Options) -> Result<Self, OpenError> {
        let tls = tls::client(address.tls())?;
        Ok(Self { address, options, tls })
    }
}

impl ServerEngine for Postgres {
    type Db = Db;
    const NAME: &str = "PostgreSQL";

    fn options(&self) -> &Options {
        &self.options
    }

    fn connect(&self, purpose: ConnectionPurpose) -> Result<Db, String> {
        connection::connect(self, purpose)
    }

    fn begin(&self, db: &mut Db) -> QueryResult<()> {
        // READ WRITE is refused by a standby: so a server that was demoted is found out before anything is done.
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
        match self.options.pooler {
            Pooler::None => db.batch_execute(BEGIN),
            // The session is somebody else's; the transaction is ours. One message, one round trip.
            Pooler::Transaction => {
                let limit = self.options.statement_timeout.as_millis();
                db.batch_execute(&format!("{BEGIN}; SET LOCAL statement_timeout = {limit}"))
            }
        }
    }

    fn reads_alone(&self) -> bool {
        // A statement is prepared, then executed: a pooler may send the two to different servers.
        self.options.pooler == Pooler::None
    }

    fn pending(db: &mut Db) -> QueryResult<Vec<String>> {
        migrations::pending(db)
    }

    fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        migrations::migrate(db)
    }

    fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, Unfit>> {
        looked(db, |db| foreign_survey::plan(db, mapping))
    }

    fn survey(db: &mut Db, mapping: &Mapping, role: &str) -> QueryResult<Result<Survey, Unfit>> {
        looked(db, |db| foreign_survey::survey(db, mapping, role))
    }
}

/// Looks within one transaction: behind a pooler what is prepared outside one may be executed on another server. When
/// the look-up fails the connection is dropped, and with it the transaction.
fn looked<T>(db: &mut Db, look: impl FnOnce(&mut Db) -> QueryResult<T>) -> QueryResult<T> {
    db.batch_execute("BEGIN READ ONLY")?;
    let seen = look(db)?;
    db.batch_execute("COMMIT")?;
    Ok(seen)
}

impl ServerStore<Postgres> {
    /// The users table.
    fn users(&self) -> Users {
        self.plan().into()
    }
}
