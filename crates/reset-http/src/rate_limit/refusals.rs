//! Says in the log that clients reach a limit: at the first refusal, and then at most once a minute per class, because
//! anonymous clients cause the refusals.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reset_core::time::Timestamp;

use super::LimitClass;

/// Shortest time between two lines about one class.
const QUIET: Duration = Duration::from_secs(60);

/// Counts the refusals of each class since its last line.
#[derive(Default)]
pub(super) struct Refusals {
    classes: Mutex<[Class; LimitClass::ALL.len()]>,
}

#[derive(Clone, Copy, Default)]
struct Class {
    last_line: Option<Timestamp>,
    unreported: u64,
}

impl Refusals {
    /// Counts one refusal, and returns the number of refusals to report if a line is due.
    pub(super) fn count(&self, class: LimitClass, now: Timestamp) -> Option<u64> {
        let at = LimitClass::ALL.iter().position(|known| *known == class)?;
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let Class { last_line, unreported } = &mut classes[at];
        *unreported += 1;
        // A clock that was set back must not silence the class.
        let recent = |last: Timestamp| last <= now && now.since(last) < QUIET;
        if last_line.is_some_and(recent) {
            return None;
        }
        *last_line = Some(now);
        Some(std::mem::take(unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn refusals_are_reported_once_a_minute_with_their_number() {
        let refusals = Refusals::default();
        let class = LimitClass::Token;
        assert_eq!(refusals.count(class, at(100)), Some(1), "the first one at once");
        assert_eq!(refusals.count(class, at(101)), None);
        assert_eq!(refusals.count(class, at(159)), None);
        assert_eq!(refusals.count(class, at(160)), Some(3));
        assert_eq!(refusals.count(class, at(161)), None);
    }

    #[test]
    fn classes_are_reported_apart() {
        let refusals = Refusals::default();
        for class in LimitClass::ALL {
            assert_eq!(refusals.count(class, at(100)), Some(1), "{class:?}");
        }
    }

    #[test]
    fn clock_that_is_set_back_silences_nothing() {
        let refusals = Refusals::default();
        assert_eq!(refusals.count(LimitClass::Token, at(10_000)), Some(1));
        assert_eq!(refusals.count(LimitClass::Token, at(100)), Some(1));
    }
}
