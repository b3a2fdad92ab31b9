//! How the process ends.

use std::{future::Future, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::Instant,
};
use tracing::{info, warn};

/// Longest time between the first signal and the end.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests are still accepted after the first signal, while `/readyz` says 503 already: whoever
/// balances the load can look elsewhere before he is refused.
pub(crate) const NOTICE: Duration = Duration::from_millis(500);

/// The wish to end, shared by everything that runs.
///
/// The first SIGTERM or SIGINT begins a drain, in this order: `/readyz` says 503; after [`NOTICE`] the server
/// stops accepting and finishes the requests in flight; only then, since those may still accept jobs, the worker finishes the deliveries
/// it holds and claims no more. All together get [`TIMEOUT`]; what is not done by then is cut off, which
/// loses nothing: an accepted job is a row in the database, and the next start takes it up again. A
/// second signal ends the process at once, with 128 plus the signal's number.
#[derive(Clone)]
pub(crate) struct Shutdown {
    /// When the drain must be over; nothing while nobody wants to end.
    deadline: watch::Receiver<Option<Instant>>,
}

impl Shutdown {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (wish, deadline) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                    _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                };
                if wish.borrow().is_some() {
                    warn!("a second signal: ending at once");
                    std::process::exit(128 + number);
                }
                info!("draining; a second signal ends at once");
                wish.send_replace(Some(Instant::now() + TIMEOUT));
            }
        });
        Ok(Self { deadline })
    }

    /// The wish of a host application, which has its own signals: a drain that begins now.
    pub(crate) fn now() -> Self {
        Self { deadline: watch::channel(Some(Instant::now() + TIMEOUT)).1 }
    }

    /// Resolves when somebody wishes to end.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut deadline = self.deadline.clone();
        async move {
            if deadline.wait_for(Option::is_some).await.is_err() {
                // Nobody is left to wish anything.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs `work` to its end, or until the drain must be over; then nothing.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let over = async {
            self.begun().await;
            let deadline = *self.deadline.borrow();
            tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)).await;
        };
        tokio::select! {
            done = work => Some(done),
            () = over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_has_all_the_time_until_somebody_wishes_to_end_and_ten_seconds_then() {
        let (wish, deadline) = watch::channel(None);
        let shutdown = Shutdown { deadline };
        assert_eq!(shutdown.within(sleep(TIMEOUT * 100)).await, Some(()));
        let begun = Instant::now();
        wish.send_replace(Some(begun + TIMEOUT));
        shutdown.begun().await;
        assert_eq!(shutdown.within(sleep(TIMEOUT / 2)).await, Some(()));
        assert_eq!(shutdown.within(sleep(TIMEOUT)).await, None);
        assert_eq!(begun.elapsed(), TIMEOUT, "both together");
    }
}
