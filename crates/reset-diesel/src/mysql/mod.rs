//! The Store on MariaDB 10.6 and later, and on MySQL 8.

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

use std::error::Error;

use diesel::{QueryResult, connection::SimpleConnection};
use reset_core::error::StoreError;

pub(crate) use self::address::Address;
use self::{
    engine::Db,
    queries::{password_write::PasswordWrite, users::Users},
};
use crate::{
    OpenError, Options, SchemaDifference,
    foreign_users::{Extent, Mapping, MappingError, Plan, Survey},
    server::{ConnectionPurpose, GroupTask, ServerEngine, ServerStore},
};

/// A MySQL or MariaDB server and its options.
pub(crate) struct Mysql {
    /// The connection options of each server, the preferred ones first.
    servers: Vec<Vec<mysql_async::Opts>>,
    options: Options,
}

impl Mysql {
    /// Resolves an address. Reads the certificates that it names.
    pub(crate) fn new(address: &Address, options: Options) -> Result<Self, OpenError> {
        Ok(Self { servers: address.servers()?, options })
    }
}

impl ServerEngine for Mysql {
    type Db = Db;
    const NAME: &str = "MySQL";

    fn options(&self) -> &Options {
        &self.options
    }

    fn connect(&self, purpose: ConnectionPurpose) -> Result<Db, String> {
        connection::connect(self, purpose)
    }

    fn begin(&self, db: &mut Db) -> QueryResult<()> {
        db.batch_execute("START TRANSACTION READ WRITE")
    }

    fn reads_without_transaction(&self) -> bool {
        true
    }

    fn schema_difference(db: &mut Db) -> QueryResult<SchemaDifference> {
        migrations::schema_difference(db)
    }

    fn migrate(db: &mut Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        migrations::migrate(db)
    }

    fn plan(db: &mut Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
        foreign_survey::plan(db, mapping)
    }

    fn survey(db: &mut Db, mapping: &Mapping, extent: &Extent) -> QueryResult<Result<Survey, MappingError>> {
        foreign_survey::survey(db, mapping, extent)
    }
}

impl ServerStore<Mysql> {
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
