//! Graceful shutdown of the process.

use std::{future::Future, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::Instant,
};
use tracing::{info, warn};

/// Timeout of a graceful shutdown, from the first signal.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Time during which requests are still accepted after the first signal, while `/readyz` already returns 503: a load
/// balancer can route to other servers before connections are refused.
pub(crate) const NOTICE: Duration = Duration::from_millis(500);

/// A handle on the shutdown, shared by all tasks.
///
/// The first SIGTERM or SIGINT starts a drain in this order: `/readyz` returns 503; after [`NOTICE`], the server stops
/// accepting requests and finishes those in flight; then, because those may still queue jobs, the worker finishes its
/// current deliveries and claims no more jobs. The drain has a timeout of [`TIMEOUT`]. Aborting it loses nothing: a queued
/// job is a row in the database, and the next start retries it. A second signal ends the process at once, with exit code
/// 128 plus the signal's number.
#[derive(Clone)]
pub(crate) struct Shutdown {
    /// Deadline of the drain; `None` before the first signal.
    deadline: watch::Receiver<Option<Instant>>,
}

impl Shutdown {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// Fails if the signal handlers cannot be installed.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (sender, deadline) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                    _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                };
                if sender.borrow().is_some() {
                    warn!("second signal: exiting at once");
                    std::process::exit(128 + number);
                }
                info!("shutdown signal: draining; a second signal exits at once");
                sender.send_replace(Some(Instant::now() + TIMEOUT));
            }
        });
        Ok(Self { deadline })
    }

    /// Starts a drain now, for a host application that handles signals itself.
    pub(crate) fn now() -> Self {
        Self { deadline: watch::channel(Some(Instant::now() + TIMEOUT)).1 }
    }

    /// Resolves when the drain starts.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut deadline = self.deadline.clone();
        async move {
            if deadline.wait_for(Option::is_some).await.is_err() {
                // The sender is gone, so no signal can follow.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs `work` to completion. Returns `None` if the deadline of the drain passes first.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let deadline_passed = async {
            self.begun().await;
            let deadline = *self.deadline.borrow();
            tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)).await;
        };
        tokio::select! {
            result = work => Some(result),
            () = deadline_passed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_unlimited_before_the_drain_and_has_ten_seconds_after_it_starts() {
        let (sender, deadline) = watch::channel(None);
        let shutdown = Shutdown { deadline };
        assert_eq!(shutdown.within(sleep(TIMEOUT * 100)).await, Some(()));
        let begun = Instant::now();
        sender.send_replace(Some(begun + TIMEOUT));
        shutdown.begun().await;
        assert_eq!(shutdown.within(sleep(TIMEOUT / 2)).await, Some(()));
        assert_eq!(shutdown.within(sleep(TIMEOUT)).await, None);
        assert_eq!(begun.elapsed(), TIMEOUT, "both calls share the deadline");
    }
}
