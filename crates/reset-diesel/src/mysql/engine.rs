//! The parts of the queries that are specific to MySQL and MariaDB.

use diesel::{
    dsl::{auto_type, sql},
    insert_into,
    prelude::*,
    select,
    sql_types::{Nullable, Text},
    update,
};
use diesel_async::{AsyncMysqlConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) use diesel::mysql::Mysql as Backend;

pub(super) use super::schema;
use super::schema::{budgets, dialect_locks, disputes, events, jobs, marks, migrations, tickets};
use crate::{
    fault::DatabaseFault,
    foreign_users::{Name, SqlSyntax},
    server::{ServerStore, ThreadRuntime},
};

pub(super) type Db = AsyncConnectionWrapper<AsyncMysqlConnection, ThreadRuntime>;
pub(super) type EngineStore = ServerStore<super::Mysql>;

/// The SQL syntax of statements on another system's users table.
pub(super) const SYNTAX: SqlSyntax = SqlSyntax::Mysql;

/// Whether a statement for each row costs less than one for many rows: each statement is a round trip.
pub(super) const ROW_BY_ROW: bool = false;

/// polyreset's own tables.
pub(super) const OWN_TABLES: &[&str] = &[
    "polyreset_budgets",
    "polyreset_comparisons",
    "polyreset_dialect_locks",
    "polyreset_jobs",
    "polyreset_events",
    "polyreset_guesses",
    "polyreset_marks",
    "polyreset_migrations",
    "polyreset_disputes",
    "polyreset_probes",
    "polyreset_tickets",
    "polyreset_users",
];

/// Returns the database that contains polyreset's tables.
pub(super) fn database(db: &mut Db) -> QueryResult<Option<Name>> {
    let name = select(sql::<Nullable<Text>>("DATABASE()")).get_result::<Option<String>>(db)?;
    Ok(name.and_then(|name| Name::parse(&name).ok()))
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/mysql");

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

/// Does nothing: the planner reads an index in order by itself.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn read_in_index_order(_: &mut Db) -> QueryResult<()> {
    Ok(())
}

/// The tickets of a dialect and kind, as a range. Without statistics, the planner takes two columns that are equal for
/// enough: it reads all their entries and compares the third column of the index with each one, however many there are.
/// Of a range it estimates the entries in the index itself.
#[auto_type]
pub(super) fn of_kind<'a>(dialect: &'a str, kind: &'a str) -> _ {
    let of_dialect = tickets::dialect.ge(dialect).and(tickets::dialect.le(dialect));
    of_dialect.and(tickets::kind.ge(kind)).and(tickets::kind.le(kind))
}

/// A key that no row has.
const NO_ROW: &str = "";

/// Returns at once: a server's database has no place that could disappear.
#[expect(clippy::unnecessary_wraps, reason = "other engines look at their file")]
pub(super) fn check_place(_: &EngineStore) -> Result<(), DatabaseFault> {
    Ok(())
}

/// Checks that the tables may be written to. Fails on a replica, and on a server that became one. The probe then writes.
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

/// A value of a digest, for tests of plans.
#[cfg(test)]
pub(super) const DIGEST_LITERAL: &str = "x'0707'";
