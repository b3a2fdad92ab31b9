//! Checks that the system allows this process the threads that it needs.

use std::{
    io,
    sync::{Arc, RwLock},
    thread::{self, JoinHandle, available_parallelism},
};

use anyhow::{Result, anyhow};

/// Threads beside those of the runtime: for blocking work, the database, hashing, and front-ends with workers of their
/// own. With this many, each kind can have one or two.
const SPARE: usize = 8;

/// Fails with a sentence for the operator if this process cannot start its threads. The runtime would panic instead, and
/// could leave a process without a listener.
///
/// # Errors
/// Fails if the system allows fewer threads than the runtime and its neighbors need.
pub(crate) fn check() -> Result<()> {
    let workers = available_parallelism().map_or(1, usize::from);
    start_at_once(workers + SPARE, |run| thread::Builder::new().spawn(run))
}

/// Starts `count` threads with `start`, none of which ends before the last one has started.
fn start_at_once(
    count: usize,
    start: impl Fn(Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
) -> Result<()> {
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write();
    let mut threads = Vec::with_capacity(count);
    let mut failure = Ok(());
    for number in 0..count {
        let gate = gate.clone();
        match start(Box::new(move || drop(gate.read()))) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                failure = Err(anyhow!(
                    "the system allows only {number} of the {count} threads that this process needs ({error}): raise \
                     the limit of processes (ulimit -u, TasksMax of systemd, or pids of the container)"
                ));
                break;
            }
        }
    }
    drop(closed);
    for thread in threads {
        drop(thread.join());
    }
    failure
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_limit_of_threads_is_reported_with_its_cause_and_remedy() {
        let started = AtomicUsize::new(0);
        let error = start_at_once(5, |run| match started.fetch_add(1, Ordering::Relaxed) {
            3 => Err(io::ErrorKind::WouldBlock.into()),
            _ => thread::Builder::new().spawn(run),
        });
        let text = error.unwrap_err().to_string();
        assert!(text.contains("only 3 of the 5 threads") && text.contains("ulimit -u"), "{text}");
    }

    #[test]
    fn enough_threads_can_be_started_here() {
        check().unwrap();
    }
}
