//! The parts of the queries that are specific to SQLite.

use diesel::{QueryResult, dsl::auto_type, prelude::*};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) use diesel::sqlite::{Sqlite as Backend, SqliteConnection as Db};

pub(super) use super::Sqlite as EngineStore;
use super::schema::tickets;
use crate::{
    fault::DatabaseFault,
    foreign_users::{Name, SqlSyntax},
};

/// The tables, under the names that are common to all engines.
pub(super) mod schema {
    pub(in super::super) use super::super::schema::{
        __diesel_schema_migrations as migrations, budgets, comparisons, disputes, events, guesses, jobs,
        marks, probes, tickets, users,
    };
}

/// The SQL syntax of statements on another system's users table.
pub(super) const SYNTAX: SqlSyntax = SqlSyntax::Sqlite;

/// Whether a statement for each row costs less than one for many rows: there are no round trips, and only a
/// statement whose text never changes is prepared once.
pub(super) const ROW_BY_ROW: bool = true;

/// polyreset's own tables. Empty, because a file has no privileges for tables.
pub(super) const OWN_TABLES: &[&str] = &[];

/// Returns `None`: a file contains one database.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn database(_: &mut Db) -> QueryResult<Option<Name>> {
    Ok(None)
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Does nothing: with one writer, no other transaction changes any row.
macro_rules! locked {
    ($query:expr) => {
        $query
    };
}

/// Does nothing: with one writer, no other transaction locks rows.
macro_rules! skip_locked {
    ($query:expr) => {
        $query
    };
}

pub(super) use {locked, skip_locked};

/// Does nothing: with one writer, no other transaction counts live tickets.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn lock_dialect(_: &mut Db, _: &str) -> QueryResult<()> {
    Ok(())
}

/// Does nothing: the planner reads an index in order by itself.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn read_in_index_order(_: &mut Db) -> QueryResult<()> {
    Ok(())
}

/// Checks that the paths still lead to the open files.
pub(super) fn check_place(store: &EngineStore) -> Result<(), DatabaseFault> {
    let owner = store.owner.as_ref().map_or(Ok(()), super::owner::OwnerFile::check);
    store.file.check().and(owner).map_err(DatabaseFault::Rejected)
}

/// Does nothing: a file has no permissions for each table.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn check_writable(_: &mut Db) -> QueryResult<()> {
    Ok(())
}

/// The tickets of a dialect and kind.
#[auto_type]
pub(super) fn of_kind<'a>(dialect: &'a str, kind: &'a str) -> _ {
    tickets::dialect.eq(dialect).and(tickets::kind.eq(kind))
}

/// A value of a digest, for tests of plans.
#[cfg(test)]
pub(super) const DIGEST_LITERAL: &str = "x'0707'";
