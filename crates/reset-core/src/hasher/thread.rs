//! A hashing thread: its memory, its priority and its loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use argon2::Block;
use zeroize::Zeroize;

use super::{
    SALT, Scheme, argon, bcrypt, django, layout,
    pool::{HashTask, NewHash, Queue},
    verify,
};
use crate::error::HashError;

/// How much lower the priority of hashing is than that of requests, as a nice value. A hash takes milliseconds, and a
/// request for one waits for it anyway; other requests must not.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Checks the parameters of the scheme and returns the number of Argon2 blocks that one hash needs.
pub(super) fn blocks(scheme: Scheme) -> Result<usize, String> {
    match scheme {
        Scheme::Argon2id { m_kib, t, p } => argon::params(m_kib, t, p).map(|params| params.block_count()),
        Scheme::Bcrypt { cost: 4..=31, .. } | Scheme::Pbkdf2Sha256 { iterations: 1.. } => Ok(0),
        Scheme::Bcrypt { cost, .. } => Err(format!("bcrypt cost {cost} is not between 4 and 31")),
        Scheme::Pbkdf2Sha256 { .. } => Err("PBKDF2 needs at least 1 iteration".to_owned()),
        Scheme::Scrypt { n, r, p } => django::scrypt_params(n, r, p).map(|_| 0),
    }
}

/// The state of one thread.
pub(super) struct HashThread {
    /// Argon2's working memory, allocated with the first hash. The scrypt library allocates its own per hash.
    memory: Vec<Block>,
    /// Number of blocks that the configured scheme needs.
    usual_blocks: usize,
}

impl HashThread {
    pub(super) fn new(usual_blocks: usize) -> Self {
        Self { memory: Vec::new(), usual_blocks }
    }

    pub(super) fn run(mut self, queue: &Queue) {
        lower_priority();
        let mut dirty = false;
        while let Some(task) = queue.next(|| {
            if std::mem::take(&mut dirty) {
                self.wipe();
                self.memory.truncate(self.usual_blocks);
                self.memory.shrink_to_fit();
            }
        }) {
            // Skip the task if its caller has given up.
            match task {
                HashTask::Hash { reply, .. } if reply.is_closed() => {}
                HashTask::Verify { reply, .. } if reply.is_closed() => {}
                HashTask::Hash { password, new, salt, reply } => {
                    dirty = true;
                    let _caller_gone = reply.send(catch_panic(|| self.hash(password.as_bytes(), new, salt)));
                }
                HashTask::Verify { password, stored, reply } => {
                    let _caller_gone = reply.send(catch_panic(|| verify(password.as_bytes(), &stored)));
                }
            }
        }
        if dirty {
            self.wipe();
        }
    }

    fn wipe(&mut self) {
        self.memory.iter_mut().for_each(Zeroize::zeroize);
    }

    fn hash(&mut self, password: &[u8], new: NewHash, salt: [u8; SALT]) -> Result<String, HashError> {
        if let (Some(layout), Scheme::Bcrypt { .. } | Scheme::Pbkdf2Sha256 { .. } | Scheme::Scrypt { .. }) =
            (new.layout, new.scheme)
        {
            return layout::write(password, layout, new.scheme, salt);
        }
        match new.scheme {
            Scheme::Argon2id { m_kib, t, p } => {
                let params = argon::params(m_kib, t, p).map_err(HashError::Failed)?;
                let hash = argon::write(password, params, salt, &mut self.memory)?;
                // Argon2 has one layout besides its own.
                Ok(if new.layout.is_some() { format!("{}{hash}", django::ARGON2) } else { hash })
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

/// Lowers the priority of this thread. If the system does not allow it, hashing only competes harder with requests.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::{
            process::{getpriority_process, setpriority_process},
            thread::gettid,
        };
        // On Linux the priority belongs to the thread; on other systems it would be that of the process.
        let thread = Some(gettid());
        let _ = getpriority_process(thread).and_then(|now| setpriority_process(thread, now + NICER));
    }
}
