//! The pool: every hash, whatever its algorithm, on a fixed set of threads, each with memory of its own.
//!
//! The number of threads is the number of permits: no burst of resets can take more memory or cores than
//! the settings say (R60). Memory is allocated once, reused, and wiped when a thread has had nothing to do for a
//! moment.

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

/// Jobs that may wait for each thread. Beyond that the answer is "busy" at once.
pub(super) const QUEUE_PER_THREAD: usize = 8;
/// Longest wait for a result. Beyond it the answer is "busy", and a task that has not begun never does.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What the answer "busy" tells a client to wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long a thread without work waits before it wipes its memory. The next hash would overwrite all of it
/// anyway, and a burst should not wait for the wiping.
const LULL: Duration = Duration::from_millis(100);
/// The parameters are outside what the algorithm allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadScheme(String);

/// A fixed set of hashing threads. Dropping it ends them.
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
    /// Starts `threads` threads that hash by `scheme`. One hash never takes more memory than `scheme` says.
    ///
    /// # Errors
    /// [`BadScheme`] when the parameters are not allowed.
    pub fn start(scheme: Scheme, threads: usize, entropy: Arc<dyn Entropy>) -> Result<Self, BadScheme> {
        Self::start_within(scheme, threads, 0, entropy)
    }

    /// As [`Self::start`], but a hash in the place of a dearer one may take up to `room_kib` KiB of memory
    /// where the scheme says less. All threads together take at most as many times that.
    ///
    /// # Errors
    /// [`BadScheme`] when the parameters are not allowed.
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
                .map_err(|error| BadScheme(format!("no thread to hash on: {error}")))?;
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
    /// A panic while the lock was held cannot have left the list half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task, waiting for it; nothing when the pool is gone. `idle` is called once the wait is long.
    fn next(&self, idle: impl FnOnce()) -> Option<HashTask> {
        let nothing = |state: &mut State| state.tasks.is_empty() && !state.closed;
        let (mut state, wait) = self
            .changed
            .wait_timeout_while(self.lock(), LULL, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            drop(state);
            idle();
            state = self.changed.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        }
        state.tasks.pop_front()
    }
}

struct HashThread {
    /// What Argon2 works in. scrypt's library brings its own and gives it back.
    memory: Vec<Block>,
    /// As much of it as the scheme needs.
    usual: usize,
}

impl HashThread {
    fn new(scheme: Scheme) -> Result<Self, BadScheme> {
        let usual = match scheme {
            Scheme::Argon2id { m_kib, t, p } => argon::params(m_kib, t, p).map(|params| params.block_count()),
            Scheme::Bcrypt { cost: 4..=31, .. } | Scheme::Pbkdf2Sha256 { iterations: 1.. } => Ok(0),
            Scheme::Bcrypt { cost, .. } => Err(format!("a bcrypt cost of {cost}")),
            Scheme::Pbkdf2Sha256 { .. } => Err("PBKDF2 without an iteration".to_owned()),
            Scheme::Scrypt { n, r, p } => django::scrypt_params(n, r, p).map(|_| 0),
        };
        let usual = usual.map_err(BadScheme)?;
        Ok(Self { memory: vec![Block::default(); usual], usual })
    }

    fn run(mut self, queue: &Queue) {
        let mut dirty = false;
        while let Some(task) = queue.next(|| {
            if std::mem::take(&mut dirty) {
                self.memory.iter_mut().for_each(Zeroize::zeroize);
                self.memory.truncate(self.usual);
                self.memory.shrink_to_fit();
            }
        }) {
            // Whoever asked may have gone; then nothing is hashed for nobody.
            match task {
                HashTask::Hash { reply, .. } if reply.is_closed() => {}
                HashTask::Verify { reply, .. } if reply.is_closed() => {}
                HashTask::Hash { password, scheme, salt, reply } => {
                    dirty = true;
                    let _gone = reply.send(unhurt(|| self.hash(password.as_bytes(), scheme, salt)));
                }
                HashTask::Verify { password, stored, reply } => {
                    let _gone = reply.send(unhurt(|| verify(password.as_bytes(), &stored)));
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

/// Runs `work` so that a panic in a library costs one answer, and not the thread with all answers to come.
fn unhurt<T>(work: impl FnOnce() -> Result<T, HashError>) -> Result<T, HashError> {
    // Sound: the memory is overwritten by the next hash, whatever a panic left in it.
    let ended = catch_unwind(AssertUnwindSafe(work));
    ended.unwrap_or_else(|_| Err(HashError::Failed("the hash function panicked".to_owned())))
}
