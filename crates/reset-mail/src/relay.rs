//! The transports of one mail setting, and their backoff after failures.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reset_core::error::MailError;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{CONNECTIONS, Transport, message::ComposedMail, smtp::Smtp};

/// Shortest and longest backoff of a failing server.
const BACKOFF_RANGE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Mails in a row that were rejected because of the sender, from which the relay counts as not working.
const SENDER_REJECTIONS: u32 = 3;

/// A mail that could not be sent.
pub(crate) struct SendError {
    pub(crate) error: MailError,
    /// Whether the failure is the server's: any other mail would have failed too.
    pub(crate) by_server: bool,
    /// Whether the server rejected the sender, its account, its quota or the content. Only a mail can show that.
    pub(crate) rejects_sender: bool,
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
    rejections: Mutex<Rejections>,
}

/// The mails that were rejected because of the sender since the last one that was accepted.
#[derive(Default)]
struct Rejections {
    count: u32,
    /// The last reply.
    reply: String,
}

impl Relay {
    pub(crate) fn new(setting: &'static str, transports: Vec<Transport>) -> Self {
        Self {
            setting,
            transports,
            has_alternative: false,
            backoff: Mutex::default(),
            rejections: Mutex::default(),
        }
    }

    /// Applies `configure` to every mail server of this relay, before the first mail.
    pub(crate) fn configure(&mut self, configure: impl Fn(&mut Smtp)) {
        for transport in &mut self.transports {
            if let Transport::Smtp(smtp) = transport {
                configure(Arc::get_mut(smtp).expect("a mail server is shared only after its first mail"));
            }
        }
    }

    /// Returns how many mails the relay takes at once.
    pub(crate) fn connections(&self) -> usize {
        let servers = self.servers().map(Smtp::connections);
        servers.min().unwrap_or(CONNECTIONS)
    }

    /// Returns whether every connection to one of the mail servers is held by a mail that is stuck.
    pub(crate) fn is_stuck(&self) -> bool {
        self.servers().any(Smtp::is_stuck)
    }

    /// Returns whether the relay is in backoff.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.has_alternative && self.backoff().until.is_some_and(|until| Instant::now() < until)
    }

    fn servers(&self) -> impl Iterator<Item = &Smtp> {
        self.transports.iter().filter_map(|transport| match transport {
            Transport::Smtp(smtp) => Some(smtp.as_ref()),
            Transport::File(_) | Transport::Stdout(_) => None,
        })
    }

    /// Returns whether to try this relay now. When a backoff ends, only the first caller gets `true`, so that the
    /// others do not wait for the same timeout.
    pub(crate) fn try_begin(&self) -> bool {
        !self.has_alternative || (!self.is_stuck() && self.backoff().try_begin(Instant::now()))
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
        self.record_rejection(&sent);
        // A busy server proves neither that it works nor that it does not.
        if !matches!(sent, Err(SendError { error: MailError::Busy { .. }, .. })) {
            self.record(begun, sent.as_ref().err().is_none_or(|error| !error.by_server));
        }
        sent
    }

    /// Counts rejections of the sender in a row. A recipient's rejection changes nothing: the state of mail, which anyone
    /// can read, must not depend on who has an account.
    fn record_rejection(&self, sent: &Result<String, SendError>) {
        let mut rejections = self.rejections();
        match sent {
            Ok(_) => *rejections = Rejections::default(),
            Err(SendError { error, rejects_sender: true, .. }) => {
                rejections.count = rejections.count.saturating_add(1);
                if let MailError::Temporary { reply } = error {
                    rejections.reply.clone_from(reply);
                }
                if rejections.count == SENDER_REJECTIONS {
                    let (setting, reply) = (self.setting, &rejections.reply);
                    warn!(
                        server.setting = setting,
                        reply, "mail server rejects the sender, its quota or the content of all mails"
                    );
                }
            }
            Err(_) => {}
        }
    }

    /// Succeeds if every transport could take a mail now, and the last mails were not all rejected because of the sender.
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
        works?;
        let rejections = self.rejections();
        if rejections.count < SENDER_REJECTIONS {
            return Ok(());
        }
        let error = MailError::Temporary { reply: format!("sender rejected: {}", rejections.reply) };
        Err(SendError { error, by_server: false, rejects_sender: true })
    }

    fn rejections(&self) -> MutexGuard<'_, Rejections> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner)
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
