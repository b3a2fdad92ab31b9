//! Work that blocks a thread, such as writing to a disk or a pipe, with an end to the waiting.

use std::{io, sync::Arc, time::Duration};

use reset_core::error::MailError;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// How long a mail may take, the wait for its turn included. A worker's lease is longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A place where one piece of work is done at a time.
///
/// A thread that hangs, on a pipe nobody reads or a dead file server, cannot be stopped. It keeps the turn:
/// those who come later wait in vain, but hang no further threads, nor write over what it may yet write.
#[derive(Clone)]
pub(crate) struct BlockingQueue {
    turn: Arc<Semaphore>,
    patience: Duration,
}

impl Default for BlockingQueue {
    fn default() -> Self {
        Self::with_patience(TIMEOUT)
    }
}

impl BlockingQueue {
    pub(crate) fn with_patience(patience: Duration) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), patience }
    }

    /// Does the work on a thread of its own. After a time-out it may still come to its end.
    pub(crate) async fn run<F>(&self, work: F) -> io::Result<()>
    where
        F: FnOnce() -> io::Result<()> + Send + 'static,
    {
        let done = async {
            let turn = self.turn.clone().acquire_owned().await.expect("the semaphore is never closed");
            let thread = spawn_blocking(move || {
                let _turn = turn;
                work()
            });
            thread.await.map_err(io::Error::other)?
        };
        timeout(self.patience, done).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A full disk, a missing right or a reader that stopped can be put right. The kind alone: the path is the
/// operator's.
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
    async fn work_that_hangs_is_waited_for_no_longer_and_hangs_no_second_thread() {
        let queue = BlockingQueue::with_patience(Duration::from_millis(50));
        let (release, held) = mpsc::channel::<()>();
        let first = move || held.recv().map_err(io::Error::other);
        assert_eq!(queue.run(first).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (sender, second) = mpsc::channel();
        let next = move || sender.send(()).map_err(io::Error::other);
        assert_eq!(queue.run(next).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(second.try_recv().is_err());
        drop(release);
        BlockingQueue { patience: TIMEOUT, ..queue }.run(|| Ok(())).await.unwrap();
    }

    #[test]
    fn a_time_out_has_the_same_name_as_with_smtp() {
        let error = temporary(&io::ErrorKind::TimedOut.into());
        assert!(matches!(error, MailError::Temporary { reply } if reply == "timeout"));
    }
}
