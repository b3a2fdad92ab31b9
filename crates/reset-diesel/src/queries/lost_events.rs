//! Finds out whether the audit log was emptied.

use diesel::{
    dsl::{exists, min},
    prelude::*,
    select,
};
use reset_core::{audit::RECORDED_WITHIN, time::Timestamp};

use super::super::engine::{
    Db,
    schema::{events, jobs, marks, tickets, users},
};

/// Returns whether there are no marks, and a job, a ticket or a reset password of polyreset's own users table is older than
/// every event.
///
/// The events are read last: each transaction that adds a job also adds its event, so an event that belongs to the work
/// that was read is seen.
pub(super) fn are_lost(db: &mut Db, own_users: bool) -> QueryResult<bool> {
    if select(exists(marks::table.select(marks::name))).get_result(db)? {
        return Ok(false);
    }
    let job = jobs::table.select(min(jobs::created_at)).first::<Option<i64>>(db)?;
    let ticket = tickets::table.select(min(tickets::issued_at)).first::<Option<i64>>(db)?;
    let reset = if own_users {
        // An application that ends sessions raises only the epoch.
        let changed = users::table
            .filter(users::credential_epoch.gt(0))
            .filter(users::password_changed_at.gt(users::created_at));
        changed.select(min(users::password_changed_at)).first::<Option<i64>>(db)?
    } else {
        None
    };
    let Some(oldest) = [job, ticket, reset].into_iter().flatten().min() else { return Ok(false) };
    let event = events::table.select(min(events::at)).first::<Option<i64>>(db)?;
    Ok(event.is_none_or(|at| oldest < Timestamp::from_millis(at).minus(RECORDED_WITHIN).as_millis()))
}
