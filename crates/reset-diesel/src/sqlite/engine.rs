//! What the queries have to know of SQLite.

use diesel::QueryResult;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) use diesel::sqlite::{Sqlite as Backend, SqliteConnection as Db};

pub(super) use super::Sqlite as EngineStore;

/// The tables, under the names that all engines have in common.
pub(super) mod schema {
    pub(in super::super) use super::super::schema::{
        __diesel_schema_migrations as migrations, budgets, disputes, events, guesses, jobs, marks, tickets,
        users,
    };
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// A query whose rows nobody else changes until the transaction ends: with one writer, any.
macro_rules! locked {
    ($query:expr) => {
        $query
    };
}

/// A query that passes over rows that others have locked: with one writer there are none.
macro_rules! locked_apart {
    ($query:expr) => {
        $query
    };
}

pub(super) use {locked, locked_apart};

/// Waits until nobody else counts the dialect's live tickets: with one writer nobody does.
#[expect(clippy::unnecessary_wraps, reason = "other engines have to ask the database")]
pub(super) fn take_turn(_: &mut Db, _: &str) -> QueryResult<()> {
    Ok(())
}

/// Fails where nothing can be written. The writer's own transaction has shown that already.
#[expect(clippy::unnecessary_wraps, reason = "other engines have to ask the database")]
pub(super) fn could_write(_: &mut Db) -> QueryResult<()> {
    Ok(())
}
