//! How much one client may do: a few counts for each address, in this process, in bounded memory (R48, R51, R53).
//!
//! These limits keep one machine from wearing everybody out, and are told: 429 with `Retry-After`. They bound no
//! guessing by themselves, for an attacker has many addresses; the budgets in the store do (`reset_core::budget`).
//! An IPv6 client is its /64, the least that anybody is given; short codes are also counted for the /24 or /48 around.
//!
//! Where replicas share their counts ([`Counters`]), those decide. What this process lets through is counted here as
//! well, so that its own counts stand in while the shared ones are away.

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
    keys::Key,
    ports::Clock,
    time::Timestamp,
};
use tracing::warn;

pub use self::counters::{Counters, SharedCounters, Take, Unavailable};

use crate::common_error::CommonError;

/// What is counted apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitClass {
    /// Asking for a reset.
    ResetRequest,
    /// Wrong short codes that name their account by themselves (px0).
    OpenCode,
    /// Wrong codes for an address (InsForge).
    AddressCode,
    /// Wrong secrets that nobody guesses: long codes, tokens, links.
    Token,
}

/// Most that one client may do. Each has to be at most [`COUNT_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// [`LimitClass::ResetRequest`]. Default 5 in 15 minutes and 20 a day (security.md B3).
    pub requests: Vec<Window>,
    /// [`LimitClass::OpenCode`]. Default 5 an hour and 10 a day (B3, compatible-6).
    pub open_codes: Vec<Window>,
    /// The same for the /24 or /48 around. Default 20 a day (B3, compatible-6).
    pub open_codes_around: Vec<Window>,
    /// [`LimitClass::AddressCode`]. Default 10 in 15 minutes (InsForge's own; B4).
    pub address_codes: Vec<Window>,
    /// [`LimitClass::Token`]. Default 60 an hour (B4).
    pub tokens: Vec<Window>,
}

/// Largest count of a window: what is remembered of a client grows with it.
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
    /// What is counted in `class`: of the client, and of the network around.
    fn windows(&self, class: LimitClass) -> [(Width, &[Window]); 2] {
        let (own, around): (&[Window], &[Window]) = match class {
            LimitClass::ResetRequest => (&self.requests, &[]),
            LimitClass::OpenCode => (&self.open_codes, &self.open_codes_around),
            LimitClass::AddressCode => (&self.address_codes, &[]),
            LimitClass::Token => (&self.tokens, &[]),
        };
        [(Width::Client, own), (Width::Around, around)]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Width {
    Client,
    Around,
}

/// The network that is counted: its first bits, and how it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    class: LimitClass,
    width: Width,
    v6: bool,
    bits: u64,
}

impl ClientKey {
    /// What the network is called where others can read it: a keyed tag, for an address is nobody's business (R70).
    fn name(self, names: &Key) -> String {
        let class = match self.class {
            LimitClass::ResetRequest => "reset-request",
            LimitClass::OpenCode => "open-code",
            LimitClass::AddressCode => "address-code",
            LimitClass::Token => "token",
        };
        let (width, bits) =
            ([u8::from(self.width == Width::Around), u8::from(self.v6)], self.bits.to_be_bytes());
        hex(&names.tag(&[class.as_bytes(), &width, &bits])[..NAME])
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

/// Bytes of the tag that stands for a network.
const NAME: usize = 16;

/// Memory of one generation of clients, in bytes; there are two.
const GENERATION: usize = 24 * 1024 * 1024;
/// What a client takes beside its counts: key, handle, its place in the table and the allocator's own.
const OVERHEAD: usize = 128;

/// ClientKey did what, lately. Once a generation is full it becomes the old one, and what was old is forgotten: memory is
/// bounded whatever comes, and who is forgotten was passed by more others than any one network has.
struct Clients {
    young: HashMap<ClientKey, Takes>,
    old: HashMap<ClientKey, Takes>,
    most: usize,
}

impl Clients {
    fn entry(&mut self, key: ClientKey) -> &mut Takes {
        if !self.young.contains_key(&key) {
            if self.young.len() >= self.most {
                self.old = std::mem::take(&mut self.young);
            }
            let known = self.old.remove(&key).unwrap_or_default();
            self.young.insert(key, known);
        }
        self.young.get_mut(&key).expect("just put there")
    }

    fn peek(&self, key: &ClientKey) -> Option<&Takes> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Counts for all clients of a process.
pub(crate) struct RateLimiter {
    limits: ClientLimits,
    clients: Mutex<Clients>,
    clock: Arc<dyn Clock>,
    shared: Option<SharedCounters>,
    /// Whether it was said that clients have no address.
    warned: AtomicBool,
}

impl RateLimiter {
    pub(crate) fn new(
        limits: ClientLimits,
        clock: Arc<dyn Clock>,
        shared: Option<SharedCounters>,
    ) -> Arc<Self> {
        let all =
            [LimitClass::ResetRequest, LimitClass::OpenCode, LimitClass::AddressCode, LimitClass::Token];
        let counts = all.into_iter().flat_map(|class| limits.windows(class)).flat_map(|(_, windows)| windows);
        let largest = counts.map(|window| window.count as usize).max().unwrap_or_default();
        // A list of takes doubles when it is full.
        let each = OVERHEAD + size_of::<Timestamp>() * largest.next_power_of_two();
        let clients = Clients { young: HashMap::new(), old: HashMap::new(), most: GENERATION / each };
        Arc::new(Self { limits, clients: Mutex::new(clients), clock, shared, warned: AtomicBool::new(false) })
    }

    /// Whether the shared counts are to be had; nothing where there are none.
    pub(crate) fn shares(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.counters.work())
    }

    /// Takes one for the client at `address`, before anything is done for it. Without an address nothing is counted.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        class: LimitClass,
        address: Option<IpAddr>,
    ) -> Result<Permit, CommonError> {
        if let (Some(SharedCounters { counters, names }), Some(address)) = (&self.shared, address) {
            let (now, counted) = (self.clock.now(), self.counted(class, address));
            if counted.is_empty() {
                return Ok(Permit::default());
            }
            let budgets = counted.iter().map(|(who, windows)| Budget::shared(&who.name(names), windows));
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

    /// The same by what this process knows.
    fn acquire_locally(
        self: &Arc<Self>,
        class: LimitClass,
        address: Option<IpAddr>,
    ) -> Result<Permit, CommonError> {
        let Some(address) = address else {
            if !self.warned.swap(true, Ordering::Relaxed) {
                warn!(
                    "clients have no address here, so none is limited by it: name the proxy in trusted_proxies, or \
                     have the host application tell (docs/embed.md)"
                );
            }
            return Ok(Permit::default());
        };
        let now = self.clock.now();
        let counted = self.counted(class, address);
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let free = counted.iter().filter_map(|(key, windows)| {
            let takes = clients.peek(key)?;
            (!takes.have_room(windows, now)).then(|| takes.room_at(windows, now))
        });
        if let Some(free) = free.max() {
            return Err(too_many(free, now));
        }
        Ok(self.take(clients, counted, now))
    }

    /// What one more of `class` from `address` is counted for.
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

fn too_many(free: Timestamp, now: Timestamp) -> CommonError {
    CommonError::TooMany { retry_after: free.since(now).max(Duration::from_secs(1)) }
}

/// What was taken for one request. Dropped, it stays taken.
#[derive(Default)]
pub struct Permit {
    taken: Option<Taken>,
    /// What was taken of the shared counts: of which, and under which id.
    shared: Option<(Arc<dyn Counters>, Vec<String>, String)>,
}

struct Taken {
    limiter: Arc<RateLimiter>,
    keys: Vec<ClientKey>,
    at: Timestamp,
}

impl Permit {
    /// Gives it back: the request was none of those that are counted.
    pub(crate) fn give_back(self) {
        if let Some((counters, names, id)) = self.shared {
            counters.give_back(names, id);
        }
        let Some(Taken { limiter, keys, at }) = self.taken else { return };
        let mut clients = limiter.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            clients.entry(key).give_back(at);
        }
    }

    /// Gives it back unless the secret was wrong.
    pub(crate) fn judge<T, E: Wrong>(self, result: Result<T, E>) -> Result<T, E> {
        if !result.as_ref().is_err_and(Wrong::is_wrong) {
            self.give_back();
        }
        result
    }
}

/// An error that may lie with the secret.
pub(crate) trait Wrong {
    /// Whether it does.
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
