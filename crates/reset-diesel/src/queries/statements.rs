//! Statements that the transactions of several ports share.

use diesel::{dsl::auto_type, insert_into, prelude::*, update};

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

/// Neither spent nor voided; possibly expired.
#[auto_type]
pub(super) fn open() -> _ {
    tickets::spent_at.is_null().and(tickets::voided_at.is_null())
}

/// Open and not expired.
#[auto_type]
pub(super) fn live(now: i64) -> _ {
    open().and(tickets::expires_at.gt(now))
}

/// Voids every open ticket of the account.
pub(super) fn void_all_of(db: &mut Db, account: &str, now: i64) -> QueryResult<usize> {
    update(tickets::table.filter(tickets::account.eq(account)).filter(open()))
        .set(tickets::voided_at.eq(now))
        .execute(db)
}

/// Sets the expiry of a live ticket.
pub(super) fn move_end(db: &mut Db, ticket: &str, end: i64, now: i64) -> QueryResult<usize> {
    update(tickets::table.find(ticket).filter(live(now))).set(tickets::expires_at.eq(end)).execute(db)
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
