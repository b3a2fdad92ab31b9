//! Threads behind a bounded queue: what every engine's connections live on.
//!
//! Diesel's calls block, so none runs on the runtime's threads. A task that has begun runs to its end even if its
//! caller goes: a client that hangs up cannot leave a transaction open.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::fault::DatabaseFault;

/// Most tasks that wait. Beyond it a task fails at once.
pub(crate) const QUEUE: usize = 1024;

/// How long the threads may take to end. Longer than a statement that another process holds up; short enough that a
/// process that is told to end does so.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// Tasks that wait for a thread. A channel would do for one thread; several would have to take turns at its
/// receiving end, and sleep while there is work.
pub(crate) struct Queue<J: ?Sized> {
    state: Mutex<State<J>>,
    changed: Condvar,
    /// For threads that rest. With the other's notices they would take what is meant for somebody who works.
    closing: Condvar,
}

struct State<J: ?Sized> {
    tasks: VecDeque<Box<J>>,
    closed: bool,
}

impl<J: ?Sized> Queue<J> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State { tasks: VecDeque::new(), closed: false }),
            changed: Condvar::new(),
            closing: Condvar::new(),
        }
    }

    fn push(&self, task: Box<J>) -> Result<(), DatabaseFault> {
        let mut state = self.lock();
        if state.tasks.len() >= QUEUE {
            return Err(DatabaseFault::Full);
        }
        state.tasks.push_back(task);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next task, if one is waiting.
    pub(crate) fn waiting(&self) -> Option<Box<J>> {
        self.lock().tasks.pop_front()
    }

    /// The next task, once there is one; nothing when the queue is closed and worked off.
    pub(crate) fn next(&self) -> Option<Box<J>> {
        let idle = |state: &mut State<J>| state.tasks.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        state.unwrap_or_else(PoisonError::into_inner).tasks.pop_front()
    }

    /// Leaves a task to the other threads, as the next one. A closed queue gives it back.
    pub(crate) fn leave(&self, task: Box<J>) -> Option<Box<J>> {
        let mut state = self.lock();
        if state.closed {
            return Some(task);
        }
        state.tasks.push_front(task);
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Takes no task for `pause`, or until the queue is closed.
    pub(crate) fn rest(&self, pause: Duration) {
        let open = |state: &mut State<J>| !state.closed;
        drop(self.closing.wait_timeout_while(self.lock(), pause, open));
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.closing.notify_all();
    }

    /// No task runs under the lock, so a panic cannot have left the list half changed.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some threads behind one queue. When it is dropped the threads work off what was queued, close their
/// connections and end; one that a silent server holds up is not waited for without end.
pub(crate) struct ThreadPool<J: ?Sized + Send + 'static> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
    /// Each thread keeps one end until it ends.
    alive: mpsc::Sender<Infallible>,
    ended: Mutex<mpsc::Receiver<Infallible>>,
}

impl<J: ?Sized + Send + 'static> Default for ThreadPool<J> {
    fn default() -> Self {
        let (alive, ended) = mpsc::channel();
        Self { queue: Arc::new(Queue::new()), threads: Vec::new(), alive, ended: Mutex::new(ended) }
    }
}

impl<J: ?Sized + Send + 'static> ThreadPool<J> {
    /// Adds a thread that takes tasks as `run` likes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn add(
        &mut self,
        name: &str,
        run: impl FnOnce(&Queue<J>) + Send + 'static,
    ) -> std::io::Result<()> {
        let (queue, alive) = (self.queue.clone(), self.alive.clone());
        let run = move || {
            let _alive = alive;
            run(&queue);
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Queues a task.
    ///
    /// # Errors
    /// [`DatabaseFault::Full`].
    pub(crate) fn push(&self, task: Box<J>) -> Result<(), DatabaseFault> {
        self.queue.push(task)
    }
}

impl<J: ?Sized + Send + 'static> Drop for ThreadPool<J> {
    fn drop(&mut self) {
        self.queue.close();
        // From here on only threads hold the sending end: what is received is that the last of them let go.
        self.alive = mpsc::channel().0;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let late = ended.recv_timeout(LAST_WORDS) == Err(mpsc::RecvTimeoutError::Timeout);
        for thread in self.threads.drain(..) {
            if !late || thread.is_finished() {
                // Tasks catch their panics; one that got through was printed when it happened.
                let _panicked = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    type Task = dyn FnOnce() + Send;

    #[test]
    fn a_thread_that_rests_takes_nobodys_wake_up() {
        for _ in 0..20 {
            let mut thread_pool = ThreadPool::<Task>::default();
            let (resting, rests) = mpsc::channel();
            thread_pool
                .add("rests", move |queue| {
                    resting.send(()).unwrap();
                    queue.rest(Duration::from_secs(30));
                })
                .unwrap();
            rests.recv().unwrap();
            // Until it sleeps; then another, so that it is the first to be woken.
            thread::sleep(Duration::from_millis(10));
            thread_pool
                .add("works", |queue| {
                    while let Some(task) = queue.next() {
                        task();
                    }
                })
                .unwrap();
            thread::sleep(Duration::from_millis(10));
            let (done, heard) = mpsc::channel();
            thread_pool.push(Box::new(move || done.send(()).unwrap())).unwrap();
            heard.recv_timeout(Duration::from_secs(5)).unwrap();
        }
    }

    #[test]
    fn a_thread_that_does_not_end_is_left_behind() {
        let mut thread_pool = ThreadPool::<Task>::default();
        let (release, held) = mpsc::channel::<()>();
        let (ended, heard) = mpsc::channel();
        thread_pool
            .add("works", move |queue| {
                while let Some(task) = queue.next() {
                    task();
                }
                ended.send(()).unwrap();
            })
            .unwrap();
        thread_pool.add("hangs", move |_| assert!(held.recv().is_err())).unwrap();
        let began = Instant::now();
        drop(thread_pool);
        assert!(began.elapsed() < LAST_WORDS + Duration::from_secs(1));
        heard.try_recv().expect("the others ended before");
        drop(release);
    }
}
