//! The number of concurrent connections to one mail server, adapted to what the server accepts.
//!
//! Servers limit connections per client, many to two or three, and reject the next one with 421 or by refusing it. Such a
//! rejection says nothing about the mail: the limit falls to the number of connections that work, and rises again by one
//! for each minute of success.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::{debug, info};

/// How long a mail waits for a slot. A longer wait would only hold the worker's place for another mail.
const WAIT: Duration = Duration::from_secs(1);

/// Time without a rejection after which the limit rises by one.
const RAISE_AFTER: Duration = Duration::from_secs(60);

/// Age from which a mail in progress counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The slots of one mail server.
pub(super) struct Slots {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    /// The configured limit.
    max: usize,
    /// The limit in force.
    limit: usize,
    /// When the limit last changed, or a further connection was rejected.
    changed: Instant,
    held: Vec<Held>,
    next: u64,
}

struct Held {
    number: u64,
    since: Instant,
    /// Whether the server has accepted the connection.
    works: bool,
}

/// A slot, which is free again when this is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
}

impl Slots {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        let state = State { max, limit: max, changed: Instant::now(), held: Vec::new(), next: 0 };
        Arc::new(Self { state: Mutex::new(state), freed: Notify::new() })
    }

    /// Waits up to [`WAIT`] for a slot.
    pub(super) async fn acquire(self: &Arc<Self>) -> Option<Slot> {
        let free = async {
            loop {
                let freed = self.freed.notified();
                if let Some(slot) = self.try_acquire() {
                    return slot;
                }
                freed.await;
            }
        };
        timeout(WAIT, free).await.ok()
    }

    /// Returns a slot if one is free.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        if state.held.len() >= state.limit {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.held.push(Held { number, since: Instant::now(), works: false });
        Some(Slot { slots: self.clone(), number })
    }

    /// Returns the limit in force.
    pub(super) fn limit(&self) -> usize {
        self.state().limit
    }

    /// Returns whether every slot is held by a mail that is stuck.
    pub(super) fn are_stuck(&self) -> bool {
        let state = self.state();
        state.held.len() >= state.limit && state.held.iter().all(|held| held.since.elapsed() >= STUCK_AFTER)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Records that the server has accepted the connection of this slot.
    pub(super) fn works(&self) {
        let mut state = self.slots.state();
        state.held.iter_mut().filter(|held| held.number == self.number).for_each(|held| held.works = true);
    }

    /// Records that the server rejected this slot's connection. Returns whether that is a limit of connections: others
    /// work, or `replied` and others are being opened. The limit falls to the number of the others.
    pub(super) fn was_rejected(&self, replied: bool) -> bool {
        let mut state = self.slots.state();
        let others = state.held.iter().filter(|held| held.number != self.number);
        let (works, others) = (others.clone().any(|held| held.works), others.count());
        let is_limit = works || (replied && others > 0);
        if !is_limit {
            return false;
        }
        state.changed = Instant::now();
        if others < state.limit {
            state.limit = others;
            info!(connections = others, "mail server accepts no more connections, limit lowered");
        }
        true
    }

    /// Records that the server accepted a mail.
    pub(super) fn succeeded(&self) {
        let mut state = self.slots.state();
        if state.limit < state.max && state.changed.elapsed() >= RAISE_AFTER {
            (state.limit, state.changed) = (state.limit + 1, Instant::now());
            debug!(connections = state.limit, "limit of connections to the mail server raised");
            self.slots.freed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.state().held.retain(|held| held.number != self.number);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    async fn held(slots: &Arc<Slots>, count: usize) -> Vec<Slot> {
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(slots.acquire().await.unwrap());
        }
        held
    }

    #[tokio::test(start_paused = true)]
    async fn limit_falls_to_the_connections_that_the_server_accepts() {
        let slots = Slots::new(6);
        let mut held = held(&slots, 6).await;
        held[..3].iter().for_each(Slot::works);
        while held.len() > 3 {
            assert!(held.pop().unwrap().was_rejected(true));
        }
        assert_eq!(slots.limit(), 3);
        let begun = Instant::now();
        assert!(slots.acquire().await.is_none());
        assert_eq!(begun.elapsed(), WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_rises_by_one_for_each_minute_of_success() {
        let slots = Slots::new(3);
        let held = held(&slots, 2).await;
        held[0].works();
        assert!(held[1].was_rejected(false));
        let mut limits = Vec::new();
        for _ in 0..4 {
            held[0].succeeded();
            limits.push(slots.limit());
            advance(MINUTE).await;
        }
        assert_eq!(limits, [1, 2, 3, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn rejection_of_the_only_connection_is_not_a_limit() {
        let slots = Slots::new(6);
        let first = slots.acquire().await.unwrap();
        assert!(!first.was_rejected(true));
        let second = slots.acquire().await.unwrap();
        // A refused connection while another one is being opened: the server may be down.
        assert!(!second.was_rejected(false) && second.was_rejected(true));
        assert_eq!(slots.limit(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn free_slot_goes_to_a_waiting_mail() {
        let slots = Slots::new(1);
        let slot = slots.acquire().await.unwrap();
        let (next, ()) = tokio::join!(slots.acquire(), async {
            sleep(WAIT / 2).await;
            drop(slot);
        });
        assert!(next.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_stuck_only_if_every_mail_takes_long() {
        let slots = Slots::new(2);
        let _first = slots.acquire().await.unwrap();
        advance(STUCK_AFTER).await;
        assert!(!slots.are_stuck());
        let _second = slots.acquire().await.unwrap();
        assert!(!slots.are_stuck());
        advance(STUCK_AFTER).await;
        assert!(slots.are_stuck());
    }
}
