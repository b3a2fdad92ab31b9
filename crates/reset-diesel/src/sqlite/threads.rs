//! Threads that own a connection each and take jobs from a bounded queue.
//!
//! SQLite calls block and one of them may wait for the disk, so none runs on the runtime's threads. A job that
//! has begun runs to its end even if its caller goes: a client that hangs up cannot leave a transaction open.
//! One that has not begun is not begun for nobody: whoever was told that it failed finds that nothing was done.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use super::fault::Fault;

/// Most jobs that wait. Beyond it a job fails at once.
pub(super) const QUEUE: usize = 1024;

/// Jobs that wait for a thread. A channel would do for one thread; several would have to take turns at its
/// receiving end, and sleep while there is work.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    closed: bool,
}

impl Queue {
    fn push(&self, job: Box<dyn Job>) -> Result<(), Fault> {
        let mut state = self.lock();
        if state.jobs.len() >= QUEUE {
            return Err(Fault::Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job, if one is waiting.
    pub(super) fn waiting(&self) -> Option<Box<dyn Job>> {
        self.lock().jobs.pop_front()
    }

    /// The next job, once there is one; nothing when the queue is closed and worked off.
    pub(super) fn next(&self) -> Option<Box<dyn Job>> {
        let idle = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        state.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// No job runs under the lock, so a panic cannot have left the list half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One unit of work and the caller who waits for its result.
pub(super) trait Job: Send {
    /// Runs the work and keeps the result. Returns whether it is to be kept in the database, too.
    fn run(&mut self, db: &mut SqliteConnection) -> bool;

    /// Tells the caller the result; or `lost`, when the transaction around it came to nothing.
    fn answer(self: Box<Self>, lost: Option<Fault>);
}

struct Work<T, F> {
    todo: Option<F>,
    result: Result<T, Fault>,
    caller: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send,
{
    fn run(&mut self, db: &mut SqliteConnection) -> bool {
        if let Some(work) = self.todo.take().filter(|_| !self.caller.is_closed()) {
            // Sound: whatever a panic leaves behind on the connection is rolled back.
            let ran = catch_unwind(AssertUnwindSafe(|| work(db)));
            self.result = ran.map_or(Err(Fault::Panicked), |result| result.map_err(Fault::from));
        }
        self.result.is_ok()
    }

    fn answer(self: Box<Self>, lost: Option<Fault>) {
        // A job that failed by itself says why, whatever became of the batch.
        let result = match (self.result, lost) {
            (Ok(_) | Err(Fault::Closed), Some(lost)) => Err(lost),
            (result, _) => result,
        };
        let _gone = self.caller.send(result);
    }
}

/// Some threads behind one queue. When it is dropped the threads work off what was queued, close their
/// connections and end.
#[derive(Default)]
pub(super) struct Crew {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Adds a thread that takes jobs as `run` likes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn add(
        &mut self,
        name: &str,
        run: impl FnOnce(&Queue) + Send + 'static,
    ) -> std::io::Result<()> {
        let queue = self.queue.clone();
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || run(&queue))?);
        Ok(())
    }

    /// Queues `work` and waits for its result.
    ///
    /// # Errors
    /// [`Fault::Full`] at once; else what the work, or the transaction around it, failed with.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let (caller, result) = oneshot::channel();
        self.queue.push(Box::new(Work { todo: Some(work), result: Err(Fault::Closed), caller }))?;
        result.await.unwrap_or(Err(Fault::Closed))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // Jobs catch their panics; one that got through was printed when it happened.
            let _panicked = thread.join();
        }
    }
}

/// Runs one job at a time, each as a transaction of its own: for look-ups.
pub(super) fn read(mut db: SqliteConnection, queue: &Queue) {
    while let Some(mut job) = queue.next() {
        job.run(&mut db);
        job.answer(None);
    }
}
