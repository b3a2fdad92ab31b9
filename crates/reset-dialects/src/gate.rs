//! How much one client may do: a few counts for each address, in this process, in bounded memory (R48, R51, R53).
//!
//! These limits keep one machine from wearing everybody out, and are told: 429 with `Retry-After`. They bound no
//! guessing by themselves, for an attacker has many addresses; the budgets in the store do (`reset_core::budget`).
//! An IPv6 client is its /64, the least that anybody is given; short codes are also counted for the /24 or /48 around.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reset_core::{
    budget::{Takes, Window},
    error::{ExchangeError, RedeemError},
    ports::Clock,
    time::Timestamp,
};
use tracing::warn;

use crate::refusal::Refusal;

/// What is counted apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asking for a reset.
    Ask,
    /// Wrong short codes that name their account by themselves (px0).
    OpenCode,
    /// Wrong codes for an address (InsForge).
    AddressCode,
    /// Wrong secrets that nobody guesses: long codes, tokens, links.
    Token,
}

/// Most that one client may do. Each has to be at most [`COUNT_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerClient {
    /// [`Class::Ask`]. Default 5 in 15 minutes and 20 a day (security.md B3).
    pub asks: Vec<Window>,
    /// [`Class::OpenCode`]. Default 5 an hour and 10 a day (B3, compatible-6).
    pub open_codes: Vec<Window>,
    /// The same for the /24 or /48 around. Default 20 a day (B3, compatible-6).
    pub open_codes_around: Vec<Window>,
    /// [`Class::AddressCode`]. Default 10 in 15 minutes (InsForge's own; B4).
    pub address_codes: Vec<Window>,
    /// [`Class::Token`]. Default 60 an hour (B4).
    pub tokens: Vec<Window>,
}

/// Largest count of a window: what is remembered of a client grows with it.
pub const COUNT_MAX: u32 = 10_000;

impl Default for PerClient {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        let (hour, day) = (60 * MINUTE, 24 * 60 * MINUTE);
        Self {
            asks: vec![Window::new(5, 15 * MINUTE), Window::new(20, day)],
            open_codes: vec![Window::new(5, hour), Window::new(10, day)],
            open_codes_around: vec![Window::new(20, day)],
            address_codes: vec![Window::new(10, 15 * MINUTE)],
            tokens: vec![Window::new(60, hour)],
        }
    }
}

impl PerClient {
    /// What is counted in `class`: of the client, and of the network around.
    fn windows(&self, class: Class) -> [(Width, &[Window]); 2] {
        let (own, around): (&[Window], &[Window]) = match class {
            Class::Ask => (&self.asks, &[]),
            Class::OpenCode => (&self.open_codes, &self.open_codes_around),
            Class::AddressCode => (&self.address_codes, &[]),
            Class::Token => (&self.tokens, &[]),
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
struct Who {
    class: Class,
    width: Width,
    v6: bool,
    bits: u64,
}

impl Who {
    fn new(class: Class, width: Width, address: IpAddr) -> Self {
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

/// Memory of one generation of clients, in bytes; there are two.
const GENERATION: usize = 24 * 1024 * 1024;
/// What a client takes beside its counts: key, handle, its place in the table and the allocator's own.
const OVERHEAD: usize = 128;

/// Who did what, lately. Once a generation is full it becomes the old one, and what was old is forgotten: memory is
/// bounded whatever comes, and who is forgotten was passed by more others than any one network has.
struct Clients {
    young: HashMap<Who, Takes>,
    old: HashMap<Who, Takes>,
    most: usize,
}

impl Clients {
    fn entry(&mut self, key: Who) -> &mut Takes {
        if !self.young.contains_key(&key) {
            if self.young.len() >= self.most {
                self.old = std::mem::take(&mut self.young);
            }
            let known = self.old.remove(&key).unwrap_or_default();
            self.young.insert(key, known);
        }
        self.young.get_mut(&key).expect("just put there")
    }

    fn peek(&self, key: &Who) -> Option<&Takes> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Counts for all clients of a process.
pub(crate) struct Gate {
    limits: PerClient,
    clients: Mutex<Clients>,
    clock: Arc<dyn Clock>,
    /// Whether it was said that clients have no address.
    warned: AtomicBool,
}

impl Gate {
    pub(crate) fn new(limits: PerClient, clock: Arc<dyn Clock>) -> Arc<Self> {
        let all = [Class::Ask, Class::OpenCode, Class::AddressCode, Class::Token];
        let counts = all.into_iter().flat_map(|class| limits.windows(class)).flat_map(|(_, windows)| windows);
        let largest = counts.map(|window| window.count as usize).max().unwrap_or_default();
        // A list of takes doubles when it is full.
        let each = OVERHEAD + size_of::<Timestamp>() * largest.next_power_of_two();
        let clients = Clients { young: HashMap::new(), old: HashMap::new(), most: GENERATION / each };
        Arc::new(Self { limits, clients: Mutex::new(clients), clock, warned: AtomicBool::new(false) })
    }

    /// Takes one for the client at `address`, before anything is done for it. Without an address nothing is counted.
    pub(crate) fn admit(
        self: &Arc<Self>,
        class: Class,
        address: Option<IpAddr>,
    ) -> Result<Admission, Refusal> {
        let Some(address) = address else {
            if !self.warned.swap(true, Ordering::Relaxed) {
                warn!(
                    "clients have no address here, so none is limited by it: name the proxy in trusted_proxies, or \
                     have the host application tell (docs/EMBEDDING.md)"
                );
            }
            return Ok(Admission::default());
        };
        let now = self.clock.now();
        let counted = self.limits.windows(class).into_iter().filter(|(_, windows)| !windows.is_empty());
        let counted: Vec<_> =
            counted.map(|(width, windows)| (Who::new(class, width, address), windows)).collect();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let free = counted.iter().filter_map(|(key, windows)| {
            let takes = clients.peek(key)?;
            (!takes.have_room(windows, now)).then(|| takes.room_at(windows, now))
        });
        if let Some(free) = free.max() {
            return Err(Refusal::TooMany { retry_after: free.since(now).max(Duration::from_secs(1)) });
        }
        for (key, windows) in &counted {
            clients.entry(*key).take(windows, now);
        }
        let keys = counted.into_iter().map(|(key, _)| key).collect();
        Ok(Admission(Some(Taken { gate: self.clone(), keys, at: now })))
    }
}

/// What was taken for one request. Dropped, it stays taken.
#[derive(Default)]
pub struct Admission(Option<Taken>);

struct Taken {
    gate: Arc<Gate>,
    keys: Vec<Who>,
    at: Timestamp,
}

impl Admission {
    /// Gives it back: the request was none of those that are counted.
    pub(crate) fn give_back(self) {
        let Some(Taken { gate, keys, at }) = self.0 else { return };
        let mut clients = gate.clients.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use reset_core::memory::FrozenClock;

    use super::*;

    fn gate() -> (Arc<Gate>, Arc<FrozenClock>) {
        let clock = Arc::new(FrozenClock::default());
        (Gate::new(PerClient::default(), clock.clone()), clock)
    }

    fn admitted(gate: &Arc<Gate>, class: Class, addresses: impl Iterator<Item = String>) -> usize {
        let mut admitted = 0;
        for address in addresses {
            admitted += usize::from(gate.admit(class, Some(address.parse().unwrap())).is_ok());
        }
        admitted
    }

    #[test]
    fn ten_thousand_addresses_of_one_64_are_one_client() {
        let (gate, _) = gate();
        let all = (0..10_000).map(|host| format!("2001:DB8:0:7::{host:x}"));
        assert_eq!(admitted(&gate, Class::Ask, all), 5);
        assert_eq!(admitted(&gate, Class::Ask, ["2001:db8:0:8::1".to_owned()].into_iter()), 1);
    }

    #[test]
    fn an_address_is_one_client_however_it_is_written() {
        let (gate, _) = gate();
        let ways =
            ["1.2.3.4", "::ffff:1.2.3.4", "::FFFF:102:304", "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4", "1.2.3.4"];
        assert_eq!(admitted(&gate, Class::Ask, ways.into_iter().map(ToOwned::to_owned)), 5);
    }

    #[test]
    fn open_codes_are_counted_for_the_network_around_as_well() {
        let (gate, _) = gate();
        let v6 = (0..1_000).map(|subnet| format!("2001:db8:5:{subnet:x}::1"));
        assert_eq!(admitted(&gate, Class::OpenCode, v6), 20);
        let v4 = (0..256).map(|host| format!("198.51.100.{host}"));
        assert_eq!(admitted(&gate, Class::OpenCode, v4), 20);
        let tokens = (0..256).map(|host| format!("198.51.100.{host}"));
        assert_eq!(admitted(&gate, Class::Token, tokens), 256, "nobody guesses tokens");
    }

    #[test]
    fn a_refusal_says_when_there_is_room_and_then_there_is() {
        let (gate, clock) = gate();
        let address = Some("203.0.113.9".parse().unwrap());
        for _ in 0..5 {
            assert!(gate.admit(Class::Ask, address).is_ok());
            clock.advance(Duration::from_secs(10));
        }
        let refusal = gate.admit(Class::Ask, address).err();
        let retry_after = Duration::from_secs(15 * 60 - 50);
        assert_eq!(refusal, Some(Refusal::TooMany { retry_after }));
        clock.advance(retry_after);
        assert!(gate.admit(Class::Ask, address).is_ok());
    }

    #[test]
    fn only_what_was_wrong_stays_counted() {
        let (gate, _) = gate();
        let address = Some("203.0.113.9".parse().unwrap());
        for _ in 0..20 {
            let admission = gate.admit(Class::OpenCode, address).unwrap();
            assert!(admission.judge(Ok::<_, RedeemError>(())).is_ok());
        }
        for _ in 0..5 {
            let admission = gate.admit(Class::OpenCode, address).unwrap();
            assert!(admission.judge(Err::<(), _>(RedeemError::Invalid)).is_err());
        }
        assert!(gate.admit(Class::OpenCode, address).is_err());
        assert!(gate.admit(Class::Token, address).is_ok(), "longer secrets are never refused for it");
    }

    #[test]
    fn without_an_address_nobody_is_limited() {
        let (gate, _) = gate();
        assert!((0..1_000).all(|_| gate.admit(Class::Ask, None).is_ok()));
        assert!(gate.warned.load(Ordering::Relaxed));
    }

    #[test]
    fn what_is_remembered_of_clients_takes_less_than_64_mib_however_many_come() {
        let (gate, clock) = gate();
        for number in 0..200_000_u64 {
            let address = if number.is_multiple_of(2) {
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(0x2001_0db8_0000_0000 + number * 0x10001) << 64))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap() * 257))
            };
            // The longest list, for some of them: filling all would take minutes and no more memory.
            let times = if number % 64 == 0 { 60 } else { 1 };
            for _ in 0..times {
                let _ = gate.admit(Class::Token, Some(address));
            }
            clock.advance(Duration::from_millis(1));
        }
        let clients = gate.clients.lock().unwrap();
        let (each, known) = (OVERHEAD + 8 * 64, clients.young.len() + clients.old.len());
        assert!(known * each <= 2 * GENERATION, "{known} clients");
        assert!(2 * GENERATION < 64 * 1024 * 1024 && known < 200_000);
    }
}
