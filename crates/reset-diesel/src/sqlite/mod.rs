//! The Store on SQLite: one file, one writer thread with group commit, and a few reader threads that never wait for it.
//!
//! Other processes, such as `user add`, may use the file at the same time. They and the writer wait up to five seconds
//! for each other and then fail with nothing done.

mod connection;
mod describe;
mod engine;
mod file;
#[path = "../foreign_survey/mod.rs"]
mod foreign_survey;
mod grouped_task;
mod inspection;
mod migrations;
mod owner;
#[path = "../queries/mod.rs"]
mod queries;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

use std::{
    path::{Path, PathBuf, absolute},
    sync::Arc,
    thread,
};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use reset_core::error::StoreError;
use tokio::sync::oneshot;

use self::{
    connection::Role,
    file::DatabaseFile,
    owner::{OwnerFile, Step},
    queries::{password_write::PasswordWrite, users::Users},
    threads::{Queue, ThreadPool},
};
pub(crate) use self::{
    inspection::{damage, has_events},
    migrations::{migrate, schema_difference},
    owner::survey,
};
use crate::{
    OpenError,
    foreign_users::Mapping,
    server::{GroupTask, TaskKind},
};

/// Number of reader threads. Queries take microseconds, so more threads would not help.
const READERS: usize = 3;

/// An open SQLite file.
pub(crate) struct Sqlite {
    /// The users table of another system. Its thread uses the writer, so it is closed first.
    owner: Option<OwnerFile>,
    file: DatabaseFile,
    writer: Arc<ThreadPool>,
    readers: ThreadPool,
}

impl Sqlite {
    /// Opens the file, and creates it if it is missing.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        on_own_thread(path, |path| {
            let (mut writer, mut readers) = (ThreadPool::default(), ThreadPool::default());
            let no_thread = |error| format!("cannot start a thread: {error}");
            // The writer connects first, because it creates the file.
            let db = Role::Writer.connect(&path)?;
            let file = DatabaseFile::at(&path)?;
            for number in 0..READERS {
                let db = Role::Reader.connect(&path)?;
                let read = move |queue: &Queue| threads::read(db, queue);
                readers.add(&format!("sqlite-read-{number}"), read).map_err(no_thread)?;
            }
            let same_file = file.clone();
            // Connecting creates a missing file, and an empty database would fail less visibly than none.
            let reconnect =
                move || same_file.check().map_err(str::to_owned).and_then(|()| Role::Writer.connect(&path));
            writer.add("sqlite-write", move |queue| writer::run(db, queue, reconnect)).map_err(no_thread)?;
            Ok(Self { owner: None, file, writer: Arc::new(writer), readers })
        })
        .await
    }

    /// Returns the store with another system's users table in the file `owner`.
    pub(crate) async fn with_users(self, owner: &Path, mapping: &Mapping) -> Result<Self, OpenError> {
        self.with_users_interrupted_at(owner, mapping, |_| {}).await
    }

    /// As [`Self::with_users`]. `at` is called at each step of a password change.
    async fn with_users_interrupted_at(
        self,
        owner: &Path,
        mapping: &Mapping,
        at: fn(Step),
    ) -> Result<Self, OpenError> {
        let owner = OwnerFile::open(owner, mapping, self.writer.clone(), at).await?;
        Ok(Self { owner: Some(owner), ..self })
    }

    /// Returns the users table.
    fn users(&self) -> Users {
        self.owner.as_ref().map(OwnerFile::plan).into()
    }

    /// Sets a password, with everything else that changes. Returns whether it was allowed.
    async fn write_password(&self, write: PasswordWrite) -> Result<bool, StoreError> {
        match &self.owner {
            Some(owner) => owner.write(write).await,
            None => self.write(move |db| write.run(db, &Users::Own)).await,
        }
    }

    /// Runs a query on the users table.
    async fn read_users<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.owner {
            Some(owner) => owner.read(query).await,
            None => self.read(query).await,
        }
    }

    /// Runs a task on the users table, together with others of its kind.
    async fn run_on_users<W: GroupTask<SqliteConnection>>(&self, task: W) -> Result<W::Output, StoreError> {
        match &self.owner {
            Some(owner) => owner.run_grouped(task).await,
            None => self.run_grouped(task).await,
        }
    }

    /// Completes or drops the password changes that were interrupted between two files.
    async fn settle_passwords(&self) -> Result<(), StoreError> {
        let Some(owner) = &self.owner else { return Ok(()) };
        if self.read(owner::is_pending).await? { owner.settle().await } else { Ok(()) }
    }

    /// Runs a task on the writer, in a transaction: completely or not at all. The changes are durable when this
    /// returns.
    async fn write<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run(task).await?)
    }

    /// Runs a task together with others of its kind that wait at the same time.
    async fn run_grouped<W: GroupTask<SqliteConnection>>(&self, task: W) -> Result<W::Output, StoreError> {
        let threads = match W::KIND {
            TaskKind::Write => &*self.writer,
            TaskKind::Read => &self.readers,
        };
        Ok(threads.run_grouped(task).await?)
    }

    /// Runs a query on a reader, which sees the last commit.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.run(query).await?)
    }
}

/// Returns the absolute path of the file that a URL names. Rejects SQLite's notations for databases that are not files.
pub(crate) fn path(text: &str) -> Result<PathBuf, OpenError> {
    let not_a_file =
        text.is_empty() || text.ends_with('/') || text == ":memory:" || text.contains(['?', '\0']);
    // With an absolute path, neither a change of directory nor a name that starts with `file:` has an effect.
    let path = if not_a_file { None } else { absolute(text).ok() };
    path.ok_or_else(|| OpenError::Path(text.to_owned()))
}

/// Runs blocking work on the file on its own thread. The error is a message.
async fn on_own_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(PathBuf) -> Result<T, String> + Send + 'static,
) -> Result<T, OpenError> {
    let file = |path: &Path, reason| OpenError::File { path: path.to_owned(), reason };
    on_own_thread_for(path, file, work).await
}

/// As [`on_own_thread`], with the error that a message becomes.
async fn on_own_thread_for<T: Send + 'static>(
    path: &Path,
    error: impl FnOnce(&Path, String) -> OpenError,
    work: impl FnOnce(PathBuf) -> Result<T, String> + Send + 'static,
) -> Result<T, OpenError> {
    let (caller, result) = oneshot::channel();
    let own_path = path.to_owned();
    let thread = thread::Builder::new().name("sqlite-open".to_owned());
    let result = match thread.spawn(move || caller.send(work(own_path))) {
        Ok(_) => result.await.unwrap_or_else(|_| Err("the thread panicked".to_owned())),
        Err(error) => Err(format!("cannot start a thread: {error}")),
    };
    result.map_err(|reason| error(path, reason))
}
