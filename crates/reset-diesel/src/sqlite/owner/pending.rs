//! The notes on changes in progress, in polyreset's own file.

use diesel::{delete, insert_into, prelude::*, result::Error, sqlite::SqliteConnection, update};
use reset_core::{
    account::AccountId,
    event::{AddressTag, Event, EventKind, Network},
    job::{JobId, Reference},
    time::Timestamp,
};

use super::super::{
    queries::{
        password_write::{Cause, OwnChanges},
        rows::{LockedUser, NewJobRow},
    },
    schema::{disputes, pending_changes, pending_jobs, tickets},
};

/// The names of the kinds of changes.
const REDEEM: &str = "redeem";
const DISPUTE: &str = "dispute";

/// A change that is noted.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pending_changes)]
struct ChangeRow {
    id: String,
    change: String,
    account: String,
    mailbox: String,
    until: i64,
    before: i64,
    after: i64,
    at: i64,
    kind: String,
    dialect: String,
    reference: Option<String>,
    job: Option<String>,
    address: Option<String>,
    network: Option<String>,
    detail: String,
}

/// A job of such a change.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pending_jobs)]
struct JobRow {
    id: String,
    change: String,
    reference: String,
    dialect: String,
    account: String,
    recipient: Option<String>,
    created_at: i64,
    turn: i64,
    due_at: i64,
}

impl JobRow {
    /// Returns the note on a job of a completed change, which concerns an account.
    fn of(change: &str, job: &NewJobRow) -> Self {
        Self {
            id: job.id.clone(),
            change: change.to_owned(),
            reference: job.reference.clone(),
            dialect: job.dialect.clone(),
            account: job.account.clone().unwrap_or_default(),
            recipient: job.recipient.clone(),
            created_at: job.created_at,
            turn: job.turn,
            due_at: job.due_at,
        }
    }
}

impl From<JobRow> for NewJobRow {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            reference: row.reference,
            dialect: row.dialect,
            email: None,
            redirect_to: None,
            locale: None,
            account: Some(row.account),
            recipient: row.recipient,
            created_at: row.created_at,
            turn: row.turn,
            network: None,
            due_at: row.due_at,
        }
    }
}

/// A change in progress, or one that was interrupted.
#[derive(Clone)]
pub(super) struct Pending {
    id: String,
    own: OwnChanges,
    /// Canonical address of the account.
    mailbox: String,
    /// Epoch of the account before the change.
    pub(super) before: i64,
    /// Epoch of the account after the change.
    after: i64,
    /// Reference of the reset.
    pub(super) reference: Option<String>,
}

impl Pending {
    /// Notes a change if the ticket or the dispute allows it. Neither is spent yet.
    pub(super) fn note(
        db: &mut SqliteConnection,
        own: OwnChanges,
        user: &LockedUser,
        after: i64,
    ) -> QueryResult<Option<Self>> {
        let mut allowed = false;
        // Claiming shows whether the change is allowed. The claim itself is undone.
        let claimed = db.transaction(|db| {
            allowed = own.claim(db, user)?;
            Err::<(), _>(Error::RollbackTransaction)
        });
        match claimed {
            Ok(()) | Err(Error::RollbackTransaction) => {}
            Err(error) => return Err(error),
        }
        if !allowed {
            return Ok(None);
        }
        let (change, id, until) = match &own.cause {
            Cause::Ticket(id) => (REDEEM, id.clone(), 0),
            Cause::Dispute { id, until, .. } => (DISPUTE, id.clone(), *until),
        };
        let mailbox = match &own.cause {
            Cause::Ticket(_) => user.email_key.clone(),
            Cause::Dispute { mailbox, .. } => mailbox.clone(),
        };
        let event = &own.event;
        let row = ChangeRow {
            id: id.clone(),
            change: change.to_owned(),
            account: own.account.as_str().to_owned(),
            mailbox: mailbox.clone(),
            until,
            before: user.epoch,
            after,
            at: own.now,
            kind: event.kind.name().to_owned(),
            dialect: event.dialect.clone(),
            reference: event.reference.as_ref().map(|reference| reference.as_str().to_owned()),
            job: event.job.as_ref().map(|job| job.as_str().to_owned()),
            address: event.address.as_ref().map(|address| address.as_str().to_owned()),
            network: event.network.as_ref().map(|network| network.as_str().to_owned()),
            detail: event.detail.clone(),
        };
        let jobs: Vec<JobRow> = own.jobs.iter().map(|job| JobRow::of(&id, job)).collect();
        insert_into(pending_changes::table).values(&row).execute(db)?;
        insert_into(pending_jobs::table).values(&jobs).execute(db)?;
        Ok(Some(Self { id, mailbox, before: user.epoch, after, reference: row.reference, own }))
    }

    /// Returns the ids of all notes. The table is missing only while migrations are pending.
    pub(super) fn ids(db: &mut SqliteConnection) -> QueryResult<Vec<String>> {
        pending_changes::table.select(pending_changes::id).order(pending_changes::at).load(db)
    }

    /// Returns the noted change with this id.
    pub(super) fn find(db: &mut SqliteConnection, id: &str) -> QueryResult<Option<Self>> {
        let row = pending_changes::table.find(id).select(ChangeRow::as_select()).first(db).optional()?;
        let Some(row) = row else { return Ok(None) };
        let jobs = pending_jobs::table.filter(pending_jobs::change.eq(id)).select(JobRow::as_select());
        let jobs: Vec<JobRow> = jobs.load(db)?;
        let cause = if row.change == DISPUTE {
            Cause::Dispute { id: row.id.clone(), mailbox: row.mailbox.clone(), until: row.until }
        } else {
            Cause::Ticket(row.id.clone())
        };
        let account = AccountId::new(row.account);
        let event = Event {
            at: Timestamp::from_millis(row.at),
            kind: EventKind::named(&row.kind),
            dialect: row.dialect,
            reference: row.reference.clone().map(Reference::stored),
            job: row.job.map(JobId::new),
            account: Some(account.clone()),
            address: row.address.map(AddressTag::stored),
            network: row.network.map(Network::stored),
            detail: row.detail,
        };
        let jobs = jobs.into_iter().map(NewJobRow::from).collect();
        Ok(Some(Self {
            id: row.id,
            mailbox: row.mailbox,
            before: row.before,
            after: row.after,
            reference: row.reference,
            own: OwnChanges { cause, account, jobs, event, now: row.at },
        }))
    }

    /// Returns the account.
    pub(super) fn account(&self) -> &AccountId {
        &self.own.account
    }

    /// Spends the ticket or opens the dispute, whose password is written, with every other change.
    pub(super) fn complete(self, db: &mut SqliteConnection) -> QueryResult<()> {
        if self.forget(db)? == 0 {
            // Another process has completed it.
            return Ok(());
        }
        let now = self.own.now;
        // Both also if they were voided or ended in the meantime: the change was allowed when it was noted.
        match &self.own.cause {
            Cause::Ticket(id) => {
                let unspent = tickets::table.find(id).filter(tickets::spent_at.is_null());
                update(unspent).set(tickets::spent_at.eq(now)).execute(db)?;
            }
            Cause::Dispute { id, .. } => {
                let unopened = disputes::table.find(id).filter(disputes::opened_at.is_null());
                update(unopened).set(disputes::opened_at.eq(now)).execute(db)?;
            }
        }
        self.own.complete(db, &self.mailbox)
    }

    /// As [`Self::complete`], for a change that was interrupted. `epoch` is that of the account now, if it still exists.
    pub(super) fn complete_interrupted(
        mut self,
        db: &mut SqliteConnection,
        epoch: Option<i64>,
    ) -> QueryResult<()> {
        let state = match epoch {
            Some(epoch) if epoch == self.after => "recorded after an interruption",
            Some(_) => "recorded after an interruption; the password is another one by now",
            None => "recorded after an interruption; the account is gone by now",
        };
        let detail = std::mem::take(&mut self.own.event.detail);
        let detail = if detail.is_empty() { state.to_owned() } else { format!("{detail}; {state}") };
        self.own.event = self.own.event.saying(detail);
        self.complete(db)
    }

    /// Removes the note on a change whose password was not written.
    pub(super) fn remove(self, db: &mut SqliteConnection) -> QueryResult<()> {
        self.forget(db).map(drop)
    }

    /// Removes the note and returns whether there was one, as a number of rows.
    fn forget(&self, db: &mut SqliteConnection) -> QueryResult<usize> {
        delete(pending_jobs::table.filter(pending_jobs::change.eq(&self.id))).execute(db)?;
        delete(pending_changes::table.find(&self.id)).execute(db)
    }
}
