//! The parts of the queries that are specific to PostgreSQL.

use diesel::{connection::SimpleConnection, dsl::auto_type, insert_into, prelude::*, update};
use diesel_async::{AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) use diesel::pg::Pg as Backend;

pub(super) use super::schema;
use super::schema::{budgets, dialect_locks, disputes, events, jobs, marks, migrations, tickets};
use crate::{
    fault::DatabaseFault,
    foreign_users::{Name, SqlSyntax},
    server::{ServerStore, ThreadRuntime},
};

pub(super) type Db = AsyncConnectionWrapper<AsyncPgConnection, ThreadRuntime>;
pub(super) type EngineStore = ServerStore<super::Postgres>;

/// The SQL syntax of statements on another system's users table.
pub(super) const SYNTAX: SqlSyntax = SqlSyntax::Postgres;

/// Whether a statement for each row costs less than one for many rows: each statement is a round trip.
pub(super) const ROW_BY_ROW: bool = false;

/// polyreset's own tables. Empty, because they have their own schema and are granted through it.
pub(super) const OWN_TABLES: &[&str] = &[];

/// Returns `None`: polyreset's tables have their own schema.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn database(_: &mut Db) -> QueryResult<Option<Name>> {
    Ok(None)
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Locks the rows of a query until the transaction ends.
macro_rules! locked {
    ($query:expr) => {
        $query.for_update()
    };
}

/// Locks the rows of a query until the transaction ends, and skips rows that other transactions have locked.
macro_rules! skip_locked {
    ($query:expr) => {
        $query.for_update().skip_locked()
    };
}

pub(super) use {locked, skip_locked};

/// Locks the dialect until the transaction ends, so that only one transaction at a time counts its live tickets.
pub(super) fn lock_dialect(db: &mut Db, dialect: &str) -> QueryResult<()> {
    let row = dialect_locks::table.find(dialect).select(dialect_locks::dialect).for_update();
    if row.first::<String>(db).optional()?.is_none() {
        insert_into(dialect_locks::table).values(dialect_locks::dialect.eq(dialect)).execute(db)?;
    }
    Ok(())
}

/// The settings of [`read_in_index_order`].
pub(super) const INDEX_ORDER: &str =
    "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off";

/// Keeps the planner from sorting in this transaction. Without statistics it expects few waiting rows and sorts all of them
/// instead of reading the first ones of an index.
pub(super) fn read_in_index_order(db: &mut Db) -> QueryResult<()> {
    db.batch_execute(INDEX_ORDER)
}

/// A key that no row has.
const NO_ROW: &str = "";

/// Returns at once: a server's database has no place that could disappear.
#[expect(clippy::unnecessary_wraps, reason = "other engines look at their file")]
pub(super) fn check_place(_: &EngineStore) -> Result<(), DatabaseFault> {
    Ok(())
}

/// Checks that the tables may be written to. Fails on a standby, and on a server that became one. The probe then writes.
pub(super) fn check_writable(db: &mut Db) -> QueryResult<()> {
    update(migrations::table.filter(migrations::version.eq(NO_ROW)))
        .set(migrations::version.eq(""))
        .execute(db)?;
    // A migration may have added a table that this role has no grant for.
    update(tickets::table.filter(tickets::id.eq(NO_ROW))).set(tickets::nonce.eq(0)).execute(db)?;
    update(jobs::table.filter(jobs::id.eq(NO_ROW))).set(jobs::crashes.eq(0)).execute(db)?;
    update(budgets::table.filter(budgets::name.eq(NO_ROW))).set(budgets::refused.eq(0)).execute(db)?;
    update(events::table.filter(events::reference.eq(NO_ROW))).set(events::at.eq(0)).execute(db)?;
    update(marks::table.filter(marks::name.eq(NO_ROW))).set(marks::place.eq(0)).execute(db)?;
    update(disputes::table.filter(disputes::id.eq(NO_ROW))).set(disputes::until.eq(0)).execute(db)?;
    Ok(())
}

/// The tickets of a dialect and kind.
#[auto_type]
pub(super) fn of_kind<'a>(dialect: &'a str, kind: &'a str) -> _ {
    tickets::dialect.eq(dialect).and(tickets::kind.eq(kind))
}

/// A value of a digest, for tests of plans.
#[cfg(test)]
pub(super) const DIGEST_LITERAL: &str = "'\\x0707'::bytea";
