//! Turns: the order in which waiting jobs are served, so that clients' networks are served one after the other.
//!
//! Each waiting job has a turn, and the job with the lowest turn is served first. The first waiting job of a network gets
//! the turn that is being served now, its second one the turn after that, and so on: a network that requests thousands of
//! resets delays its own requests, and those of other networks by one job per turn.
//!
//! Turns are counted per process. A process that has just started learns the current turn from the first job that it
//! claims, and a replica from the jobs that it claims, so their turns need not agree: an error shifts a job by a few turns.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Number of networks that are remembered. A further network gets the current turn for each of its jobs.
const NETWORKS_MAX: usize = 100_000;

/// The network of a client as far as turns are concerned: an IPv6 /48 or an IPv4 /24, the smallest blocks that one party
/// usually holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkBlock(i64);

/// Distinguishes the numbers of IPv4 blocks from those of IPv6 blocks, which have 48 bits.
const IPV4: i64 = 1 << 48;

impl NetworkBlock {
    /// Returns the block of a client's address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IPV4 | i64::from(address.to_bits() >> 8),
            IpAddr::V6(address) => i64::try_from(address.to_bits() >> 80).expect("48 bits"),
        })
    }

    /// Returns the block in CIDR notation, such as `203.0.113.0/24` or `2001:db8:7::/48`, if clients on the internet can
    /// have addresses in it. `None` for private, shared and loopback addresses (RFC 6890), which say nothing about where a
    /// client is.
    pub fn public(self) -> Option<String> {
        if self.0 & IPV4 != 0 {
            let address = Ipv4Addr::from_bits(u32::try_from((self.0 & !IPV4) << 8).ok()?);
            let [first, second, ..] = address.octets();
            let local = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || first == 0
                || first >= 224
                || (first == 100 && (64..128).contains(&second));
            return (!local).then(|| format!("{address}/24"));
        }
        let address = Ipv6Addr::from_bits(u128::try_from(self.0).ok()? << 80);
        // All global unicast addresses are in 2000::/3 (RFC 4291, IANA).
        (address.segments()[0] >> 13 == 1).then(|| format!("{address}/48"))
    }

    /// Wraps a stored number.
    pub const fn stored(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number that a store keeps.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// Hands out turns.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The turn that is being served.
    current: i64,
    /// The last turn of each network that has jobs waiting.
    last: HashMap<NetworkBlock, i64>,
    /// The number of networks at which those without waiting jobs are forgotten.
    sweep_at: usize,
}

impl Turns {
    /// Returns the turn of a new job of `network`. A job without a network, such as a notice, is served next.
    pub(crate) fn next(&self, network: Option<NetworkBlock>) -> i64 {
        let mut state = self.lock();
        let Some(network) = network else { return state.current };
        let turn = state.last.get(&network).map_or(state.current, |last| state.current.max(last + 1));
        if state.last.len() >= state.sweep_at.max(64) {
            let current = state.current;
            state.last.retain(|_, last| *last >= current);
            state.sweep_at = 2 * state.last.len();
        }
        if state.last.len() < NETWORKS_MAX || state.last.contains_key(&network) {
            state.last.insert(network, turn);
        }
        turn
    }

    /// Returns how many jobs of `network` wait: the turns between the current one and its last one.
    pub(crate) fn waiting(&self, network: NetworkBlock) -> u64 {
        let state = self.lock();
        let last = state.last.get(&network).copied().filter(|last| *last >= state.current);
        last.map_or(0, |last| (last - state.current).unsigned_abs() + 1)
    }

    /// Records that a job of this turn is being served.
    pub(crate) fn reached(&self, turn: i64) {
        let mut state = self.lock();
        state.current = state.current.max(turn);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> NetworkBlock {
        NetworkBlock::of(text.parse().unwrap())
    }

    #[test]
    fn block_of_public_addresses_is_written_in_cidr_notation_and_a_private_one_is_not() {
        let public = |text: &str| block(text).public();
        assert_eq!(public("203.0.113.7").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(public("99.255.255.1").as_deref(), Some("99.255.255.0/24"));
        assert_eq!(public("::ffff:203.0.113.7").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(public("2001:db8:7:1::9").as_deref(), Some("2001:db8:7::/48"));
        assert_eq!(public("3fff:ffff:ffff::1").as_deref(), Some("3fff:ffff:ffff::/48"));
        for private in [
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert_eq!(public(private), None, "{private}");
        }
    }

    #[test]
    fn block_is_the_ipv6_slash_48_or_the_ipv4_slash_24() {
        assert_eq!(block("2001:db8:1:2::3"), block("2001:db8:1:ffff::"));
        assert_ne!(block("2001:db8:1::"), block("2001:db8:2::"));
        assert_eq!(block("192.0.2.1"), block("::ffff:192.0.2.200"));
        assert_ne!(block("192.0.2.1"), block("192.0.3.1"));
        assert_ne!(block("0.0.0.1"), block("::1"));
    }

    #[test]
    fn network_with_many_jobs_waits_for_one_job_of_each_other_network() {
        let (turns, flood, owner) = (Turns::default(), Some(block("2001:db8::1")), Some(block("192.0.2.1")));
        let flooded: Vec<i64> = (0..1000).map(|_| turns.next(flood)).collect();
        assert_eq!((flooded[0], flooded[999]), (0, 999));
        assert_eq!(turns.next(owner), 0);
        turns.reached(500);
        assert_eq!((turns.next(owner), turns.next(owner), turns.next(flood)), (500, 501, 1000));
        assert_eq!(turns.next(None), 500);
    }

    #[test]
    fn waiting_jobs_of_a_network_are_counted_until_their_turn_is_over() {
        let (turns, network) = (Turns::default(), block("192.0.2.1"));
        assert_eq!(turns.waiting(network), 0);
        assert_eq!((0..10).map(|_| turns.next(Some(network))).max(), Some(9));
        assert_eq!(turns.waiting(network), 10);
        turns.reached(4);
        assert_eq!(turns.waiting(network), 6);
        turns.reached(50);
        assert_eq!(turns.waiting(network), 0);
    }

    #[test]
    fn networks_without_waiting_jobs_are_forgotten() {
        let turns = Turns::default();
        for number in 0..10_000_u32 {
            turns.next(Some(NetworkBlock::stored(number.into())));
            turns.reached(i64::from(number) / 10);
        }
        assert!(turns.lock().last.len() <= 200, "{}", turns.lock().last.len());
    }
}
