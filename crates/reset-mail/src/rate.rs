//! Limits the mails per period, for providers with a quota.

use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Largest number of mails in a [`Rate`]: the time of each one is kept for the period.
const COUNT_MAX: usize = 100_000;

/// Longest period in a [`Rate`].
const PERIOD_MAX: Duration = Duration::from_secs(31 * 86_400);

/// A number of mails per period (`mail.rate`), such as `100/1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: usize,
    period: Duration,
}

impl FromStr for Rate {
    type Err = ();

    /// Parses `COUNT/PERIOD`. The period is a number and `s`, `m`, `h` or `d`; without a number it is one of them.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, period) = text.split_once('/').ok_or(())?;
        let count = count.trim().parse().map_err(|_| ())?;
        let mut number = period.trim().chars();
        let unit = match number.next_back().ok_or(())? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(()),
        };
        let number = number.as_str();
        let number = if number.is_empty() { 1 } else { number.parse().map_err(|_| ())? };
        let period = Duration::from_secs(unit).checked_mul(number).filter(|period| *period <= PERIOD_MAX);
        match (count, period) {
            (1..=COUNT_MAX, Some(period)) if !period.is_zero() => Ok(Self { count, period }),
            _ => Err(()),
        }
    }
}

/// The mails of the last period. In no period of this length are more mails sent than allowed, however they are spread.
pub(crate) struct RateLimit {
    rate: Rate,
    sent: Mutex<VecDeque<Instant>>,
}

impl RateLimit {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, sent: Mutex::default() }
    }

    /// Counts a mail. Returns `false`, and counts nothing, over the limit.
    pub(crate) fn acquire(&self) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        while sent.front().is_some_and(|at| at.elapsed() >= self.rate.period) {
            sent.pop_front();
        }
        let free = sent.len() < self.rate.count;
        if free {
            sent.push_back(Instant::now());
        }
        free
    }

    /// Takes back the newest count, for a mail that was not attempted.
    pub(crate) fn give_back(&self) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn rate_is_a_number_per_period() {
        let parsed = |text: &str| text.parse::<Rate>().map(|rate| (rate.count, rate.period.as_secs()));
        for (text, count, seconds) in [
            ("100/1h", 100, 3600),
            ("14/1s", 14, 1),
            ("14/s", 14, 1),
            ("500/d", 500, 86_400),
            ("30 / 10m", 30, 600),
        ] {
            assert_eq!(parsed(text), Ok((count, seconds)), "{text}");
        }
        for text in [
            "",
            "100",
            "/1h",
            "0/1h",
            "-1/1h",
            "1/0s",
            "1/",
            "1/1",
            "1/1y",
            "1/é",
            "1000000/1h",
            "1/4000000000d",
        ] {
            assert_eq!(parsed(text), Err(()), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_period_has_more_mails_than_the_rate() {
        let limit = RateLimit::new("2/10s".parse().unwrap());
        assert!(limit.acquire());
        advance(Duration::from_secs(9)).await;
        assert!(limit.acquire() && !limit.acquire());
        advance(Duration::from_secs(1)).await;
        assert!(limit.acquire() && !limit.acquire());
        advance(Duration::from_secs(8)).await;
        assert!(!limit.acquire());
    }

    #[tokio::test(start_paused = true)]
    async fn mail_that_was_not_attempted_does_not_count() {
        let limit = RateLimit::new("1/1h".parse().unwrap());
        assert!(limit.acquire());
        limit.give_back();
        assert!(limit.acquire() && !limit.acquire());
    }
}
