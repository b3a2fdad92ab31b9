//! The hash pool: computes every hash on a limited number of threads, each with its own memory.
//!
//! The number of threads limits the memory and the cores that hashing uses, however many resets arrive at once (R60).
//! A thread starts with the first hash that finds no idle one, so a server that hashes nothing holds no memory for it.
//! An idle thread wipes its memory after a short pause, and ends after a long one.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tracing::warn;

use super::{
    HashForm, Layout, SALT, Scheme, layout,
    thread::{HashThread, blocks},
};
use crate::{
    error::HashError,
    password::NewPassword,
    ports::{Entropy, Hasher, random},
};

/// Queued tasks per thread; beyond that, [`HashError::Busy`] is returned immediately.
pub(super) const QUEUE_PER_THREAD: usize = 8;
/// Maximum wait for a result, after which [`HashError::Busy`] is returned. A task that has not started by then never
/// does.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The wait that [`HashError::Busy`] suggests to the client.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long an idle thread waits before it wipes its memory. The next hash would overwrite it anyway, and a burst
/// should not wait for the wiping.
const WIPE_DELAY: Duration = Duration::from_millis(100);
/// How long an idle thread keeps its memory after that. Its end returns the memory to the operating system.
const IDLE_END: Duration = Duration::from_secs(60);

/// The parameters are outside the range that the algorithm allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadScheme(String);

/// The deployment's parameters of every algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// Of Argon2id.
    pub argon2id: Scheme,
    /// Of bcrypt.
    pub bcrypt: Scheme,
    /// Of PBKDF2.
    pub pbkdf2: Scheme,
    /// Of scrypt.
    pub scrypt: Scheme,
}

impl Schemes {
    /// Returns the memory in KiB that one hash needs at most while it is computed, if it replaces none with a higher cost.
    pub fn memory_kib(&self) -> u64 {
        let schemes = [self.argon2id, self.bcrypt, self.pbkdf2, self.scrypt, layout::BETTER_AUTH];
        schemes.into_iter().map(Scheme::memory_kib).max().unwrap_or(0)
    }

    /// Returns the parameters for the algorithm of `scheme`.
    fn of(&self, scheme: Scheme) -> Scheme {
        match scheme {
            Scheme::Argon2id { .. } => self.argon2id,
            Scheme::Bcrypt { .. } => self.bcrypt,
            Scheme::Pbkdf2Sha256 { .. } => self.pbkdf2,
            Scheme::Scrypt { .. } => self.scrypt,
        }
    }
}

/// The form of a hash to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewHash {
    /// How it is written, if not in the algorithm's own way.
    pub(super) layout: Option<Layout>,
    pub(super) scheme: Scheme,
}

/// A limited number of hashing threads. Dropping the pool ends them.
pub struct HashPool {
    queue: Arc<Queue>,
    scheme: Scheme,
    /// The parameters of every algorithm, if each hash is written in the form of the one that it replaces.
    own_forms: Option<Schemes>,
    /// Number of Argon2 blocks that the scheme needs.
    blocks: usize,
    room_kib: u64,
    max_threads: usize,
    entropy: Arc<dyn Entropy>,
}

/// The tasks of the threads.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    idle_end: Duration,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<HashTask>,
    /// Number of threads that run.
    threads: usize,
    /// Number of those that wait for a task.
    idle: usize,
    closed: bool,
}

pub(super) enum HashTask {
    Hash {
        password: NewPassword,
        new: NewHash,
        salt: [u8; SALT],
        reply: oneshot::Sender<Result<String, HashError>>,
    },
    Verify {
        password: NewPassword,
        stored: String,
        reply: oneshot::Sender<Result<bool, HashError>>,
    },
}

impl HashPool {
    /// Creates a pool of up to `threads` threads that hash with `scheme`. One hash never needs more memory than `scheme`
    /// says. No thread starts before the first task.
    ///
    /// # Errors
    /// [`BadScheme`] if the parameters are not allowed.
    pub fn start(scheme: Scheme, threads: usize, entropy: Arc<dyn Entropy>) -> Result<Self, BadScheme> {
        Self::start_within(scheme, threads, 0, entropy)
    }

    /// As [`Self::start`], but a hash that replaces a more expensive one can use up to `room_kib` KiB of memory, even
    /// if `scheme` says less. The total limit is that times the number of threads.
    ///
    /// # Errors
    /// [`BadScheme`] if the parameters are not allowed.
    pub fn start_within(
        scheme: Scheme,
        threads: usize,
        room_kib: u64,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BadScheme> {
        Self::with_idle_end(IDLE_END, scheme, threads, room_kib, entropy)
    }

    /// As [`Self::start_within`]; an idle thread ends after `idle_end`.
    pub(super) fn with_idle_end(
        idle_end: Duration,
        scheme: Scheme,
        threads: usize,
        room_kib: u64,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BadScheme> {
        let blocks = blocks(scheme).map_err(BadScheme)?;
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), idle_end });
        Ok(Self { queue, scheme, own_forms: None, blocks, room_kib, max_threads: threads.max(1), entropy })
    }

    /// Returns a pool that writes each hash in the form of the one that it replaces, whatever its algorithm is. A hash
    /// that replaces none has the pool's own scheme.
    #[must_use]
    pub fn keeping_forms(mut self, schemes: Schemes) -> Self {
        self.own_forms = Some(schemes);
        self
    }

    /// Returns the form of a hash that replaces one of form `row`. The layout of another system is kept if the algorithm
    /// stays the same, because that system's login does not read the bare hash.
    pub(super) fn successor(&self, row: Option<&HashForm>) -> NewHash {
        let (stored, layout) = match row {
            Some(&HashForm::Written(stored)) => (stored, None),
            Some(&HashForm::Foreign { layout, scheme }) => (scheme, Some(layout)),
            Some(HashForm::Legacy(_)) | None => return NewHash { layout: None, scheme: self.scheme },
        };
        let least = self.own_forms.map_or(self.scheme, |schemes| schemes.of(stored));
        match layout {
            Some(layout) if least.name() == stored.name() => {
                NewHash { layout: Some(layout), scheme: layout.like(least, stored, self.room_kib) }
            }
            _ => NewHash { layout: None, scheme: least.like(stored, self.room_kib) },
        }
    }

    async fn run<T>(
        &self,
        task: impl FnOnce(oneshot::Sender<Result<T, HashError>>) -> HashTask,
    ) -> Result<T, HashError> {
        let (reply, result) = oneshot::channel();
        let starts = {
            let mut state = self.queue.lock();
            if state.tasks.len() >= self.max_threads * QUEUE_PER_THREAD {
                return Err(HashError::Busy { retry_after: RETRY_AFTER });
            }
            state.tasks.push_back(task(reply));
            let starts = state.idle < state.tasks.len() && state.threads < self.max_threads;
            if starts {
                state.threads += 1;
            }
            starts
        };
        if starts {
            self.start_thread()?;
        }
        self.queue.changed.notify_one();
        match tokio::time::timeout(TIMEOUT, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HashError::Failed("the hashing thread ended".to_owned())),
            Err(_) => Err(HashError::Busy { retry_after: RETRY_AFTER }),
        }
    }

    /// Starts a thread, which is already counted. If the system allows no further thread, the existing ones take the
    /// task.
    ///
    /// # Errors
    /// Fails if there is none.
    fn start_thread(&self) -> Result<(), HashError> {
        let (queue, worker) = (self.queue.clone(), HashThread::new(self.blocks));
        let started = thread::Builder::new().name("hash".to_owned()).spawn(move || worker.run(&queue));
        let Err(error) = started else { return Ok(()) };
        warn!(error = &error as &dyn std::error::Error, "a hashing thread could not be started");
        let mut state = self.queue.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        state.tasks.clear();
        Err(HashError::Failed(format!("a hashing thread could not be started: {error}")))
    }

    /// Returns the number of running threads.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.queue.lock().threads
    }
}

#[async_trait]
impl Hasher for HashPool {
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError> {
        let (new, salt) = (self.successor(like), random(&*self.entropy));
        self.run(|reply| HashTask::Hash { password, new, salt, reply }).await
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        let stored = stored.to_owned();
        self.run(|reply| HashTask::Verify { password, stored, reply }).await
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    /// Locks the queue, poisoned or not: a panic cannot have left the list half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next task. Calls `wipe` if the wait takes longer than [`WIPE_DELAY`]. `None` ends the thread: the
    /// pool was dropped, or the thread was idle for too long.
    pub(super) fn next(&self, wipe: impl FnOnce()) -> Option<HashTask> {
        let mut state = self.wait(self.lock(), WIPE_DELAY);
        if state.tasks.is_empty() && !state.closed {
            drop(state);
            wipe();
            state = self.wait(self.lock(), self.idle_end);
        }
        let task = state.tasks.pop_front();
        if task.is_none() {
            state.threads -= 1;
        }
        task
    }

    /// Waits up to `limit` for a task or for the end of the pool.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        state.idle += 1;
        let must_wait = |state: &mut State| state.tasks.is_empty() && !state.closed;
        let waited = self.changed.wait_timeout_while(state, limit, must_wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }
}
