//! Rate limits per client address, in bounded memory (R48, R51, R53).
//!
//! These limits keep one client from exhausting the service. A client over the limit gets 429 with `Retry-After`.
//! They do not bound guessing, because an attacker has many addresses; the budgets in the store do
//! (`reset_core::budget`). An IPv6 client is identified by its /64, the smallest network that a provider assigns.
//! Guesses at short codes also count against the surrounding /24 (IPv4) or /48 (IPv6).
//!
//! If replicas share counters ([`Counters`]), the shared counters decide. Accepted requests are also counted in this
//! process, so that its own counters can take over while the shared ones are unavailable.

mod counters;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reset_core::{
    budget::{Budget, Takes, Window},
    encoding::hex,
    error::{ExchangeError, RedeemError},
    keys::HmacKey,
    ports::Clock,
    time::Timestamp,
};
use tracing::warn;

pub use self::counters::{Counters, SharedCounters, Take, Unavailable};

use crate::common_error::CommonError;

/// The kinds of requests, each with its own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitClass {
    /// A reset request.
    ResetRequest,
    /// An invalid short code that identifies the account on its own (px0).
    OpenCode,
    /// An invalid code for a named address (InsForge).
    AddressCode,
    /// An invalid secret that is too long to guess: a long code, a token or a link.
    Token,
}

/// The rate limits of one client. The count of each window must not exceed [`COUNT_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// [`LimitClass::ResetRequest`]. Default 5 per 15 minutes and 20 per day.
    pub requests: Vec<Window>,
    /// [`LimitClass::OpenCode`]. Default 5 per hour and 10 per day.
    pub open_codes: Vec<Window>,
    /// [`LimitClass::OpenCode`] for the surrounding /24 or /48. Default 20 per day.
    pub open_codes_around: Vec<Window>,
    /// [`LimitClass::AddressCode`]. Default 10 per 15 minutes, as in InsForge.
    pub address_codes: Vec<Window>,
    /// [`LimitClass::Token`]. Default 60 per hour.
    pub tokens: Vec<Window>,
}

/// Maximum count of a window. The memory per client grows with it.
pub const COUNT_MAX: u32 = 10_000;

impl Default for ClientLimits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        let (hour, day) = (60 * MINUTE, 24 * 60 * MINUTE);
        Self {
            requests: vec![Window::new(5, 15 * MINUTE), Window::new(20, day)],
            open_codes: vec![Window::new(5, hour), Window::new(10, day)],
            open_codes_around: vec![Window::new(20, day)],
            address_codes: vec![Window::new(10, 15 * MINUTE)],
            tokens: vec![Window::new(60, hour)],
        }
    }
}

impl ClientLimits {
    /// Returns the windows of `class`, for the client and for its surrounding network.
    fn windows(&self, class: LimitClass) -> [(Width, &[Window]); 2] {
        let (client, around): (&[Window], &[Window]) = match class {
            LimitClass::ResetRequest => (&self.requests, &[]),
            LimitClass::OpenCode => (&self.open_codes, &self.open_codes_around),
            LimitClass::AddressCode => (&self.address_codes, &[]),
            LimitClass::Token => (&self.tokens, &[]),
        };
        [(Width::Client, client), (Width::Around, around)]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Width {
    Client,
    Around,
}

/// A counted network: its leading bits, its prefix length and the class of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    class: LimitClass,
    width: Width,
    v6: bool,
    bits: u64,
}

impl ClientKey {
    /// Returns the network's name in the shared counters: a keyed tag, so that it reveals no address (R70).
    fn shared_name(self, names: &HmacKey) -> String {
        let class = match self.class {
            LimitClass::ResetRequest => "reset-request",
            LimitClass::OpenCode => "open-code",
            LimitClass::AddressCode => "address-code",
            LimitClass::Token => "token",
        };
        let (width, bits) =
            ([u8::from(self.width == Width::Around), u8::from(self.v6)], self.bits.to_be_bytes());
        hex(&names.tag(&[class.as_bytes(), &width, &bits])[..TAG_LENGTH])
    }

    fn new(class: LimitClass, width: Width, address: IpAddr) -> Self {
        let (v6, bits) = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                (false, u64::from(if width == Width::Client { bits } else { bits >> 8 }))
            }
            IpAddr::V6(v6) => {
                let network = (v6.to_bits() >> 64) as u64;
                (true, if width == Width::Client { network } else { network >> 16 })
            }
        };
        Self { class, width, v6, bits }
    }
}

/// Length in bytes of the tag that replaces a network.
const TAG_LENGTH: usize = 16;

/// Memory limit of one generation of clients in bytes. There are two generations.
const GENERATION_BYTES: usize = 24 * 1024 * 1024;
/// Memory per client in bytes, excluding its counts: key, list header, table slot and allocator overhead.
const ENTRY_OVERHEAD: usize = 128;

/// Recent requests by client, in two generations.
///
/// When the young generation is full, it becomes the old one and the previous old one is dropped. Memory is therefore
/// bounded, and an entry is evicted only after at least `capacity` others have been seen.
struct Clients {
    young: HashMap<ClientKey, Takes>,
    old: HashMap<ClientKey, Takes>,
    capacity: usize,
}

impl Clients {
    fn entry(&mut self, key: ClientKey) -> &mut Takes {
        if !self.young.contains_key(&key) {
            if self.young.len() >= self.capacity {
                self.old = std::mem::take(&mut self.young);
            }
            let takes = self.old.remove(&key).unwrap_or_default();
            self.young.insert(key, takes);
        }
        self.young.get_mut(&key).expect("the entry was inserted above")
    }

    fn peek(&self, key: &ClientKey) -> Option<&Takes> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Counts the requests of all clients of this process.
pub struct RateLimiter {
    limits: ClientLimits,
    clients: Mutex<Clients>,
    clock: Arc<dyn Clock>,
    shared: Option<SharedCounters>,
    /// Whether the warning about clients without an address was already logged.
    warned: AtomicBool,
}

impl RateLimiter {
    /// A limiter that counts in memory or, with `shared`, in the counters that every server shares.
    pub fn new(limits: ClientLimits, clock: Arc<dyn Clock>, shared: Option<SharedCounters>) -> Arc<Self> {
        let all =
            [LimitClass::ResetRequest, LimitClass::OpenCode, LimitClass::AddressCode, LimitClass::Token];
        let windows =
            all.into_iter().flat_map(|class| limits.windows(class)).flat_map(|(_, windows)| windows);
        let largest = windows.map(|window| window.count as usize).max().unwrap_or_default();
        // A full list doubles its capacity.
        let entry = ENTRY_OVERHEAD + size_of::<Timestamp>() * largest.next_power_of_two();
        let clients =
            Clients { young: HashMap::new(), old: HashMap::new(), capacity: GENERATION_BYTES / entry };
        Arc::new(Self { limits, clients: Mutex::new(clients), clock, shared, warned: AtomicBool::new(false) })
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
                Ok(Take::Full { until }) => return Err(too_many(until, now)),
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
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = counted.iter().filter_map(|(key, windows)| {
            let takes = clients.peek(key)?;
            (!takes.have_room(windows, now)).then(|| takes.room_at(windows, now))
        });
        if let Some(free_at) = free_at.max() {
            return Err(too_many(free_at, now));
        }
        Ok(self.take(clients, counted, now))
    }

    /// Returns the keys and windows that a request of `class` from `address` counts against.
    fn counted(&self, class: LimitClass, address: IpAddr) -> Vec<(ClientKey, &[Window])> {
        let counted = self.limits.windows(class).into_iter().filter(|(_, windows)| !windows.is_empty());
        counted.map(|(width, windows)| (ClientKey::new(class, width, address), windows)).collect()
    }

    fn record(self: &Arc<Self>, counted: Vec<(ClientKey, &[Window])>, now: Timestamp) -> Permit {
        self.take(self.clients.lock().unwrap_or_else(PoisonError::into_inner), counted, now)
    }

    fn take(
        self: &Arc<Self>,
        mut clients: MutexGuard<'_, Clients>,
        counted: Vec<(ClientKey, &[Window])>,
        now: Timestamp,
    ) -> Permit {
        for (key, windows) in &counted {
            clients.entry(*key).take(windows, now);
        }
        let keys = counted.into_iter().map(|(key, _)| key).collect();
        Permit { taken: Some(Taken { limiter: self.clone(), keys, at: now }), shared: None }
    }
}

fn too_many(free_at: Timestamp, now: Timestamp) -> CommonError {
    CommonError::TooMany { retry_after: free_at.since(now).max(Duration::from_secs(1)) }
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
        let mut clients = limiter.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            clients.entry(key).give_back(at);
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
