//! The password hash: Argon2id (or bcrypt) on a fixed set of threads, each with memory of its own.
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

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher as _, Version, password_hash::phc::PasswordHash,
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroize;

use crate::{
    error::HashError,
    password::NewPassword,
    ports::{Entropy, Hasher, random},
};

/// Jobs that may wait for each thread. Beyond that the answer is "busy" at once.
const QUEUE_PER_THREAD: usize = 8;
/// Longest wait for a result. Beyond it the answer is "busy", and a job that has not begun never does.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the answer "busy" tells a client to wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long a thread without work waits before it wipes its memory. The next hash would overwrite all of it
/// anyway, and a burst should not wait for the wiping.
const LULL: Duration = Duration::from_millis(100);
/// Bytes of salt (RFC 9106, 4).
const SALT: usize = 16;
/// Bytes of hash.
const TAG: usize = 32;
/// Largest parameters of a stored hash that is verified at all (R59).
const STORED_MOST: (u32, u32, u32) = (1 << 20, 16, 16);

/// Largest cost of a stored bcrypt hash that is verified at all (R59): some seconds.
const STORED_COST_MOST: u32 = 15;

/// How new passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Argon2id, version 1.3, as a PHC string.
    Argon2id {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over the memory.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// bcrypt with prefix `$2b$`, for tables that another system reads.
    Bcrypt {
        /// Binary logarithm of the rounds.
        cost: u32,
    },
}

/// The parameters are outside what the algorithm allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadScheme(String);

/// A fixed set of hashing threads. Dropping it ends them.
pub struct HashPool {
    queue: Arc<Queue>,
    capacity: usize,
    entropy: Arc<dyn Entropy>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

enum Job {
    Hash { password: NewPassword, salt: [u8; SALT], reply: oneshot::Sender<Result<String, HashError>> },
    Verify { password: NewPassword, stored: String, reply: oneshot::Sender<Result<bool, HashError>> },
}

impl HashPool {
    /// Starts `threads` threads that hash by `scheme`.
    ///
    /// # Errors
    /// [`BadScheme`] when the parameters are not allowed.
    pub fn start(scheme: Scheme, threads: usize, entropy: Arc<dyn Entropy>) -> Result<Self, BadScheme> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new() });
        for number in 0..threads {
            let (queue, worker) = (queue.clone(), Worker::new(scheme)?);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || worker.run(&queue))
                .map_err(|error| BadScheme(format!("no thread to hash on: {error}")))?;
        }
        Ok(Self { queue, capacity: threads * QUEUE_PER_THREAD, entropy })
    }

    async fn run<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, HashError>>) -> Job,
    ) -> Result<T, HashError> {
        let (reply, result) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            if state.jobs.len() >= self.capacity {
                return Err(HashError::Busy { retry_after: RETRY_AFTER });
            }
            state.jobs.push_back(job(reply));
        }
        self.queue.changed.notify_one();
        match tokio::time::timeout(PATIENCE, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HashError::Failed("the hashing thread ended".to_owned())),
            Err(_) => Err(HashError::Busy { retry_after: RETRY_AFTER }),
        }
    }
}

#[async_trait]
impl Hasher for HashPool {
    async fn hash(&self, password: NewPassword) -> Result<String, HashError> {
        let salt = random(&*self.entropy);
        self.run(|reply| Job::Hash { password, salt, reply }).await
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        let stored = stored.to_owned();
        self.run(|reply| Job::Verify { password, stored, reply }).await
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

    /// The next job, waiting for it; nothing when the pool is gone. `idle` is called once the wait is long.
    fn next(&self, idle: impl FnOnce()) -> Option<Job> {
        let nothing = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let (mut state, wait) = self
            .changed
            .wait_timeout_while(self.lock(), LULL, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            drop(state);
            idle();
            state = self.changed.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        }
        state.jobs.pop_front()
    }
}

struct Worker {
    scheme: Scheme,
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

impl Worker {
    fn new(scheme: Scheme) -> Result<Self, BadScheme> {
        let params = match scheme {
            Scheme::Argon2id { m_kib, t, p } => Params::new(m_kib, t, p, Some(TAG)),
            Scheme::Bcrypt { cost: 4..=31 } => Ok(Params::default()),
            Scheme::Bcrypt { cost } => return Err(BadScheme(format!("a bcrypt cost of {cost}"))),
        };
        let params = params.map_err(|error| BadScheme(format!("Argon2 parameters: {error}")))?;
        let blocks = if matches!(scheme, Scheme::Argon2id { .. }) { params.block_count() } else { 0 };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self { scheme, argon2, memory: vec![Block::default(); blocks] })
    }

    fn run(mut self, queue: &Queue) {
        let mut dirty = false;
        while let Some(job) = queue.next(|| {
            if std::mem::take(&mut dirty) {
                self.memory.iter_mut().for_each(Zeroize::zeroize);
            }
        }) {
            // Whoever asked may have gone; then nothing is hashed for nobody.
            match job {
                Job::Hash { reply, .. } if reply.is_closed() => {}
                Job::Verify { reply, .. } if reply.is_closed() => {}
                Job::Hash { password, salt, reply } => {
                    dirty = true;
                    let _gone = reply.send(unhurt(|| self.hash(&password, salt)));
                }
                Job::Verify { password, stored, reply } => {
                    let _gone = reply.send(unhurt(|| verify(&password, &stored)));
                }
            }
        }
    }

    fn hash(&mut self, password: &NewPassword, salt: [u8; SALT]) -> Result<String, HashError> {
        match self.scheme {
            Scheme::Argon2id { m_kib, t, p } => {
                let mut tag = [0; TAG];
                self.argon2
                    .hash_password_into_with_memory(
                        password.as_bytes(),
                        &salt,
                        &mut tag,
                        &mut self.memory[..],
                    )
                    .map_err(|error| HashError::Failed(error.to_string()))?;
                let [salt, hash] = [&salt[..], &tag[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
                tag.zeroize();
                Ok(format!("$argon2id$v=19$m={m_kib},t={t},p={p}${salt}${hash}"))
            }
            Scheme::Bcrypt { cost } => {
                // The policy refused more than 72 bytes already, so nothing is cut off here.
                let parts = bcrypt::hash_with_salt(password.as_bytes(), cost, salt)
                    .map_err(|error| HashError::Failed(error.to_string()))?;
                Ok(parts.format_for_version(bcrypt::Version::TwoB))
            }
        }
    }
}

/// Runs `work` so that a panic in a library costs one answer, and not the thread with all answers to come.
fn unhurt<T>(work: impl FnOnce() -> Result<T, HashError>) -> Result<T, HashError> {
    // Sound: the memory is overwritten by the next hash, whatever a panic left in it.
    let ended = catch_unwind(AssertUnwindSafe(work));
    ended.unwrap_or_else(|_| Err(HashError::Failed("the hash function panicked".to_owned())))
}

/// Whether `stored`, in a form that polyreset writes, is a hash of `password`.
fn verify(password: &NewPassword, stored: &str) -> Result<bool, HashError> {
    if stored.starts_with("$2") {
        let cost = stored.get(4..6).and_then(|cost| cost.parse::<u32>().ok());
        if cost.is_none_or(|cost| cost > STORED_COST_MOST) {
            return Err(HashError::Failed("the stored hash demands more work than any sane one".to_owned()));
        }
        return bcrypt::verify(password.as_bytes(), stored)
            .map_err(|error| HashError::Failed(error.to_string()));
    }
    let unreadable = || HashError::Failed("the stored hash is in no form that is understood".to_owned());
    let parsed = PasswordHash::new(stored).map_err(|_| unreadable())?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| unreadable())?;
    let params = Params::try_from(&parsed).map_err(|_| unreadable())?;
    let (m_most, t_most, p_most) = STORED_MOST;
    if params.m_cost() > m_most || params.t_cost() > t_most || params.p_cost() > p_most {
        return Err(HashError::Failed("the stored hash demands more work than any sane one".to_owned()));
    }
    let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
        return Err(unreadable());
    };
    let again = Argon2::new(algorithm, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), salt.as_ref())
        .map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(again.hash.is_some_and(|again| again.as_bytes().ct_eq(hash.as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;
    use crate::password::{PASSWORD_MAX, Policy};

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    const SMALL: Scheme = Scheme::Argon2id { m_kib: 64, t: 1, p: 1 };

    fn password(text: &str) -> NewPassword {
        Policy { min: 1, four_classes: false, max_bytes: PASSWORD_MAX }.accept(text).unwrap()
    }

    fn pool(scheme: Scheme) -> HashPool {
        HashPool::start(scheme, 2, Arc::new(Zeros)).unwrap()
    }

    #[tokio::test]
    async fn the_library_itself_accepts_what_we_write() {
        let pool = pool(SMALL);
        // Twice, so that the second hash runs on used memory.
        for text in ["correct horse", "battery staple"] {
            let stored = pool.hash(password(text)).await.unwrap();
            assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
            let own = Argon2::default();
            assert!(PasswordVerifier::<str>::verify_password(&own, text.as_bytes(), &stored).is_ok());
            assert!(pool.verify(password(text), &stored).await.unwrap());
            assert!(!pool.verify(password("wrong"), &stored).await.unwrap());
        }
    }

    #[tokio::test]
    async fn bcrypt_is_written_and_read_for_tables_of_others() {
        let pool = pool(Scheme::Bcrypt { cost: 4 });
        let stored = pool.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$2b$04$") && stored.len() == 60, "{stored}");
        assert!(pool.verify(password("correct horse"), &stored).await.unwrap());
        assert!(!pool.verify(password("wrong"), &stored).await.unwrap());
    }

    #[tokio::test]
    async fn a_stored_hash_cannot_make_us_work_without_end() {
        let pool = pool(SMALL);
        let salt_and_hash = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for stored in [
            format!("$argon2id$v=19$m=4194304,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=64,t=1000,p=1${salt_and_hash}"),
            format!("$2b$31${}", "a".repeat(53)),
            "$2b$é".to_owned(),
            "plain".to_owned(),
            String::new(),
        ] {
            let verified = pool.verify(password("x"), &stored).await;
            assert!(matches!(verified, Err(HashError::Failed(_))), "{stored}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_says_busy_and_recovers() {
        let pool =
            HashPool::start(Scheme::Argon2id { m_kib: 16 * 1024, t: 8, p: 1 }, 1, Arc::new(Zeros)).unwrap();
        let pool = Arc::new(pool);
        let all: Vec<_> = (0..3 * QUEUE_PER_THREAD)
            .map(|_| {
                tokio::spawn({
                    let pool = pool.clone();
                    async move { pool.hash(password("x")).await }
                })
            })
            .collect();
        let (mut done, mut busy) = (0, 0);
        for one in all {
            match one.await.unwrap() {
                Ok(_) => done += 1,
                Err(HashError::Busy { .. }) => busy += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(done >= 1 && busy >= QUEUE_PER_THREAD, "{done} done, {busy} busy");
        assert!(pool.hash(password("x")).await.is_ok());
    }

    #[test]
    fn parameters_outside_the_algorithm_are_refused_at_start() {
        for scheme in [Scheme::Argon2id { m_kib: 1, t: 1, p: 1 }, Scheme::Bcrypt { cost: 40 }] {
            assert!(HashPool::start(scheme, 1, Arc::new(Zeros)).is_err());
        }
    }
}
