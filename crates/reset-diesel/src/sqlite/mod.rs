//! The Store on SQLite: one file, one writer with group commit, a few readers that never wait for it.
//!
//! Other processes may work on the same file at the same time, such as `user add`: they and the writer wait
//! for each other up to five seconds, then fail with nothing done.

mod connection;
mod engine;
mod migrations;
#[path = "../queries/mod.rs"]
mod queries;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

use std::{
    path::{Path, PathBuf, absolute},
    thread,
};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use reset_core::error::StoreError;
use tokio::sync::oneshot;

pub(crate) use self::migrations::{migrate, pending};
use self::{
    connection::Role,
    queries::users::Users,
    threads::{Queue, ThreadPool},
};
use crate::OpenError;

/// Look-ups take microseconds; more threads would only take turns.
const READERS: usize = 3;

/// A SQLite file in use.
pub(crate) struct Sqlite {
    writer: ThreadPool,
    readers: ThreadPool,
}

impl Sqlite {
    /// Opens the file, and makes it if there is none.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        aside(path, |path| {
            let (mut writer, mut readers) = (ThreadPool::default(), ThreadPool::default());
            let no_thread = |error| format!("no thread to work on: {error}");
            // First the writer: it makes the file.
            let db = Role::Writer.connect(&path)?;
            for number in 0..READERS {
                let db = Role::Reader.connect(&path)?;
                let read = move |queue: &Queue| threads::read(db, queue);
                readers.add(&format!("sqlite-read-{number}"), read).map_err(no_thread)?;
            }
            let again = move || Role::Writer.connect(&path);
            writer.add("sqlite-write", move |queue| writer::run(db, queue, again)).map_err(no_thread)?;
            Ok(Self { writer, readers })
        })
        .await
    }

    /// The users table.
    #[expect(clippy::unused_self, reason = "on other engines it is the deployment's to choose")]
    fn users(&self) -> Users {
        Users::Own
    }

    /// Runs a task on the writer: in a transaction, whole or not at all, and durable when this returns.
    async fn write<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run(task).await?)
    }

    /// Runs one query on a reader, which sees the last commit.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.run(query).await?)
    }
}

/// The file that a URL names. SQLite's own notations for something else than a file are refused.
pub(crate) fn path(text: &str) -> Result<PathBuf, OpenError> {
    let no_file = text.is_empty() || text.ends_with('/') || text == ":memory:" || text.contains(['?', '\0']);
    // Absolute, so that a later change of directory, or a name that begins with `file:`, changes nothing.
    let path = if no_file { None } else { absolute(text).ok() };
    path.ok_or_else(|| OpenError::Path(text.to_owned()))
}

/// Runs blocking work on the file on a thread of its own; an error is a reason in words.
async fn aside<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(PathBuf) -> Result<T, String> + Send + 'static,
) -> Result<T, OpenError> {
    let (caller, result) = oneshot::channel();
    let own_path = path.to_owned();
    let thread = thread::Builder::new().name("sqlite-open".to_owned());
    let result = match thread.spawn(move || caller.send(work(own_path))) {
        Ok(_) => result.await.unwrap_or_else(|_| Err("the thread ended early".to_owned())),
        Err(error) => Err(format!("no thread to work on: {error}")),
    };
    result.map_err(|reason| OpenError::File { path: path.to_owned(), reason })
}
