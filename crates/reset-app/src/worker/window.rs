//! The sending window: how many mails the worker holds at a time.
//!
//! As many mails are sent at once as the mailer has slots. Some more are held beside them, so that no slot waits for the
//! database: few while a mail takes long, because a fresh request waits behind those that are held; more while thousands
//! leave per second.

use std::time::Duration;

/// Maximum number of mails held.
const MOST: usize = 256;
/// How long the mails held beside those being sent should take to send.
const AHEAD: Duration = Duration::from_millis(50);
/// Weight of the latest mail in the average of the durations.
const WEIGHT: f64 = 0.1;

/// The sending window.
#[derive(Debug)]
pub(super) struct Window {
    /// Average duration of a mail, in seconds.
    average: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { average: AHEAD.as_secs_f64() }
    }
}

impl Window {
    /// Records how long a mail took.
    pub(super) fn record(&mut self, taken: Duration) {
        self.average += WEIGHT * (taken.as_secs_f64() - self.average);
    }

    /// Returns how many mails to hold while `slots` can be sent at once.
    pub(super) fn size(&self, slots: usize) -> usize {
        let slots = slots.clamp(1, MOST);
        let rate = f64::from(u32::try_from(slots).unwrap_or(u32::MAX)) / self.average.max(1e-6);
        let ahead = AHEAD.as_secs_f64() * rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a small range"
        )]
        let ahead = ahead.clamp(1.0, 256.0) as usize;
        (slots + ahead).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(taken: Duration) -> Window {
        let mut window = Window::default();
        (0..200).for_each(|_| window.record(taken));
        window
    }

    #[test]
    fn slow_mail_server_gets_one_mail_more_than_it_can_take() {
        assert_eq!(after(Duration::from_secs(25)).size(6), 7);
        assert_eq!(after(Duration::from_secs(25)).size(0), 2);
    }

    #[test]
    fn fast_mail_server_never_waits_for_the_database() {
        let fast = after(Duration::from_micros(500)).size(6);
        assert!((200..=MOST).contains(&fast), "{fast}");
    }
}
