//! Overload: when a reset request is rejected because its mail would be late.
//!
//! A request that is accepted and mailed hours later helps nobody, and its sender has requested others by then. So a
//! process rejects requests, with the time after which to retry, while the oldest waiting job is too old, and those of one
//! network while too many of its jobs wait.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::{Resets, error::StoreError, time::Timestamp, turns::NetworkBlock};

/// When requests are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Age that no waiting job should reach. Requests are rejected from half of it on, because a job may wait twice as
    /// long as the one before it while more requests arrive than are served.
    pub max_age: Duration,
    /// Number of waiting jobs of one network (an IPv6 /48 or IPv4 /24) from which on its requests are rejected. `None`
    /// for no limit.
    pub per_network: Option<u64>,
}

impl Default for OutboxLimits {
    /// No limit per network, and an age of ten minutes.
    fn default() -> Self {
        Self { max_age: Duration::from_secs(600), per_network: None }
    }
}

/// After how long a client should retry while the outbox is too slow.
const SLOW_RETRY: Duration = Duration::from_secs(60);

/// No job waits.
const NONE: i64 = i64::MIN;

/// The limits and the last look at the outbox.
#[derive(Debug)]
pub(crate) struct Overload {
    pub(crate) limits: OutboxLimits,
    /// When the oldest waiting job was queued, in milliseconds.
    oldest: AtomicI64,
}

impl Default for Overload {
    fn default() -> Self {
        Self { limits: OutboxLimits::default(), oldest: AtomicI64::new(NONE) }
    }
}

impl Resets {
    /// Sets the limits of the outbox.
    ///
    /// # Panics
    /// Panics if a clone of `self` exists.
    pub fn with_outbox(mut self, limits: OutboxLimits) -> Self {
        let inner = std::sync::Arc::get_mut(&mut self.inner);
        inner.expect("limits are set before the use cases are cloned").overload.limits = limits;
        self
    }

    /// Looks at the age of the oldest waiting job. The worker calls this every second, so that no request has to.
    ///
    /// # Errors
    /// Fails if the store fails; then the last look stays.
    pub async fn watch_outbox(&self) -> Result<(), StoreError> {
        let oldest = self.adapters().store.oldest_waiting().await?;
        self.inner.overload.oldest.store(oldest.map_or(NONE, Timestamp::as_millis), Ordering::Relaxed);
        Ok(())
    }

    /// Returns after how long a request of `network` should be retried, or `None` if it can be accepted. Independent of
    /// the requested address.
    pub(crate) fn overloaded(&self, network: Option<NetworkBlock>, now: Timestamp) -> Option<Duration> {
        let Overload { limits, oldest } = &self.inner.overload;
        let oldest = oldest.load(Ordering::Relaxed);
        let slow = oldest != NONE && now.since(Timestamp::from_millis(oldest)) > limits.max_age / 2;
        let flood = limits.per_network.zip(network);
        let flooded = flood.is_some_and(|(most, network)| self.inner.accepted.waiting(network) >= most);
        (slow || flooded).then_some(SLOW_RETRY)
    }
}
