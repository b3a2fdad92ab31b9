//! Threads behind a bounded queue. Each thread of an engine owns one connection.
//!
//! Diesel's calls block, so they never run on the runtime's threads. A task that has started runs to its end even if
//! its caller goes away, so a client that hangs up cannot leave a transaction open.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::fault::DatabaseFault;

/// Maximum number of queued tasks. Beyond it a new task fails at once.
pub(crate) const QUEUE: usize = 1024;

/// Timeout for the threads to end. It is longer than a statement that waits for another process, and short enough that
/// the process shuts down in time.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// Tasks that wait for a thread. A channel would be enough for one thread; several would have to share its receiving
/// end, and some would sleep while there is work.
pub(crate) struct Queue<J: ?Sized> {
    state: Mutex<State<J>>,
    changed: Condvar,
    /// Wakes paused threads when the queue is closed. If they waited on `changed`, they would consume wake-ups that
    /// are meant for idle threads.
    closing: Condvar,
}

struct State<J: ?Sized> {
    /// Tasks that a client waits for. They come before the others.
    urgent: VecDeque<Box<J>>,
    tasks: VecDeque<Box<J>>,
    closed: bool,
}

impl<J: ?Sized> State<J> {
    fn pop(&mut self) -> Option<Box<J>> {
        self.urgent.pop_front().or_else(|| self.tasks.pop_front())
    }
}

impl<J: ?Sized> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State { urgent: VecDeque::new(), tasks: VecDeque::new(), closed: false }),
            changed: Condvar::new(),
            closing: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, task: Box<J>, urgent: bool) -> Result<(), DatabaseFault> {
        let mut state = self.lock();
        let tasks = if urgent { &mut state.urgent } else { &mut state.tasks };
        if tasks.len() >= QUEUE {
            return Err(DatabaseFault::Full);
        }
        tasks.push_back(task);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Returns the next task, or `None` if none is queued.
    pub(crate) fn try_next(&self) -> Option<Box<J>> {
        self.lock().pop()
    }

    /// Returns the next task that a client waits for, or another one if `others` is true.
    pub(crate) fn try_next_urgent(&self, others: bool) -> Option<Box<J>> {
        let mut state = self.lock();
        state.urgent.pop_front().or_else(|| if others { state.tasks.pop_front() } else { None })
    }

    /// Returns the next task that no client waits for.
    pub(crate) fn try_next_other(&self) -> Option<Box<J>> {
        self.lock().tasks.pop_front()
    }

    /// Waits for the next task. Returns `None` once the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<Box<J>> {
        let idle = |state: &mut State<J>| state.urgent.is_empty() && state.tasks.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        state.unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts a task back at the front of the queue, for another thread. Returns the task if the queue is closed.
    pub(crate) fn put_back(&self, task: Box<J>) -> Option<Box<J>> {
        let mut state = self.lock();
        if state.closed {
            return Some(task);
        }
        state.tasks.push_front(task);
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Waits for `duration`, or until the queue is closed.
    pub(crate) fn pause(&self, duration: Duration) {
        let open = |state: &mut State<J>| !state.closed;
        drop(self.closing.wait_timeout_while(self.lock(), duration, open));
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.closing.notify_all();
    }

    /// Locks the state. No task runs under the lock, so a panic cannot leave the list half changed.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads behind one queue. When the pool is dropped, the threads finish the queued tasks, close their connections
/// and end. The drop waits at most [`SHUTDOWN_TIMEOUT`] for a thread whose server does not respond.
pub(crate) struct ThreadPool<J: ?Sized + Send + 'static> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
    /// Each thread holds a clone until it ends.
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
    /// Adds a thread that runs `run`, which takes tasks from the queue.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
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

    /// Queues a task, before all tasks that are not urgent if it is.
    ///
    /// # Errors
    /// Returns [`DatabaseFault::Full`] if the queue is full.
    pub(crate) fn push(&self, task: Box<J>, urgent: bool) -> Result<(), DatabaseFault> {
        self.queue.push(task, urgent)
    }
}

impl<J: ?Sized + Send + 'static> Drop for ThreadPool<J> {
    fn drop(&mut self) {
        self.queue.close();
        // From here on only the threads hold senders, so the channel disconnects when the last thread ends.
        self.alive = mpsc::channel().0;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let timed_out = ended.recv_timeout(SHUTDOWN_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout);
        for thread in self.threads.drain(..) {
            if !timed_out || thread.is_finished() {
                // Tasks catch panics. A panic of the thread itself was already printed when it happened.
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
    fn paused_thread_consumes_no_wake_up_of_an_idle_thread() {
        for _ in 0..20 {
            let mut thread_pool = ThreadPool::<Task>::default();
            let (pausing, paused) = mpsc::channel();
            thread_pool
                .add("pauses", move |queue| {
                    pausing.send(()).unwrap();
                    queue.pause(Duration::from_secs(30));
                })
                .unwrap();
            paused.recv().unwrap();
            // The paused thread sleeps before the second one does, so it would be the first to be woken.
            thread::sleep(Duration::from_millis(10));
            thread_pool
                .add("works", |queue| {
                    while let Some(task) = queue.next() {
                        task();
                    }
                })
                .unwrap();
            thread::sleep(Duration::from_millis(10));
            let (ran, task_ran) = mpsc::channel();
            thread_pool.push(Box::new(move || ran.send(()).unwrap()), false).unwrap();
            task_ran.recv_timeout(Duration::from_secs(5)).unwrap();
        }
    }

    #[test]
    fn dropping_the_pool_abandons_a_thread_that_does_not_end() {
        let mut thread_pool = ThreadPool::<Task>::default();
        let (release, released) = mpsc::channel::<()>();
        let (ended, other_ended) = mpsc::channel();
        thread_pool
            .add("works", move |queue| {
                while let Some(task) = queue.next() {
                    task();
                }
                ended.send(()).unwrap();
            })
            .unwrap();
        thread_pool.add("hangs", move |_| assert!(released.recv().is_err())).unwrap();
        let began = Instant::now();
        drop(thread_pool);
        assert!(began.elapsed() < SHUTDOWN_TIMEOUT + Duration::from_secs(1));
        other_ended.try_recv().expect("the other thread ended before the drop returned");
        drop(release);
    }
}
