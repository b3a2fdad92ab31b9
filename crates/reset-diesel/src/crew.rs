//! Threads behind a bounded queue: what every engine's connections live on.
//!
//! Diesel's calls block, so none runs on the runtime's threads. A job that has begun runs to its end even if its
//! caller goes: a client that hangs up cannot leave a transaction open.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::fault::Fault;

/// Most jobs that wait. Beyond it a job fails at once.
pub(crate) const QUEUE: usize = 1024;

/// Jobs that wait for a thread. A channel would do for one thread; several would have to take turns at its
/// receiving end, and sleep while there is work.
pub(crate) struct Queue<J: ?Sized> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J: ?Sized> {
    jobs: VecDeque<Box<J>>,
    closed: bool,
}

impl<J: ?Sized> Queue<J> {
    fn new() -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), closed: false }), changed: Condvar::new() }
    }

    fn push(&self, job: Box<J>) -> Result<(), Fault> {
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
    pub(crate) fn waiting(&self) -> Option<Box<J>> {
        self.lock().jobs.pop_front()
    }

    /// The next job, once there is one; nothing when the queue is closed and worked off.
    pub(crate) fn next(&self) -> Option<Box<J>> {
        let idle = |state: &mut State<J>| state.jobs.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        state.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }

    /// Leaves a job to the other threads, as the next one. A closed queue gives it back.
    pub(crate) fn leave(&self, job: Box<J>) -> Option<Box<J>> {
        let mut state = self.lock();
        if state.closed {
            return Some(job);
        }
        state.jobs.push_front(job);
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Takes no job for `pause`, or until the queue is closed.
    pub(crate) fn rest(&self, pause: Duration) {
        let open = |state: &mut State<J>| !state.closed;
        drop(self.changed.wait_timeout_while(self.lock(), pause, open));
        // A notice meant for a thread that takes jobs may have ended up here.
        self.changed.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// No job runs under the lock, so a panic cannot have left the list half changed.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some threads behind one queue. When it is dropped the threads work off what was queued, close their
/// connections and end.
pub(crate) struct Crew<J: ?Sized + Send + 'static> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: ?Sized + Send + 'static> Default for Crew<J> {
    fn default() -> Self {
        Self { queue: Arc::new(Queue::new()), threads: Vec::new() }
    }
}

impl<J: ?Sized + Send + 'static> Crew<J> {
    /// Adds a thread that takes jobs as `run` likes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn add(
        &mut self,
        name: &str,
        run: impl FnOnce(&Queue<J>) + Send + 'static,
    ) -> std::io::Result<()> {
        let queue = self.queue.clone();
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || run(&queue))?);
        Ok(())
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`Fault::Full`].
    pub(crate) fn push(&self, job: Box<J>) -> Result<(), Fault> {
        self.queue.push(job)
    }
}

impl<J: ?Sized + Send + 'static> Drop for Crew<J> {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // Jobs catch their panics; one that got through was printed when it happened.
            let _panicked = thread.join();
        }
    }
}
