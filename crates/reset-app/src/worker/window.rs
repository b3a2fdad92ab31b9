//! The sending window: how many mails the worker holds at a time.
//!
//! As many mails are sent at once as the mailer has slots. Some more are held beside them, so that no slot waits for the
//! database: few while a mail takes long, because a fresh request waits behind those that are held; more while thousands
//! leave per second.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum number of mails held.
const MOST: usize = 256;
/// How long the mails held beside those being sent should take to send.
const AHEAD: Duration = Duration::from_millis(50);
/// Mails per slot and [`AHEAD`] from which the mail server keeps up with the database.
const FAST: usize = 2;

/// The sending window.
#[derive(Debug)]
pub(super) struct Window {
    /// Start of the current period, which lasts [`AHEAD`].
    since: Instant,
    /// Mails that left in the current period, and in the one before it.
    current: usize,
    last: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), current: 0, last: 0 }
    }

    /// Records that a mail left.
    pub(super) fn record(&mut self) {
        let elapsed = self.since.elapsed();
        if elapsed >= 2 * AHEAD {
            (self.since, self.current, self.last) = (Instant::now(), 0, 0);
        } else if elapsed >= AHEAD {
            (self.since, self.current, self.last) = (self.since + AHEAD, 0, self.current);
        }
        self.current += 1;
    }

    /// Returns how many mails leave within [`AHEAD`].
    fn rate(&self) -> usize {
        if self.since.elapsed() >= 2 * AHEAD { 0 } else { self.last.max(self.current) }
    }

    /// Returns whether mails leave about as fast as the database stores their results.
    pub(super) fn is_fast(&self, slots: usize) -> bool {
        self.rate() >= FAST * slots
    }

    /// Returns how many mails to hold while `slots` can be sent at once.
    pub(super) fn size(&self, slots: usize) -> usize {
        (slots.max(1) + self.rate().max(1)).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Returns the window after mails that left at this interval.
    async fn after(interval: Duration) -> Window {
        let mut window = Window::new();
        for _ in 0..1000 {
            advance(interval).await;
            window.record();
        }
        window
    }

    #[tokio::test(start_paused = true)]
    async fn slow_mail_server_gets_one_mail_more_than_it_can_take() {
        let slow = after(Duration::from_secs(4)).await;
        assert_eq!((slow.size(6), slow.size(0), slow.is_fast(6)), (7, 2, false));
    }

    #[tokio::test(start_paused = true)]
    async fn fast_mail_server_never_waits_for_the_database() {
        let mut fast = after(Duration::from_micros(250)).await;
        assert!((200..=MOST).contains(&fast.size(6)) && fast.is_fast(6), "{fast:?}");
        advance(2 * AHEAD).await;
        assert_eq!((fast.size(6), fast.is_fast(6)), (7, false), "it may be slow after a pause");
        fast.record();
        assert_eq!(fast.size(6), 7);
    }
}
