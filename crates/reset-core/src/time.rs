//! Points in time, in whole milliseconds since the Unix epoch.

use std::time::Duration;

/// A point in time with millisecond precision, the same on every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates the point `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the whole seconds since the Unix epoch, rounded up, so that an expiry is never too early.
    pub const fn as_secs_ceil(self) -> i64 {
        -(-self.0).div_euclid(1000)
    }

    /// Returns this point plus `span`; saturates instead of wrapping.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns this point minus `span`; saturates instead of wrapping.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the time from `earlier` to this point; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_and_expiries_round_up() {
        let at = Timestamp::from_millis(1_500);
        assert_eq!((at.as_secs(), at.as_secs_ceil()), (1, 2));
        assert_eq!(Timestamp::from_millis(2_000).as_secs_ceil(), 2);
    }

    #[test]
    fn span_is_never_negative() {
        let (early, late) = (Timestamp::from_millis(10), Timestamp::from_millis(35));
        assert_eq!(late.since(early), Duration::from_millis(25));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.plus(Duration::MAX).as_millis(), i64::MAX);
    }
}
