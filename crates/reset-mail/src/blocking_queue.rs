//! Runs work that blocks a thread, such as a write to a disk or a pipe, one at a time and with a timeout.

use std::{io, sync::Arc, time::Duration};

use reset_core::error::MailError;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Limit for one mail, including the wait for the queue. A worker's lease is longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A queue that runs one blocking task at a time.
///
/// A thread that hangs, on a pipe without a reader or a dead file server, cannot be stopped. It keeps the queue's only
/// permit: later tasks time out, but they block no further threads and do not overwrite what it may still write.
#[derive(Clone)]
pub(crate) struct BlockingQueue {
    permit: Arc<Semaphore>,
    timeout: Duration,
}

impl Default for BlockingQueue {
    fn default() -> Self {
        Self::with_timeout(TIMEOUT)
    }
}

impl BlockingQueue {
    pub(crate) fn with_timeout(timeout: Duration) -> Self {
        Self { permit: Arc::new(Semaphore::new(1)), timeout }
    }

    /// Runs the work on a blocking thread. After a timeout the work may still complete.
    pub(crate) async fn run<F>(&self, work: F) -> io::Result<()>
    where
        F: FnOnce() -> io::Result<()> + Send + 'static,
    {
        let completion = async {
            let permit = self.permit.clone().acquire_owned().await.expect("the semaphore is never closed");
            let thread = spawn_blocking(move || {
                let _permit = permit;
                work()
            });
            thread.await.map_err(io::Error::other)?
        };
        timeout(self.timeout, completion).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Converts an I/O error to a temporary failure: the operator can fix a full disk, a missing permission or a stuck
/// reader. The reply has only the error's kind, because a path does not belong in the job's record.
pub(crate) fn temporary(error: &io::Error) -> MailError {
    let reply = match error.kind() {
        io::ErrorKind::TimedOut => "timeout".to_owned(),
        kind => kind.to_string(),
    };
    MailError::Temporary { reply }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn stuck_work_times_out_and_blocks_no_second_thread() {
        let queue = BlockingQueue::with_timeout(Duration::from_millis(50));
        let (release, blocker) = mpsc::channel::<()>();
        let first = move || blocker.recv().map_err(io::Error::other);
        assert_eq!(queue.run(first).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (sender, second) = mpsc::channel();
        let next = move || sender.send(()).map_err(io::Error::other);
        assert_eq!(queue.run(next).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(second.try_recv().is_err());
        drop(release);
        BlockingQueue { timeout: TIMEOUT, ..queue }.run(|| Ok(())).await.unwrap();
    }

    #[test]
    fn timeout_is_reported_by_the_same_word_as_over_smtp() {
        let error = temporary(&io::ErrorKind::TimedOut.into());
        assert!(matches!(error, MailError::Temporary { reply } if reply == "timeout"));
    }
}
