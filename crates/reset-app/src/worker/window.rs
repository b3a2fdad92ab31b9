//! The sending window: how many mails the worker holds at a time.
//!
//! As many mails are sent at once as the mailer has slots. Some more are held beside them, so that no slot waits for the
//! database: few while a mail takes long, because a fresh request waits behind those that are held; more while the mail
//! server takes thousands per second, however fast the database is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Maximum number of mails held.
const MOST: usize = 256;
/// How long the mails held beside those being sent should take to send.
const AHEAD: Duration = Duration::from_millis(50);
/// Mails per slot and [`AHEAD`] from which the mail server counts as fast.
const FAST: usize = 2;
/// Number of mails over which the time of one is averaged, roughly.
const AVERAGED: u32 = 8;

/// The mails that are being sent. A slot's share of them waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending(Arc<AtomicUsize>);

impl Sending {
    /// Sends a mail, and returns how long it kept a slot from the next one.
    pub(super) async fn measure<T>(&self, slots: usize, send: impl Future<Output = T>) -> (T, Duration) {
        let begun = Instant::now();
        let together = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let result = send.await;
        self.0.fetch_sub(1, Ordering::Relaxed);
        let waiting = together.max(slots.max(1));
        (result, begun.elapsed() / u32::try_from(waiting).unwrap_or(u32::MAX))
    }
}

/// The sending window.
#[derive(Debug)]
pub(super) struct Window {
    /// Average time after which the next mail leaves, over all slots.
    interval: Duration,
    /// When the last mail left.
    last: Instant,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { interval: AHEAD, last: Instant::now() }
    }

    /// Records that a mail left, `interval` after the one before it.
    pub(super) fn record(&mut self, interval: Duration) {
        let known = self.last.elapsed() < 2 * AHEAD;
        let before = if known { self.interval } else { interval.max(AHEAD) };
        (self.interval, self.last) = ((before * (AVERAGED - 1) + interval) / AVERAGED, Instant::now());
    }

    /// Returns how many mails leave within [`AHEAD`] while all slots are busy.
    fn rate(&self) -> usize {
        if self.last.elapsed() >= 2 * AHEAD {
            return 0;
        }
        usize::try_from(AHEAD.as_nanos() / self.interval.as_nanos().max(1)).unwrap_or(MOST)
    }

    /// Returns whether the mail server takes mails about as fast as the database stores their results.
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
    use tokio::time::{advance, sleep};

    use super::*;

    /// Returns the window after mails over `slots` connections that each took so long.
    async fn after(slots: usize, took: Duration) -> Window {
        let (mut window, sending) = (Window::new(), Sending::default());
        for _ in 0..1000 {
            let ((), interval) = sending.measure(slots, sleep(took)).await;
            window.record(interval);
        }
        window
    }

    #[tokio::test(start_paused = true)]
    async fn slow_mail_server_gets_one_mail_more_than_it_can_take() {
        let slow = after(6, Duration::from_secs(4)).await;
        assert_eq!((slow.size(6), slow.size(0), slow.is_fast(6)), (7, 2, false));
    }

    #[tokio::test(start_paused = true)]
    async fn fast_mail_server_never_waits_for_the_database() {
        let mut fast = after(6, Duration::from_millis(1)).await;
        assert!((100..=MOST).contains(&fast.size(6)) && fast.is_fast(6), "{fast:?}");
        advance(2 * AHEAD).await;
        assert_eq!((fast.size(6), fast.is_fast(6)), (7, false), "it may be slow after a pause");
        fast.record(Duration::from_secs(1));
        assert_eq!(fast.size(6), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn mails_that_wait_for_a_slot_do_not_make_a_mail_server_look_slow() {
        let (sending, mut window) = (Sending::default(), Window::new());
        // 60 mails over 6 connections of 2 ms each: the last one is sent after 20 ms.
        let held: Vec<_> = (0..60)
            .map(|index| sending.measure(6, sleep(Duration::from_millis(2 * (1 + index / 6)))))
            .collect();
        for ((), interval) in futures_util::future::join_all(held).await {
            window.record(interval);
        }
        assert!(window.is_fast(6), "{window:?}");
    }
}
