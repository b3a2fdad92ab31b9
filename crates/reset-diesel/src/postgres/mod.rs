//! The Store on PostgreSQL 12 and later, optionally behind a pooler in transaction mode.

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
use reset_core::error::StoreError;

pub(crate) use self::address::Address;
use self::{
    engine::Db,
    queries::{password_write::PasswordWrite, users::Users},
};
use crate::{
    OpenError, Options, Pooler, SchemaDifference,
    foreign_users::{Extent, Mapping, MappingError, Plan, Survey},
    server::{ConnectionPurpose, GroupTask, ServerEngine, ServerStore},
};

/// A PostgreSQL server and its options.
pub(crate) struct Postgres {
    address: Address,
    options: Options,
    /// `None` if the connection is not encrypted.
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Postgres {
    /// Resolves an address. Reads the certificates that it names.
    pub(crate) fn new(address: Address, options: Options) -> Result<Self, OpenError> {
        let tls = tls::client(address.tls(), address.client())?;
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
        // A standby rejects READ WRITE, so a demoted server is detected before anything is done.
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
        match self.options.pooler {
            Pooler::None => db.batch_execute(BEGIN),
            // The session is shared, so the timeout is set for the transaction only. One message costs one round trip.
            Pooler::Transaction => {
                let limit = self.options.statement_timeout.as_millis();
                db.batch_execute(&format!("{BEGIN}; SET LOCAL statement_timeout = {limit}"))
            }
        }
    }

    fn reads_without_transaction(&self) -> bool {
        // A statement is prepared and then executed. Outside a transaction a pooler may send the two to different
        // sessions.
        self.options.pooler == Pooler::None
    }

    fn schema_difference(db: &mut Db) -> QueryResult<SchemaDifference> {
        migrations::schema_difference(db)
    }

    fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        migrations::migrate(db)
    }

    fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
        read_only(db, |db| foreign_survey::plan(db, mapping))
    }

    fn survey(db: &mut Db, mapping: &Mapping, extent: &Extent) -> QueryResult<Result<Survey, MappingError>> {
        read_only(db, |db| foreign_survey::survey(db, mapping, extent))
    }
}

/// Runs queries in one read-only transaction: outside a transaction, a pooler may execute a prepared statement in
/// another session. If a query fails, the caller drops the connection and with it the transaction.
fn read_only<T>(db: &mut Db, queries: impl FnOnce(&mut Db) -> QueryResult<T>) -> QueryResult<T> {
    db.batch_execute("BEGIN READ ONLY")?;
    let result = queries(db)?;
    db.batch_execute("COMMIT")?;
    Ok(result)
}

impl ServerStore<Postgres> {
    /// Returns the users table.
    fn users(&self) -> Users {
        self.plan().into()
    }

    /// Sets a password, in one transaction with everything else. Returns whether it was allowed.
    async fn write_password(&self, write: PasswordWrite) -> Result<bool, StoreError> {
        let users = self.users();
        self.write(move |db| write.run(db, &users)).await
    }

    /// Runs a query on the users table.
    async fn read_users<T: Send + 'static>(
        &self,
        query: impl FnMut(&mut Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(query).await
    }

    /// Runs a task on the users table, together with others of its kind.
    async fn run_on_users<W: GroupTask<Db>>(&self, task: W) -> Result<W::Output, StoreError> {
        self.run_grouped(task).await
    }

    /// Does nothing: a password is set in one transaction, so none is left half done.
    #[expect(clippy::unused_async, reason = "SQLite looks at its files")]
    async fn settle_passwords(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Returns the statements whose plans are tested.
#[cfg(test)]
pub(crate) fn plans() -> Vec<crate::tests::plans::PlannedStatement> {
    queries::plans::statements()
}

/// Returns the settings of every connection, or with `claims` those of claims.
#[cfg(test)]
pub(crate) fn plan_settings(claims: bool) -> &'static str {
    if claims { engine::INDEX_ORDER } else { connection::PLANNING }
}
