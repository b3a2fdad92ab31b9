//! The transports of one mail setting, and their backoff after failures.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reset_core::error::MailError;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{Transport, message::ComposedMail};

/// Shortest and longest backoff of a failing server.
const BACKOFF_RANGE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// A mail that could not be sent.
pub(crate) struct SendError {
    pub(crate) error: MailError,
    /// Whether the failure is the server's: any other mail would have failed too.
    pub(crate) by_server: bool,
}

/// The transports that one setting configures.
pub(crate) struct Relay {
    /// Name of the setting.
    pub(crate) setting: &'static str,
    /// Each mail goes to all of them.
    pub(crate) transports: Vec<Transport>,
    /// Whether another relay exists. Without one there is no backoff.
    pub(crate) has_alternative: bool,
    backoff: Mutex<Backoff>,
}

impl Relay {
    pub(crate) fn new(setting: &'static str, transports: Vec<Transport>) -> Self {
        Self { setting, transports, has_alternative: false, backoff: Mutex::default() }
    }

    /// Returns whether to try this relay now. When a backoff ends, only the first caller gets `true`, so that the
    /// others do not wait for the same timeout.
    pub(crate) fn try_begin(&self) -> bool {
        !self.has_alternative || self.backoff().try_begin(Instant::now())
    }

    /// Sends the mail through every transport, in order, up to the first that fails.
    pub(crate) async fn send(&self, composed: &ComposedMail) -> Result<String, SendError> {
        let begun = Instant::now();
        let mut sent = Ok(String::new());
        for transport in &self.transports {
            sent = transport.send(composed).await;
            if sent.is_err() {
                break;
            }
        }
        self.record(begun, sent.as_ref().err().is_none_or(|error| !error.by_server));
        sent
    }

    /// Succeeds if every transport could take a mail now.
    pub(crate) async fn check(&self) -> Result<(), SendError> {
        let begun = Instant::now();
        let mut works = Ok(());
        for transport in &self.transports {
            works = transport.check().await;
            if works.is_err() {
                break;
            }
        }
        self.record(begun, works.is_ok());
        works
    }

    fn record(&self, begun: Instant, works: bool) {
        if !self.has_alternative {
            return;
        }
        let mut backoff = self.backoff();
        if works {
            if std::mem::take(&mut *backoff).failures > 0 {
                info!(server.setting = self.setting, "mail relay available again, backoff ended");
            }
        } else if let Some(pause) = backoff.record_failure(begun, Instant::now()) {
            let backoff_s = pause.as_secs();
            warn!(server.setting = self.setting, backoff_s, "mail relay unavailable, backing off");
        }
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Exponential backoff of one relay.
#[derive(Default)]
struct Backoff {
    failures: u32,
    last_failure: Option<Instant>,
    until: Option<Instant>,
}

impl Backoff {
    /// Returns whether to try now. If the backoff has just ended, it restarts for all other callers.
    fn try_begin(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.until = Some(now + self.pause());
                true
            }
        }
    }

    /// Starts a backoff after an attempt that began at `begun`, and returns its length. Concurrent attempts count
    /// once: for the others it returns `None`.
    fn record_failure(&mut self, begun: Instant, now: Instant) -> Option<Duration> {
        if self.last_failure.is_some_and(|last| begun < last) {
            return None;
        }
        (self.failures, self.last_failure) = (self.failures.saturating_add(1), Some(now));
        let pause = self.pause();
        self.until = Some(now + pause);
        Some(pause)
    }

    fn pause(&self) -> Duration {
        let (min, max) = BACKOFF_RANGE;
        min.saturating_mul(1 << self.failures.saturating_sub(1).min(8)).min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn backoff_doubles_with_each_failure_up_to_a_minute() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert!(backoff.try_begin(now));
            let pause = backoff.record_failure(now, now).unwrap();
            assert!(!backoff.try_begin(now + pause - SECOND));
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        let backoff = &mut Backoff::default();
        assert!(backoff.try_begin(now) && backoff.try_begin(now));
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_caller_tries_when_a_backoff_ends() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.record_failure(now, now);
        let later = now + 5 * SECOND;
        assert!(backoff.try_begin(later));
        assert!(!backoff.try_begin(later) && !backoff.try_begin(later + 4 * SECOND));
        // The first caller has reported no outcome, so the next one tries.
        assert!(backoff.try_begin(later + 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_failures_count_once() {
        let (mut backoff, begun) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.record_failure(begun, begun + 3 * SECOND), Some(5 * SECOND));
        assert_eq!(backoff.record_failure(begun + SECOND, begun + 4 * SECOND), None);
        assert_eq!(backoff.record_failure(begun + 8 * SECOND, begun + 9 * SECOND), Some(10 * SECOND));
    }
}
