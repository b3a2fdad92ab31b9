//! A way for mails to leave, and how it is left alone for a while when it does not work.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reset_core::error::MailError;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{Transport, message::ComposedMail};

/// Shortest and longest time that a server which does not work is left alone.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// A mail that did not leave.
pub(crate) struct SendError {
    pub(crate) error: MailError,
    /// Whether the server is to blame, whatever the mail: another mail would have fared no better.
    pub(crate) by_server: bool,
}

/// What one setting names: where a mail goes.
pub(crate) struct Relay {
    /// Name of the setting.
    pub(crate) setting: &'static str,
    /// All of them get each mail.
    pub(crate) transports: Vec<Transport>,
    /// Whether there is another to turn to. Without one nothing is ever left alone.
    pub(crate) has_spare: bool,
    backoff: Mutex<Backoff>,
}

impl Relay {
    pub(crate) fn new(setting: &'static str, transports: Vec<Transport>) -> Self {
        Self { setting, transports, has_spare: false, backoff: Mutex::default() }
    }

    /// Whether it is to be tried now. Of several that ask when a backoff ends, one hears yes: the others need not wait
    /// for the same time-out.
    pub(crate) fn begin(&self) -> bool {
        !self.has_spare || self.backoff().begin(Instant::now())
    }

    /// Hands the letter to every transport, in order, up to the first that fails.
    pub(crate) async fn send(&self, letter: &ComposedMail) -> Result<String, SendError> {
        let begun = Instant::now();
        let mut sent = Ok(String::new());
        for transport in &self.transports {
            sent = transport.send(letter).await;
            if sent.is_err() {
                break;
            }
        }
        self.remember(begun, sent.as_ref().err().is_none_or(|error| !error.by_server));
        sent
    }

    /// Whether a mail could be handed over now.
    pub(crate) async fn check(&self) -> Result<(), SendError> {
        let begun = Instant::now();
        let mut works = Ok(());
        for transport in &self.transports {
            works = transport.check().await;
            if works.is_err() {
                break;
            }
        }
        self.remember(begun, works.is_ok());
        works
    }

    fn remember(&self, begun: Instant, works: bool) {
        if !self.has_spare {
            return;
        }
        let mut backoff = self.backoff();
        if works {
            if std::mem::take(&mut *backoff).strikes > 0 {
                info!(server.setting = self.setting, "mail leaves this way again");
            }
        } else if let Some(pause) = backoff.strike(begun, Instant::now()) {
            let pause_s = pause.as_secs();
            warn!(
                server.setting = self.setting,
                pause_s, "mail does not leave this way, which is left alone for a while"
            );
        }
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a server is left alone: longer each time that it fails again.
#[derive(Default)]
struct Backoff {
    strikes: u32,
    /// When the last strike was.
    last: Option<Instant>,
    until: Option<Instant>,
}

impl Backoff {
    /// Whether nobody has to wait; if a backoff has just ended, it begins anew for all others.
    fn begin(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.until = Some(now + self.pause());
                true
            }
        }
    }

    /// Begins a backoff after a try that was begun at `begun`. Tries that were under way together count once.
    fn strike(&mut self, begun: Instant, now: Instant) -> Option<Duration> {
        if self.last.is_some_and(|last| begun < last) {
            return None;
        }
        (self.strikes, self.last) = (self.strikes.saturating_add(1), Some(now));
        let pause = self.pause();
        self.until = Some(now + pause);
        Some(pause)
    }

    fn pause(&self) -> Duration {
        let (least, most) = PAUSE;
        least.saturating_mul(1 << self.strikes.saturating_sub(1).min(8)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_rest_grows_with_each_failure_and_ends_with_the_first_success() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert!(backoff.begin(now));
            let pause = backoff.strike(now, now).unwrap();
            assert!(!backoff.begin(now + pause - SECOND));
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        let backoff = &mut Backoff::default();
        assert!(backoff.begin(now) && backoff.begin(now));
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_rest_ends_one_alone_tries() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.strike(now, now);
        let later = now + 5 * SECOND;
        assert!(backoff.begin(later));
        assert!(!backoff.begin(later) && !backoff.begin(later + 4 * SECOND));
        // Whoever tried has told nothing: somebody else does.
        assert!(backoff.begin(later + 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn mails_that_fail_together_count_once() {
        let (mut backoff, begun) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.strike(begun, begun + 3 * SECOND), Some(5 * SECOND));
        assert_eq!(backoff.strike(begun + SECOND, begun + 4 * SECOND), None);
        assert_eq!(backoff.strike(begun + 8 * SECOND, begun + 9 * SECOND), Some(10 * SECOND));
    }
}
