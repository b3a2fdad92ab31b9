//! SQLite's tasks: each is one unit of work on a connection that some thread owns.
//!
//! One that has not begun is not begun for nobody: whoever was told that it failed finds that nothing was done.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use crate::{fault::DatabaseFault, thread_pool};

#[cfg(test)]
pub(super) use crate::thread_pool::QUEUE;

/// Tasks that wait for one of SQLite's threads.
pub(super) type Queue = thread_pool::Queue<dyn ThreadTask>;
/// Some threads behind one queue.
pub(super) type ThreadPool = thread_pool::ThreadPool<dyn ThreadTask>;

/// One unit of work and the caller who waits for its result.
pub(super) trait ThreadTask: Send {
    /// Runs the work and keeps the result. Returns whether it is to be kept in the database, too.
    fn run(&mut self, db: &mut SqliteConnection) -> bool;

    /// Tells the caller the result; or `lost`, when the transaction around it came to nothing.
    fn answer(self: Box<Self>, lost: Option<DatabaseFault>);
}

struct PendingTask<T, F> {
    todo: Option<F>,
    result: Result<T, DatabaseFault>,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

impl<T, F> ThreadTask for PendingTask<T, F>
where
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send,
{
    fn run(&mut self, db: &mut SqliteConnection) -> bool {
        if let Some(work) = self.todo.take().filter(|_| !self.caller.is_closed()) {
            // Sound: whatever a panic leaves behind on the connection is rolled back.
            let ran = catch_unwind(AssertUnwindSafe(|| work(db)));
            self.result =
                ran.map_or(Err(DatabaseFault::Panicked), |result| result.map_err(DatabaseFault::from));
        }
        self.result.is_ok()
    }

    fn answer(self: Box<Self>, lost: Option<DatabaseFault>) {
        // A task that failed by itself says why, whatever became of the batch.
        let result = match (self.result, lost) {
            (Ok(_) | Err(DatabaseFault::Closed), Some(lost)) => Err(lost),
            (result, _) => result,
        };
        let _gone = self.caller.send(result);
    }
}

impl ThreadPool {
    /// Queues `work` and waits for its result.
    ///
    /// # Errors
    /// [`DatabaseFault::Full`] at once; else what the work, or the transaction around it, failed with.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, DatabaseFault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let (caller, result) = oneshot::channel();
        self.push(Box::new(PendingTask { todo: Some(work), result: Err(DatabaseFault::Closed), caller }))?;
        result.await.unwrap_or(Err(DatabaseFault::Closed))
    }
}

/// Runs one task at a time, each as a transaction of its own: for look-ups.
pub(super) fn read(mut db: SqliteConnection, queue: &Queue) {
    while let Some(mut task) = queue.next() {
        task.run(&mut db);
        task.answer(None);
    }
}
