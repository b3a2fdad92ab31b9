//! Tasks for SQLite: units of work on a connection that a thread owns.
//!
//! A task is not started if its caller has gone, so a task that was reported as failed before its start does nothing.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use super::grouped_task::GroupedTask;
use crate::{
    fault::DatabaseFault,
    server::{GROUP_MAX, GroupTask},
    thread_pool,
};

#[cfg(test)]
pub(super) use crate::thread_pool::QUEUE;

/// Queue of tasks for SQLite's threads.
pub(super) type Queue = thread_pool::Queue<dyn ThreadTask>;
/// Threads behind one queue.
pub(super) type ThreadPool = thread_pool::ThreadPool<dyn ThreadTask>;

/// Receives the result of a task.
type Reply<T> = oneshot::Receiver<Result<T, DatabaseFault>>;

/// A unit of work and the caller that waits for its result, or several of one kind.
pub(super) trait ThreadTask: Send + Any {
    /// Returns whether a client waits for it.
    fn is_urgent(&self) -> bool;

    /// Returns the number of units.
    fn len(&self) -> usize {
        1
    }

    /// Takes over the units of a task of the same kind. Returns a task of another kind.
    fn absorb(&mut self, other: Box<dyn ThreadTask>) -> Option<Box<dyn ThreadTask>> {
        Some(other)
    }

    /// Runs the work and stores the result. Returns whether the changes in the database should be kept.
    fn run(&mut self, db: &mut SqliteConnection) -> bool;

    /// Sends the caller the result, or `failure` if the transaction around the task failed.
    fn reply(self: Box<Self>, failure: Option<DatabaseFault>);
}

struct PendingTask<T, F> {
    work: Option<F>,
    urgent: bool,
    result: Result<T, DatabaseFault>,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

impl<T, F> ThreadTask for PendingTask<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
{
    fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn run(&mut self, db: &mut SqliteConnection) -> bool {
        if let Some(work) = self.work.take().filter(|_| !self.caller.is_closed()) {
            self.result = caught(|| work(db));
        }
        self.result.is_ok()
    }

    fn reply(self: Box<Self>, failure: Option<DatabaseFault>) {
        let _gone = self.caller.send(after_commit(self.result, failure));
    }
}

/// Runs work and catches its panic.
pub(super) fn caught<T>(work: impl FnOnce() -> QueryResult<T>) -> Result<T, DatabaseFault> {
    // Sound: changes that a panicked task made are rolled back.
    let result = catch_unwind(AssertUnwindSafe(work));
    result.map_or(Err(DatabaseFault::Panicked), |result| result.map_err(DatabaseFault::from))
}

/// Returns the result of a unit of work after its transaction ended, with `failure` if that failed. Work that failed by
/// itself keeps its own error.
pub(super) fn after_commit<T>(
    result: Result<T, DatabaseFault>,
    failure: Option<DatabaseFault>,
) -> Result<T, DatabaseFault> {
    match (result, failure) {
        (Ok(_) | Err(DatabaseFault::Closed), Some(failure)) => Err(failure),
        (result, _) => result,
    }
}

impl ThreadPool {
    /// Queues `work` and waits for its result.
    ///
    /// # Errors
    /// Returns [`DatabaseFault::Full`] at once if the queue is full, else the error of the work or of the transaction
    /// around it.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.queue(work, false).await
    }

    /// As [`Self::run`], but before all work that is not urgent.
    pub(super) async fn run_urgent<T, F>(&self, work: F) -> Result<T, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.queue(work, true).await
    }

    /// Queues a task that may run together with others of its kind, and waits for its result.
    pub(super) async fn run_grouped<W: GroupTask<SqliteConnection>>(
        &self,
        task: W,
    ) -> Result<W::Output, DatabaseFault> {
        let (caller, result) = oneshot::channel();
        self.push(Box::new(GroupedTask::new(task, caller)), W::URGENT)?;
        result.await.unwrap_or(Err(DatabaseFault::Closed))
    }

    /// As [`Self::run`], from a thread of another file, which waits for it.
    pub(super) fn run_blocking<T, F>(&self, work: F) -> Result<T, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.start(work, true)?.blocking_recv().unwrap_or(Err(DatabaseFault::Closed))
    }

    async fn queue<T, F>(&self, work: F, urgent: bool) -> Result<T, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.start(work, urgent)?.await.unwrap_or(Err(DatabaseFault::Closed))
    }

    fn start<T, F>(&self, work: F, urgent: bool) -> Result<Reply<T>, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let (caller, result) = oneshot::channel();
        let task = PendingTask { work: Some(work), urgent, result: Err(DatabaseFault::Closed), caller };
        self.push(Box::new(task), urgent)?;
        Ok(result)
    }
}

/// Runs queries, each in its own implicit transaction, until the queue is closed. Those of one kind run together.
pub(super) fn read(mut db: SqliteConnection, queue: &Queue) {
    let mut next = None;
    while let Some(mut task) = next.take().or_else(|| queue.next()) {
        while next.is_none()
            && task.len() < GROUP_MAX
            && let Some(other) = queue.try_next()
        {
            next = task.absorb(other);
        }
        task.run(&mut db);
        task.reply(None);
    }
}
