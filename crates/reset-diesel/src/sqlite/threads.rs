//! Tasks for SQLite: units of work on a connection that a thread owns.
//!
//! A task is not started if its caller has gone, so a task that was reported as failed before its start does nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use crate::{fault::DatabaseFault, thread_pool};

#[cfg(test)]
pub(super) use crate::thread_pool::QUEUE;

/// Queue of tasks for SQLite's threads.
pub(super) type Queue = thread_pool::Queue<dyn ThreadTask>;
/// Threads behind one queue.
pub(super) type ThreadPool = thread_pool::ThreadPool<dyn ThreadTask>;

/// Receives the result of a task.
type Reply<T> = oneshot::Receiver<Result<T, DatabaseFault>>;

/// A unit of work and the caller that waits for its result.
pub(super) trait ThreadTask: Send {
    /// Returns whether a client waits for it.
    fn is_urgent(&self) -> bool;

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
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send,
{
    fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn run(&mut self, db: &mut SqliteConnection) -> bool {
        if let Some(work) = self.work.take().filter(|_| !self.caller.is_closed()) {
            // Sound: changes that a panicked task made are rolled back.
            let result = catch_unwind(AssertUnwindSafe(|| work(db)));
            self.result =
                result.map_or(Err(DatabaseFault::Panicked), |result| result.map_err(DatabaseFault::from));
        }
        self.result.is_ok()
    }

    fn reply(self: Box<Self>, failure: Option<DatabaseFault>) {
        // A task that failed by itself keeps its own error, even if the batch failed too.
        let result = match (self.result, failure) {
            (Ok(_) | Err(DatabaseFault::Closed), Some(failure)) => Err(failure),
            (result, _) => result,
        };
        let _gone = self.caller.send(result);
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

/// Runs queries one at a time, each in its own implicit transaction, until the queue is closed.
pub(super) fn read(mut db: SqliteConnection, queue: &Queue) {
    while let Some(mut task) = queue.next() {
        task.run(&mut db);
        task.reply(None);
    }
}
