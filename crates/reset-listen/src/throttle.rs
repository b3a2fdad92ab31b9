//! Log lines about events that clients cause: at most one per interval, with the number of events since the last one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Minimum interval between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Counts the events of one kind.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    logged_at: Option<Instant>,
    events: u64,
}

impl Throttle {
    /// Counts an event. Returns the number of events to log, or `None` if a line was logged a short time ago.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.events += 1;
        if counted.logged_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        counted.logged_at = Some(Instant::now());
        Some(std::mem::take(&mut counted.events))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn any_number_of_events_is_logged_once_per_interval() {
        let throttle = Throttle::default();
        assert_eq!(throttle.due(), Some(1));
        assert!((0..1000).all(|_| throttle.due().is_none()));
        advance(INTERVAL).await;
        assert_eq!((throttle.due(), throttle.due()), (Some(1001), None));
    }
}
