//! Statements that the transactions of several ports share.

use diesel::{
    dsl::auto_type,
    insert_into,
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
    update,
};

use super::{
    super::engine::{
        Db,
        schema::{disputes, jobs, tickets},
    },
    rows::NewJobRow,
};

/// Adds a job to the outbox.
pub(in super::super) fn insert_job(db: &mut Db, row: &NewJobRow) -> QueryResult<usize> {
    insert_into(jobs::table).values(row).execute(db)
}

diesel::define_sql_function! {
    /// The first of two values that is not NULL.
    #[sql_name = "COALESCE"]
    fn first_of(one: Nullable<BigInt>, other: Nullable<BigInt>) -> Nullable<BigInt>;
}

diesel::define_sql_function! {
    /// The text, as an expression that no index contains. PostgreSQL plans a prepared statement once, possibly on an empty
    /// table, where an index on the wrong column looks as good as the right one.
    #[sql_name = "COALESCE"]
    fn unindexed(text: Text, other: Text) -> Text;
}

/// Neither spent nor voided; possibly expired.
///
/// One expression instead of two conditions, because PostgreSQL would otherwise see that the condition of the partial
/// indexes holds. Without statistics it takes those for tiny, and reads one of them as a whole to find a single ticket.
#[auto_type]
pub(super) fn open() -> _ {
    first_of(tickets::spent_at, tickets::voided_at).is_null()
}

/// Open and not expired.
#[auto_type]
pub(super) fn live(now: i64) -> _ {
    open().and(tickets::expires_at.gt(now))
}

/// The ticket with this id, if it is live.
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` declares needs the name")]
#[auto_type]
pub(super) fn live_with_id<'a>(id: &'a str, now: i64) -> _ {
    let is_live: live = live(now);
    tickets::table.filter(tickets::id.eq(id)).filter(is_live)
}

/// Voids every open ticket of the account.
pub(super) fn void_all_of(db: &mut Db, account: &str, now: i64) -> QueryResult<usize> {
    update(tickets::table.filter(tickets::account.eq(account)).filter(open()))
        .set(tickets::voided_at.eq(now))
        .execute(db)
}

/// Sets the expiry of an open ticket.
pub(super) fn move_end(db: &mut Db, ticket: &str, end: i64) -> QueryResult<usize> {
    update(tickets::table.find(ticket).filter(open())).set(tickets::expires_at.eq(end)).execute(db)
}

/// Closes the account's open disputes, or only those with this mailbox. Returns the number of closed disputes.
pub(super) fn close_disputes(
    db: &mut Db,
    account: &str,
    mailbox: Option<&str>,
    now: i64,
) -> QueryResult<usize> {
    let open = disputes::table
        .filter(disputes::account.eq(account))
        .filter(disputes::opened_at.is_not_null())
        .filter(disputes::closed_at.is_null());
    let closed = disputes::closed_at.eq(now);
    match mailbox {
        Some(mailbox) => update(open.filter(disputes::mailbox.eq(mailbox))).set(closed).execute(db),
        None => update(open).set(closed).execute(db),
    }
}

/// Ends the account's unused dispute links, or only those of other mailboxes than this one. Returns their number.
pub(super) fn end_dispute_links(
    db: &mut Db,
    account: &str,
    except: Option<&str>,
    now: i64,
) -> QueryResult<usize> {
    let unused = disputes::table
        .filter(disputes::account.eq(account))
        .filter(disputes::opened_at.is_null())
        .filter(disputes::until.gt(now));
    let ended = (disputes::until.eq(now), disputes::closed_at.eq(now));
    match except {
        Some(mailbox) => update(unused.filter(disputes::mailbox.ne(mailbox))).set(ended).execute(db),
        None => update(unused).set(ended).execute(db),
    }
}
