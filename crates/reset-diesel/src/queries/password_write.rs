//! The change of a password: by a ticket, or by the dispute that takes the account back. Both lock the account first, claim
//! what entitles them, and change everything else with the password.

use diesel::{dsl::exists, prelude::*, select, update};
use reset_core::{account::AccountId, dispute::DISPUTE_LIFE, event::Event};

use super::{
    super::engine::{
        Db,
        schema::{disputes, tickets},
    },
    events::insert_event,
    rows::{LockedUser, NewJobRow},
    statements::{close_disputes, end_dispute_links, insert_job, live, void_all_of},
    users::Users,
};

/// A new password, and what polyreset changes with it. Owned, because the task may outlive its caller.
pub(in super::super) struct PasswordWrite {
    pub(in super::super) password_hash: String,
    pub(in super::super) own: OwnChanges,
}

/// The changes in polyreset's own tables.
#[derive(Clone)]
pub(in super::super) struct OwnChanges {
    pub(in super::super) cause: Cause,
    pub(in super::super) account: AccountId,
    pub(in super::super) jobs: Vec<NewJobRow>,
    pub(in super::super) event: Event,
    pub(in super::super) now: i64,
}

/// What entitles to set a password.
#[derive(Clone)]
pub(in super::super) enum Cause {
    /// A ticket, by its id.
    Ticket(String),
    /// A dispute, by its id, the owner's mailbox and the end of its link.
    Dispute { id: String, mailbox: String, until: i64 },
}

impl PasswordWrite {
    /// Runs the change in one transaction. Returns whether it was allowed.
    pub(in super::super) fn run(&self, db: &mut Db, users: &Users) -> QueryResult<bool> {
        let own = &self.own;
        // The lock keeps other transactions from changing the account before the commit.
        let Some(user) = users.lock(db, &own.account)? else { return Ok(false) };
        if !own.claim(db, &user)? {
            return Ok(false);
        }
        if !users.set_password(db, &own.account, &self.password_hash, own.now)? {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        own.complete(db, &user.email_key)?;
        Ok(true)
    }
}

impl OwnChanges {
    /// Spends the ticket, or opens the dispute. Returns `false` if that is not allowed.
    pub(in super::super) fn claim(&self, db: &mut Db, user: &LockedUser) -> QueryResult<bool> {
        let (account, now) = (self.account.as_str(), self.now);
        match &self.cause {
            Cause::Ticket(_) if user.blocked => Ok(false),
            Cause::Ticket(ticket) => {
                let spendable = tickets::table
                    .find(ticket)
                    .filter(tickets::account.eq(account))
                    .filter(tickets::epoch.eq(user.epoch))
                    .filter(tickets::email.eq(&user.email_key))
                    .filter(live(now));
                Ok(update(spendable).set(tickets::spent_at.eq(now)).execute(db)? > 0)
            }
            Cause::Dispute { id, mailbox, until } => {
                let since = now.saturating_sub(i64::try_from(DISPUTE_LIFE.as_millis()).unwrap_or(i64::MAX));
                let older_open = disputes::table
                    .filter(disputes::account.eq(account))
                    .filter(disputes::mailbox.ne(mailbox))
                    .filter(disputes::until.lt(until))
                    .filter(disputes::opened_at.gt(since))
                    .filter(disputes::closed_at.is_null());
                if select(exists(older_open)).get_result(db)? {
                    return Ok(false);
                }
                let unopened = disputes::table
                    .find(id)
                    .filter(disputes::opened_at.is_null())
                    .filter(disputes::until.gt(now));
                Ok(update(unopened).set(disputes::opened_at.eq(now)).execute(db)? > 0)
            }
        }
    }

    /// Changes everything else, now that the password is set. `mailbox` is the canonical address of the account.
    pub(in super::super) fn complete(&self, db: &mut Db, mailbox: &str) -> QueryResult<()> {
        let (account, now) = (self.account.as_str(), self.now);
        if let Cause::Dispute { mailbox, until, .. } = &self.cause {
            let later = disputes::table
                .filter(disputes::account.eq(account))
                .filter(disputes::mailbox.ne(mailbox))
                .filter(disputes::until.gt(until));
            update(later).set((disputes::until.eq(now), disputes::closed_at.eq(now))).execute(db)?;
        }
        void_all_of(db, account, now)?;
        if matches!(self.cause, Cause::Ticket(_)) && close_disputes(db, account, Some(mailbox), now)? > 0 {
            // The owner has recovered the account: a link of another mailbox must not take it away again.
            end_dispute_links(db, account, Some(mailbox), now)?;
        }
        for job in &self.jobs {
            insert_job(db, job)?;
        }
        insert_event(db, &self.event)?;
        Ok(())
    }
}
