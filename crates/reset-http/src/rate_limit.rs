//! Rate limits per client address, in bounded memory (R48, R51, R53).
//!
//! These limits keep one client from exhausting the service. A client over the limit gets 429 with `Retry-After`.
//! They do not bound guessing, because an attacker has many addresses; the budgets in the store do
//! (`reset_core::budget`). An IPv6 client is identified by its /64, the smallest network that a provider assigns. Every
//! request also counts against the surrounding /24 (IPv4) or /48 (IPv6), which has limits of its own.
//!
//! If replicas share counters ([`Counters`]), the shared counters decide. Accepted requests are also counted in this
//! process, so that its own counters can take over while the shared ones are unavailable.

mod classes;
mod counters;
mod memory;
mod refusals;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reset_core::{
    budget::{Budget, Window},
    encoding::hex,
    error::{ExchangeError, RedeemError},
    keys::HmacKey,
    ports::Clock,
    time::Timestamp,
};
use tracing::{info, warn};

pub use self::{
    classes::{ClassLimits, ClientLimits, LimitClass},
    counters::{Counters, SharedCounters, Take, Unavailable},
    memory::MEMORY_MAX,
};

use self::{
    memory::{CountedNetwork, Counts, Width},
    refusals::Refusals,
};
use crate::common_error::CommonError;

/// What a request is counted by: its class, and its client or the surrounding network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientKey {
    class: LimitClass,
    width: Width,
    network: CountedNetwork,
}

impl ClientKey {
    /// Returns the network's name in the shared counters: a keyed tag, so that it reveals no address (R70).
    fn shared_name(self, names: &HmacKey) -> String {
        let class = self.class.name();
        let CountedNetwork { v6, bits } = self.network;
        let kind = [u8::from(self.width == Width::Network), u8::from(v6)];
        hex(&names.tag(&[class.as_bytes(), &kind, &bits.to_be_bytes()])[..TAG_LENGTH])
    }
}

/// Length in bytes of the tag that replaces a network.
const TAG_LENGTH: usize = 16;

/// Counts the requests of all clients of this process.
pub struct RateLimiter {
    limits: ClientLimits,
    counts: Mutex<Counts>,
    clock: Arc<dyn Clock>,
    shared: Option<SharedCounters>,
    /// Whether the warning about clients without an address was already logged.
    warned: AtomicBool,
    refusals: Refusals,
}

impl RateLimiter {
    /// A limiter that counts in memory or, with `shared`, in the counters that every server shares.
    pub fn new(limits: ClientLimits, clock: Arc<dyn Clock>, shared: Option<SharedCounters>) -> Arc<Self> {
        let counts = Mutex::new(Counts::new(&limits));
        let (warned, refusals) = (AtomicBool::new(false), Refusals::default());
        Arc::new(Self { limits, counts, clock, shared, warned, refusals })
    }

    /// Returns whether the shared counters are available, or `None` without shared counters.
    pub fn shares(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.counters.work())
    }

    /// Counts one request of the client at `address`, before any work is done for it. A client without an address is
    /// not limited.
    ///
    /// # Errors
    /// Returns [`CommonError::TooMany`] if the client is over a limit; then nothing is counted.
    pub async fn acquire(
        self: &Arc<Self>,
        class: LimitClass,
        address: Option<IpAddr>,
    ) -> Result<Permit, CommonError> {
        if let (Some(SharedCounters { counters, names }), Some(address)) = (&self.shared, address) {
            let (now, counted) = (self.clock.now(), self.counted(class, address));
            if counted.is_empty() {
                return Ok(Permit::default());
            }
            let budgets =
                counted.iter().map(|(key, windows)| Budget::shared(&key.shared_name(names), windows));
            let budgets: Vec<Budget> = budgets.collect();
            match counters.take(&budgets, now).await {
                Ok(Take::Full { until }) => return Err(self.too_many(class, until, now)),
                Ok(Take::Taken { id }) => {
                    let permit = self.record(counted, now);
                    let names = budgets.into_iter().map(|budget| budget.name).collect();
                    return Ok(Permit { shared: Some((counters.clone(), names, id)), ..permit });
                }
                Err(Unavailable) => {}
            }
        }
        self.acquire_locally(class, address)
    }

    /// As [`Self::acquire`], with the counters of this process only.
    fn acquire_locally(
        self: &Arc<Self>,
        class: LimitClass,
        address: Option<IpAddr>,
    ) -> Result<Permit, CommonError> {
        let Some(address) = address else {
            if !self.warned.swap(true, Ordering::Relaxed) {
                warn!(
                    "client address unknown, per-client rate limits are not applied: list the proxy in \
                     trusted_proxies, or have the host application set the peer address (docs/embed.md)"
                );
            }
            return Ok(Permit::default());
        };
        let now = self.clock.now();
        let counted = self.counted(class, address);
        let mut counts = self.lock();
        let full = counted
            .iter()
            .filter_map(|(key, _)| counts.of(key.class, key.width).full_until(key.network, now));
        if let Some(free_at) = full.max() {
            drop(counts);
            return Err(self.too_many(class, free_at, now));
        }
        Ok(self.take(counts, counted, now))
    }

    /// Returns the keys and windows that a request of `class` from `address` counts against.
    fn counted(&self, class: LimitClass, address: IpAddr) -> Vec<(ClientKey, &[Window])> {
        let limits = self.limits.of(class);
        let windows = [(Width::Client, &*limits.client), (Width::Network, &*limits.network)];
        let counted = windows.into_iter().filter(|(_, windows)| !windows.is_empty());
        let key = |width| ClientKey { class, width, network: CountedNetwork::of(address, width) };
        counted.map(|(width, windows)| (key(width), windows)).collect()
    }

    fn record(self: &Arc<Self>, counted: Vec<(ClientKey, &[Window])>, now: Timestamp) -> Permit {
        self.take(self.lock(), counted, now)
    }

    fn take(
        self: &Arc<Self>,
        mut counts: MutexGuard<'_, Counts>,
        counted: Vec<(ClientKey, &[Window])>,
        now: Timestamp,
    ) -> Permit {
        for (key, _) in &counted {
            counts.of(key.class, key.width).take(key.network, now);
        }
        let keys = counted.into_iter().map(|(key, _)| key).collect();
        Permit { taken: Some(Taken { limiter: self.clone(), keys, at: now }), shared: None }
    }

    /// Returns the refusal of a client, and logs that there are some.
    fn too_many(&self, class: LimitClass, free_at: Timestamp, now: Timestamp) -> CommonError {
        let retry_after = free_at.since(now).max(Duration::from_secs(1));
        if let Some(refused) = self.refusals.count(class, now) {
            info!(
                limit.class = class.name(),
                limit.refused = refused,
                limit.retry_after_s = retry_after.as_secs(),
                "client limit reached, requests are refused with 429 and Retry-After"
            );
        }
        CommonError::TooMany { retry_after }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counts that one request used. Dropping the permit keeps them used.
#[derive(Default)]
pub struct Permit {
    taken: Option<Taken>,
    /// Counts used in the shared counters: the counters, the budget names and the id to give them back.
    shared: Option<(Arc<dyn Counters>, Vec<String>, String)>,
}

struct Taken {
    limiter: Arc<RateLimiter>,
    keys: Vec<ClientKey>,
    at: Timestamp,
}

impl Permit {
    /// Gives the counts back, because the request turned out not to count.
    pub fn give_back(self) {
        if let Some((counters, names, id)) = self.shared {
            counters.give_back(names, id);
        }
        let Some(Taken { limiter, keys, at }) = self.taken else { return };
        let mut counts = limiter.lock();
        for key in keys {
            counts.of(key.class, key.width).give_back(key.network, at);
        }
    }

    /// Gives the counts back, unless `result` says that the secret was wrong.
    ///
    /// # Errors
    /// Returns the error of `result`.
    pub fn judge<T, E: Wrong>(self, result: Result<T, E>) -> Result<T, E> {
        if !result.as_ref().is_err_and(Wrong::is_wrong) {
            self.give_back();
        }
        result
    }
}

/// An error that can mean that the secret was wrong.
pub trait Wrong {
    /// Returns whether the secret was wrong.
    fn is_wrong(&self) -> bool;
}

impl Wrong for RedeemError {
    fn is_wrong(&self) -> bool {
        matches!(self, Self::Invalid | Self::Blocked)
    }
}

impl Wrong for ExchangeError {
    fn is_wrong(&self) -> bool {
        matches!(self, Self::Invalid)
    }
}
