//! Threads that own a connection each and take jobs from a bounded queue.
//!
//! SQLite calls block and one of them may wait for the disk, so none runs on the runtime's threads. A job runs
//! to its end even if its caller has gone: a client that hangs up cannot leave a transaction open.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use diesel::{result::QueryResult, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use super::fault::Fault;

/// Most jobs that wait. Beyond it a job fails at once.
pub(super) const QUEUE: usize = 1024;

/// The receiving end of a queue.
pub(super) type Jobs = Receiver<Box<dyn Job>>;

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
        if let Some(work) = self.todo.take() {
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
pub(super) struct Crew {
    queue: Option<SyncSender<Box<dyn Job>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// One thread that takes jobs as `run` likes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn of_one(name: &str, run: impl FnOnce(Jobs) + Send + 'static) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(jobs))?;
        Ok(Self { queue: Some(queue), threads: vec![thread] })
    }

    /// A thread for each connection; each takes one job at a time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn of_many(name: &str, connections: Vec<SqliteConnection>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Box<dyn Job>>(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut crew = Self { queue: Some(queue), threads: Vec::new() };
        for (number, mut db) in connections.into_iter().enumerate() {
            let jobs = jobs.clone();
            // One waits for the queue, the others for the lock: each job wakes one thread.
            let next = move || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let thread = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                while let Ok(mut job) = next() {
                    job.run(&mut db);
                    job.answer(None);
                }
            })?;
            crew.threads.push(thread);
        }
        Ok(crew)
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
        let job = Box::new(Work { todo: Some(work), result: Err(Fault::Closed), caller });
        let queue = self.queue.as_ref().expect("open until it is dropped");
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Fault::Full,
            TrySendError::Disconnected(_) => Fault::Closed,
        })?;
        result.await.unwrap_or(Err(Fault::Closed))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // Jobs catch their panics; one that got through was printed when it happened.
            let _panicked = thread.join();
        }
    }
}
