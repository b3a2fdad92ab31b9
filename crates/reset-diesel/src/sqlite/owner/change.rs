//! The change of a password in the owner's file, which survives a crash at every step.
//!
//! 1. Lock the owner's file, read the row, and check in polyreset's own file that the ticket or dispute allows the change.
//!    Note the change there. The ticket stays live.
//! 2. Write the password to the owner's file, end the sessions, void the owner's resets, and commit.
//! 3. In polyreset's own file, spend the ticket, add the jobs and the event, and remove the note, in one transaction.
//!
//! A note that is left over is settled by the row: if the row still has the earlier hash, step 2 did not happen, so the note
//! is removed and the ticket works as before. Otherwise step 3 follows. A ticket is bound to the hash that it was issued
//! for, so it cannot be spent after step 2, whatever happens to step 3. The lock of the owner's file covers steps 1 and 2
//! and each settlement, also between processes: no note is settled while its change is in progress.

use std::sync::Arc;

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager},
    result::Error,
    sqlite::SqliteConnection,
};
use tracing::{info, warn};

use super::{
    super::{
        file::DatabaseFile,
        queries::{foreign_users, password_write::PasswordWrite},
        threads::{Queue, ThreadPool},
    },
    file::write_when_idle,
    pending::Pending,
};
use crate::{fault::DatabaseFault, foreign_users::Plan};

/// The steps of a change, for tests that interrupt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    /// The owner's file is locked, and nothing is noted.
    Locked,
    /// The change is noted.
    Noted,
    /// The password is written, and not committed.
    Written,
    /// The password is committed, and the change is still noted.
    Committed,
}

/// Message of SQLite if another program keeps the file locked.
pub(super) const LOCKED: &str = "database is locked";

/// Messages of SQLite that contain no values. Those of the owner's triggers may.
const KNOWN: [&str; 7] = [
    "database table is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
    "database disk image is malformed",
    "no such table",
    "no such column",
];

/// Changes passwords. Its methods run on the thread that writes to the owner's file.
pub(super) struct Changer {
    pub(super) plan: Arc<Plan>,
    pub(super) file: DatabaseFile,
    pub(super) own: Arc<ThreadPool>,
    pub(super) at: fn(Step),
}

/// A fault of the owner's file or of polyreset's own.
struct Fault(DatabaseFault);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(match DatabaseFault::from(error) {
            DatabaseFault::Engine(message) if message == LOCKED => DatabaseFault::UsersLocked,
            DatabaseFault::Engine(message) => {
                let known = KNOWN.into_iter().find(|known| message.contains(known));
                DatabaseFault::Engine(format!("the users table: {}", known.unwrap_or("unexpected error")))
            }
            fault => fault,
        })
    }
}

impl From<DatabaseFault> for Fault {
    fn from(fault: DatabaseFault) -> Self {
        Self(fault)
    }
}

impl Changer {
    /// Sets a password. Returns whether it was allowed. After an error the change may or may not have been made, and is
    /// settled later.
    pub(super) fn apply(
        &self,
        db: &mut SqliteConnection,
        write: PasswordWrite,
    ) -> Result<bool, DatabaseFault> {
        // A deleted or replaced file would accept the password, and its owner would never see it.
        self.file.check().map_err(DatabaseFault::Rejected)?;
        self.settle(db)?;
        let written = write_when_idle(db, |db| self.write(db, write)).map_err(|Fault(fault)| fault)?;
        let Some(pending) = written else { return Ok(false) };
        (self.at)(Step::Committed);
        self.own.run_blocking(move |own| pending.complete(own))?;
        Ok(true)
    }

    /// Steps 1 and 2. Returns the noted change, or `None` if it is not allowed.
    fn write(&self, db: &mut SqliteConnection, write: PasswordWrite) -> Result<Option<Pending>, Fault> {
        (self.at)(Step::Locked);
        let PasswordWrite { password_hash, own } = write;
        let account = own.account.clone();
        let Some(user) = foreign_users::lock(db, &self.plan, &account)? else { return Ok(None) };
        let after = foreign_users::epoch_of(&password_hash);
        let noted = self.own.run_blocking(move |db| Pending::note(db, own, &user, after))?;
        let Some(pending) = noted else { return Ok(None) };
        (self.at)(Step::Noted);
        if !foreign_users::set_password(db, &self.plan, &account, &password_hash)? {
            return Err(Error::RollbackTransaction.into());
        }
        (self.at)(Step::Written);
        Ok(Some(pending))
    }

    /// Completes or drops the changes that were interrupted.
    pub(super) fn settle(&self, db: &mut SqliteConnection) -> Result<(), DatabaseFault> {
        let ids = self.own.run_blocking(Pending::ids)?;
        for id in ids {
            let settled = write_when_idle::<_, Fault>(db, |db| {
                // Another process may have settled it before this one had the lock.
                let Some(pending) = self.own.run_blocking(move |own| Pending::find(own, &id))? else {
                    return Ok(None);
                };
                let user = foreign_users::lock(db, &self.plan, pending.account())?;
                let epoch = user.map(|user| user.epoch);
                let written = epoch != Some(pending.before);
                let (account, reference) = (pending.account().clone(), pending.reference.clone());
                self.own.run_blocking(move |own| {
                    if written { pending.complete_interrupted(own, epoch) } else { pending.remove(own) }
                })?;
                Ok(Some((written, account, reference)))
            });
            if let Some((written, account, reference)) = settled.map_err(|Fault(fault)| fault)? {
                let (account, reference) = (account.as_str(), reference.as_deref().unwrap_or_default());
                if written {
                    warn!(account, reference, "completed a password change that was interrupted");
                } else {
                    info!(
                        account,
                        reference,
                        "undid a password change that was interrupted before the password was written; its link or code \
                         still works"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Runs tasks one at a time until the queue is closed. `connect` replaces a connection on which a transaction was left open.
pub(super) fn run(
    mut db: SqliteConnection,
    queue: &Queue,
    connect: impl Fn() -> Result<SqliteConnection, String>,
) {
    while let Some(mut task) = queue.next() {
        task.run(&mut db);
        let status = AnsiTransactionManager::transaction_manager_status_mut(&mut db);
        if !matches!(status.transaction_depth(), Ok(None)) {
            match connect() {
                Ok(connection) => db = connection,
                Err(reason) => {
                    warn!(reason, "reconnecting to the users table failed; the next task retries it");
                }
            }
        }
        task.reply(None);
    }
}
