//! A bound on the audit events that anonymous clients can cause.
//!
//! A reset request for an unknown address leaves two events, and events are kept for months. So each network, and all of
//! them together, can cause so many events a day; further steps are counted, and one event says how many there were. What
//! an account does (issued tickets, mails, resets) is always recorded. The decision depends on the client's network alone,
//! so it shows nothing about the address (R14, R72).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Resets,
    event::{Event, EventKind},
    time::Timestamp,
    turns::NetworkBlock,
};

/// How many events anonymous clients can cause a day, per process. The default limits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Per network: an IPv6 /48 or IPv4 /24.
    pub per_network: u32,
    /// All networks together.
    pub all: u32,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self { per_network: u32::MAX, all: u32::MAX }
    }
}

/// Largest size of such an event in a database, with its indexes. Measured on SQLite: 214 bytes.
pub const EVENT_BYTES: u64 = 250;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Counts the events that clients cause.
#[derive(Debug, Default)]
pub(crate) struct ClientEvents {
    pub(crate) limits: EventLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Start of the day that is counted; `None` before the first event.
    since: Option<Timestamp>,
    all: u32,
    /// Events of each network. At most as many entries as events, so `EventLimits::all` bounds it.
    networks: HashMap<NetworkBlock, u32>,
    skipped: u64,
}

impl ClientEvents {
    /// Returns whether to record an event of this network, and counts it.
    fn admit(&self, network: Option<NetworkBlock>, now: Timestamp) -> bool {
        let EventLimits { per_network, all } = self.limits;
        let mut state = self.state();
        if state.since.is_none_or(|since| now < since || now.since(since) >= DAY) {
            (state.since, state.all) = (Some(now), 0);
            state.networks = HashMap::new();
        }
        let of_network = network.and_then(|network| state.networks.get(&network)).copied().unwrap_or(0);
        if state.all >= all || of_network >= per_network {
            state.skipped += 1;
            return false;
        }
        state.all += 1;
        // Without a limit nothing needs to be remembered.
        if let Some(network) = network.filter(|_| self.limits != EventLimits::default()) {
            state.networks.insert(network, of_network + 1);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resets {
    /// Sets the limits of the events that anonymous clients can cause.
    ///
    /// # Panics
    /// Panics if a clone of `self` exists.
    pub fn with_event_limits(mut self, limits: EventLimits) -> Self {
        let inner = std::sync::Arc::get_mut(&mut self.inner);
        inner.expect("limits are set before the use cases are cloned").client_events.limits = limits;
        self
    }

    /// Returns the event, or one that no store records if the network has caused too many.
    pub(crate) fn bounded(&self, event: Event, network: Option<NetworkBlock>) -> Event {
        if self.inner.client_events.admit(network, event.at) { event } else { event.skipped() }
    }

    /// Records how many events were not recorded since the last call, if any.
    ///
    /// # Errors
    /// Fails if the store fails; the number is then recorded with a later call.
    pub async fn record_skipped_events(&self) -> Result<(), crate::error::StoreError> {
        let skipped = std::mem::take(&mut self.inner.client_events.state().skipped);
        if skipped == 0 {
            return Ok(());
        }
        let now = self.adapters().clock.now();
        let event = Event::new(EventKind::Unrecorded, now).saying(skipped.to_string());
        let recorded = self.adapters().store.record(&event).await;
        if recorded.is_err() {
            self.inner.client_events.state().skipped += skipped;
        }
        recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
    }

    fn events(per_network: u32, all: u32) -> ClientEvents {
        ClientEvents { limits: EventLimits { per_network, all }, ..ClientEvents::default() }
    }

    #[test]
    fn network_over_its_limit_leaves_room_for_others_until_all_is_reached() {
        let (events, network) = (events(2, 5), |number| Some(NetworkBlock::stored(number)));
        let admitted = [1, 1, 1, 2, 2, 2, 3, 3].map(|number| events.admit(network(number), at(0)));
        assert_eq!(admitted, [true, true, false, true, true, false, true, false]);
        assert_eq!(events.state().skipped, 3);
        assert!(!events.admit(None, at(0)), "a client without a network counts, too");
    }

    #[test]
    fn count_begins_anew_after_a_day_and_after_the_clock_was_set_back() {
        let (events, network) = (events(1, 10), Some(NetworkBlock::stored(1)));
        assert!(events.admit(network, at(0)) && !events.admit(network, at(86_399)));
        assert!(events.admit(network, at(86_400)) && !events.admit(network, at(86_401)));
        assert!(events.admit(network, at(0)));
    }

    #[test]
    fn without_limits_no_network_is_remembered() {
        let events = ClientEvents::default();
        assert!((0..1000).all(|number| events.admit(Some(NetworkBlock::stored(number)), at(0))));
        assert!(events.state().networks.is_empty());
    }
}
