//! Another system's users table, in that system's own SQLite file.
//!
//! The file stays its owner's: it is never created, its schema and its journal mode never change, and it is locked only
//! while a password is written. The connections are separate from those to polyreset's own file. With `ATTACH`, each of
//! polyreset's writes would lock the owner's file, and a transaction would still not be atomic across the two, because
//! that needs both files to have a rollback journal.

mod change;
mod file;
mod pending;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use diesel::{QueryResult, sqlite::SqliteConnection};
use reset_core::error::StoreError;
use tracing::warn;

pub(super) use self::change::Step;
use self::{
    change::{Changer, LOCKED},
    file::{check_writable, connect, journal_mode},
};
use super::{
    connection::Role,
    describe::is_view,
    file::DatabaseFile,
    foreign_survey, on_own_thread_for,
    queries::password_write::PasswordWrite,
    threads::{self, Queue, ThreadPool},
};
use crate::{
    OpenError,
    fault::DatabaseFault,
    foreign_users::{Extent, Mapping, MappingError, Plan, Survey},
    server::GroupTask,
};

/// Number of threads that read the owner's file.
const READERS: usize = 2;

/// The users table of another system, in an open file.
pub(super) struct OwnerFile {
    plan: Arc<Plan>,
    file: DatabaseFile,
    readers: ThreadPool,
    /// One thread, because SQLite has one writer.
    writer: ThreadPool,
    changer: Arc<Changer>,
}

impl OwnerFile {
    /// Opens the owner's file and checks that polyreset can do in it what a reset does. `own` writes to polyreset's own
    /// file. `at` is called at each step of a change.
    pub(super) async fn open(
        path: &Path,
        mapping: &Mapping,
        own: Arc<ThreadPool>,
        at: fn(Step),
    ) -> Result<Self, OpenError> {
        let mapping = mapping.clone();
        let plan = on_own_thread_for(path, unusable, move |path| {
            let mut db = connect(&path, Role::Writer)?;
            check_writable(&mut db)?;
            plan(&mut db, &mapping).map_err(|error| DatabaseFault::from(error).to_string())
        });
        let plan = Arc::new(plan.await?.map_err(OpenError::Mapping)?);
        on_own_thread_for(path, unusable, move |path| {
            let no_thread = |error| format!("cannot start a thread: {error}");
            let (mut readers, mut writer) = (ThreadPool::default(), ThreadPool::default());
            let file = DatabaseFile::at(&path)?;
            for number in 0..READERS {
                let db = connect(&path, Role::Reader)?;
                let read = move |queue: &Queue| threads::read(db, queue);
                readers.add(&format!("users-read-{number}"), read).map_err(no_thread)?;
            }
            let db = connect(&path, Role::Writer)?;
            let reconnect = move || connect(&path, Role::Writer);
            writer.add("users-write", move |queue| change::run(db, queue, reconnect)).map_err(no_thread)?;
            let changer = Arc::new(Changer { plan: plan.clone(), file: file.clone(), own, at });
            Ok(Self { plan, file, readers, writer, changer })
        })
        .await
    }

    /// Returns the statements for the users table.
    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// Checks that the path still leads to the open file.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        self.file.check().map_err(|_| {
            "the file of users.database_url was deleted or replaced while it was open: restart the server"
        })
    }

    /// Runs a query on the users table. It sees the last commit of the owner.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.run(query).await.map_err(unless_locked)?)
    }

    /// Runs a query together with others of its kind that wait at the same time.
    pub(super) async fn run_grouped<W: GroupTask<SqliteConnection>>(
        &self,
        query: W,
    ) -> Result<W::Output, StoreError> {
        Ok(self.readers.run_grouped(query).await.map_err(unless_locked)?)
    }

    /// Sets a password. Returns whether it was allowed.
    pub(super) async fn write(&self, write: PasswordWrite) -> Result<bool, StoreError> {
        let changer = self.changer.clone();
        let written = self.writer.run_urgent(move |db| Ok(changer.apply(db, write))).await?;
        if written == Err(DatabaseFault::UsersLocked) {
            warn!(
                "another program kept the users table locked for 5 s: a password was not set, the client may retry"
            );
        }
        Ok(written?)
    }

    /// Completes or drops the changes that were interrupted.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let changer = self.changer.clone();
        Ok(self.writer.run(move |db| Ok(changer.settle(db))).await??)
    }
}

/// Whether a change of a password is noted: in progress, or interrupted.
pub(super) fn is_pending(db: &mut SqliteConnection) -> QueryResult<bool> {
    Ok(!pending::Pending::ids(db)?.is_empty())
}

/// Inspects the users table and returns the statements for it.
fn plan(db: &mut SqliteConnection, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
    if is_view(db, mapping.table.as_str())? {
        return Ok(Err(MappingError::View { table: mapping.table.to_string() }));
    }
    foreign_survey::plan(db, mapping)
}

/// Inspects the users table and returns a report. Changes nothing.
pub(crate) async fn survey(path: &Path, mapping: Mapping, extent: Extent) -> Result<Survey, OpenError> {
    let survey = on_own_thread_for(path, unusable, move |path| {
        let mut db = connect(&path, Role::Writer)?;
        if let Extent::Everything { .. } = extent {
            check_writable(&mut db)?;
        }
        let inspected = is_view(&mut db, mapping.table.as_str()).and_then(|is_view| {
            if is_view {
                return Ok(Err(MappingError::View { table: mapping.table.to_string() }));
            }
            foreign_survey::survey(&mut db, &mapping, &extent)
        });
        let inspected = inspected.map_err(|error| DatabaseFault::from(error).to_string())?;
        let mode = journal_mode(&mut db)?;
        Ok(inspected
            .map(|survey| Survey { advice: [survey.advice, advice(&mode, &path)].concat(), ..survey }))
    });
    survey.await?.map_err(OpenError::Mapping)
}

/// Returns what the operator should know of the file itself.
fn advice(mode: &str, path: &Path) -> Vec<String> {
    let mut advice = Vec::new();
    if mode != "wal" {
        advice.push(format!(
            "the journal mode of the file is {mode}, so a reset and its owner's transactions wait for each other, up to \
             5 s. In WAL mode, which only its owner should set, readers do not wait; but a transaction of the owner that \
             reads before it writes, as Strapi's do, fails there if a reset is committed in between"
        ));
    }
    advice.extend(file::other_owner(path));
    advice
}

/// Names the fault of a query that waited for another program.
fn unless_locked(fault: DatabaseFault) -> DatabaseFault {
    match fault {
        DatabaseFault::Engine(message) if message == LOCKED => DatabaseFault::UsersLocked,
        fault => fault,
    }
}

fn unusable(path: &Path, reason: String) -> OpenError {
    OpenError::UsersFile { path: path.to_owned(), reason }
}
