//! The hash pool: computes every hash on a fixed number of threads, each with its own memory.
//!
//! The number of threads limits the memory and the cores that hashing uses, however many resets arrive at once (R60).
//! Memory is allocated once and reused. An idle thread wipes it after a short pause.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use argon2::Block;
use async_trait::async_trait;
use tokio::sync::oneshot;
use zeroize::Zeroize;

use super::{HashForm, SALT, Scheme, argon, bcrypt, django, verify};
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
/// The parameters are outside the range that the algorithm allows, or a thread could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadScheme(String);

/// A fixed number of hashing threads. Dropping the pool ends them.
pub struct HashPool {
    queue: Arc<Queue>,
    scheme: Scheme,
    room_kib: u64,
    capacity: usize,
    entropy: Arc<dyn Entropy>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<HashTask>,
    closed: bool,
}

enum HashTask {
    Hash {
        password: NewPassword,
        scheme: Scheme,
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
    /// Starts `threads` threads that hash with `scheme`. One hash never needs more memory than `scheme` says.
    ///
    /// # Errors
    /// [`BadScheme`] if the parameters are not allowed or a thread cannot be started.
    pub fn start(scheme: Scheme, threads: usize, entropy: Arc<dyn Entropy>) -> Result<Self, BadScheme> {
        Self::start_within(scheme, threads, 0, entropy)
    }

    /// As [`Self::start`], but a hash that replaces a more expensive one can use up to `room_kib` KiB of memory, even
    /// if `scheme` says less. The total limit is that times the number of threads.
    ///
    /// # Errors
    /// [`BadScheme`] if the parameters are not allowed or a thread cannot be started.
    pub fn start_within(
        scheme: Scheme,
        threads: usize,
        room_kib: u64,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BadScheme> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new() });
        for number in 0..threads {
            let (queue, worker) = (queue.clone(), HashThread::new(scheme)?);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || worker.run(&queue))
                .map_err(|error| BadScheme(format!("failed to start a hashing thread: {error}")))?;
        }
        Ok(Self { queue, scheme, room_kib, capacity: threads * QUEUE_PER_THREAD, entropy })
    }

    async fn run<T>(
        &self,
        task: impl FnOnce(oneshot::Sender<Result<T, HashError>>) -> HashTask,
    ) -> Result<T, HashError> {
        let (reply, result) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            if state.tasks.len() >= self.capacity {
                return Err(HashError::Busy { retry_after: RETRY_AFTER });
            }
            state.tasks.push_back(task(reply));
        }
        self.queue.changed.notify_one();
        match tokio::time::timeout(TIMEOUT, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HashError::Failed("the hashing thread ended".to_owned())),
            Err(_) => Err(HashError::Busy { retry_after: RETRY_AFTER }),
        }
    }
}

#[async_trait]
impl Hasher for HashPool {
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError> {
        let (scheme, salt) = (self.scheme.like(like, self.room_kib), random(&*self.entropy));
        self.run(|reply| HashTask::Hash { password, scheme, salt, reply }).await
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

    /// Waits for the next task; `None` once the pool is dropped. Calls `idle` if the wait takes longer than
    /// [`WIPE_DELAY`].
    fn next(&self, idle: impl FnOnce()) -> Option<HashTask> {
        let must_wait = |state: &mut State| state.tasks.is_empty() && !state.closed;
        let (mut state, wait) = self
            .changed
            .wait_timeout_while(self.lock(), WIPE_DELAY, must_wait)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            drop(state);
            idle();
            state = self.changed.wait_while(self.lock(), must_wait).unwrap_or_else(PoisonError::into_inner);
        }
        state.tasks.pop_front()
    }
}

struct HashThread {
    /// Argon2's working memory. The scrypt library allocates its own per hash.
    memory: Vec<Block>,
    /// Number of blocks that the configured scheme needs.
    usual_blocks: usize,
}

impl HashThread {
    fn new(scheme: Scheme) -> Result<Self, BadScheme> {
        let usual_blocks = match scheme {
            Scheme::Argon2id { m_kib, t, p } => argon::params(m_kib, t, p).map(|params| params.block_count()),
            Scheme::Bcrypt { cost: 4..=31, .. } | Scheme::Pbkdf2Sha256 { iterations: 1.. } => Ok(0),
            Scheme::Bcrypt { cost, .. } => Err(format!("bcrypt cost {cost} is not between 4 and 31")),
            Scheme::Pbkdf2Sha256 { .. } => Err("PBKDF2 needs at least 1 iteration".to_owned()),
            Scheme::Scrypt { n, r, p } => django::scrypt_params(n, r, p).map(|_| 0),
        };
        let usual_blocks = usual_blocks.map_err(BadScheme)?;
        Ok(Self { memory: vec![Block::default(); usual_blocks], usual_blocks })
    }

    fn run(mut self, queue: &Queue) {
        let mut dirty = false;
        while let Some(task) = queue.next(|| {
            if std::mem::take(&mut dirty) {
                self.memory.iter_mut().for_each(Zeroize::zeroize);
                self.memory.truncate(self.usual_blocks);
                self.memory.shrink_to_fit();
            }
        }) {
            // Skip the task if its caller has given up.
            match task {
                HashTask::Hash { reply, .. } if reply.is_closed() => {}
                HashTask::Verify { reply, .. } if reply.is_closed() => {}
                HashTask::Hash { password, scheme, salt, reply } => {
                    dirty = true;
                    let _caller_gone =
                        reply.send(catch_panic(|| self.hash(password.as_bytes(), scheme, salt)));
                }
                HashTask::Verify { password, stored, reply } => {
                    let _caller_gone = reply.send(catch_panic(|| verify(password.as_bytes(), &stored)));
                }
            }
        }
    }

    fn hash(&mut self, password: &[u8], scheme: Scheme, salt: [u8; SALT]) -> Result<String, HashError> {
        match scheme {
            Scheme::Argon2id { m_kib, t, p } => {
                let params = argon::params(m_kib, t, p).map_err(HashError::Failed)?;
                argon::write(password, params, salt, &mut self.memory)
            }
            Scheme::Bcrypt { version, cost } => bcrypt::write(password, version, cost, salt),
            Scheme::Pbkdf2Sha256 { iterations } => Ok(django::write_pbkdf2(password, iterations, salt)),
            Scheme::Scrypt { n, r, p } => django::write_scrypt(password, (n, r, p), salt),
        }
    }
}

/// Runs `work` and turns a panic into an error, so that it fails one call and does not end the thread.
fn catch_panic<T>(work: impl FnOnce() -> Result<T, HashError>) -> Result<T, HashError> {
    // Unwind safe: the next hash overwrites the memory, whatever a panic left in it.
    let result = catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|_| Err(HashError::Failed("the hash function panicked".to_owned())))
}
