//! What the queries have to know of PostgreSQL.

use diesel::{insert_into, prelude::*, update};
use diesel_async::{AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) use diesel::pg::Pg as Backend;

pub(super) use super::schema;
use super::schema::{budgets, disputes, events, jobs, marks, migrations, tickets, turns};
use crate::{
    foreign_users::{Name, Speech},
    server::{OnThread, ServerStore},
};

pub(super) type Db = AsyncConnectionWrapper<AsyncPgConnection, OnThread>;
pub(super) type EngineStore = ServerStore<super::Postgres>;

/// The SQL that another system's users table is asked in.
pub(super) const SPEECH: Speech = Speech::Postgres;

/// They have a schema of their own.
pub(super) const OUR_TABLES: &[&str] = &[];

/// Says nothing: they have a schema of their own.
#[expect(clippy::unnecessary_wraps, reason = "other engines have to ask the database")]
pub(super) fn database(_: &mut Db) -> QueryResult<Option<Name>> {
    Ok(None)
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// A query whose rows nobody else changes until the transaction ends.
macro_rules! locked {
    ($query:expr) => {
        $query.for_update()
    };
}

/// A query that passes over rows that others have locked, and locks the rest.
macro_rules! locked_apart {
    ($query:expr) => {
        $query.for_update().skip_locked()
    };
}

pub(super) use {locked, locked_apart};

/// Waits until nobody else counts the dialect's live tickets, and holds that place until the transaction ends.
pub(super) fn take_turn(db: &mut Db, dialect: &str) -> QueryResult<()> {
    let turn = turns::table.find(dialect).select(turns::dialect).for_update();
    if turn.first::<String>(db).optional()?.is_none() {
        insert_into(turns::table).values(turns::dialect.eq(dialect)).execute(db)?;
    }
    Ok(())
}

/// The key of no row.
const NO_ROW: &str = "";

/// Fails where nothing can be written: on a standby, and on a server that became one.
pub(super) fn could_write(db: &mut Db) -> QueryResult<()> {
    let none = migrations::table.filter(migrations::version.eq(""));
    update(none).set(migrations::version.eq("")).execute(db)?;
    // A migration may have brought a table that this role was not given.
    let nobody = NO_ROW;
    update(tickets::table.filter(tickets::id.eq(nobody))).set(tickets::nonce.eq(0)).execute(db)?;
    update(jobs::table.filter(jobs::id.eq(nobody))).set(jobs::lost.eq(0)).execute(db)?;
    update(budgets::table.filter(budgets::name.eq(nobody))).set(budgets::refused.eq(0)).execute(db)?;
    update(events::table.filter(events::reference.eq(nobody))).set(events::at.eq(0)).execute(db)?;
    update(marks::table.filter(marks::name.eq(nobody))).set(marks::place.eq(0)).execute(db)?;
    update(disputes::table.filter(disputes::id.eq(nobody))).set(disputes::until.eq(0)).execute(db)?;
    Ok(())
}
