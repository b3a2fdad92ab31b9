//! The counters of one process: the times of the counted requests of each network, in bounded memory (R51).
//!
//! Each class of requests has its own counters, and so have clients and their surrounding networks. However many requests
//! of one kind arrive, they evict no counter of another kind.

use std::{collections::HashMap, mem, net::IpAddr};

use reset_core::{
    budget::{Takes, Window},
    time::Timestamp,
};

use super::classes::{ClientLimits, LimitClass};

/// Maximum memory of all counters of a process in bytes.
pub const MEMORY_MAX: usize = 48 * 1024 * 1024;

/// Maximum memory of one generation of one kind of counters.
const GENERATION_MAX: usize = MEMORY_MAX / (LimitClass::ALL.len() * Width::ALL.len() * 2);

/// Memory per network without its times, in bytes. While a table doubles its size, it takes 24/7 times the size of its
/// entries; the allocator adds about 16 bytes to each list of times.
const ENTRY_BYTES: usize = (size_of::<(CountedNetwork, Takes)>() + 1) * 24 / 7 + 16;

/// Whether a client or its surrounding network is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Width {
    Client,
    Network,
}

impl Width {
    pub(super) const ALL: [Self; 2] = [Self::Client, Self::Network];
}

/// The leading bits of a client's address, or of its surrounding network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CountedNetwork {
    pub(super) v6: bool,
    pub(super) bits: u64,
}

impl CountedNetwork {
    pub(super) fn of(address: IpAddr, width: Width) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                Self { v6: false, bits: u64::from(if width == Width::Client { bits } else { bits >> 8 }) }
            }
            IpAddr::V6(v6) => {
                let bits = (v6.to_bits() >> 64) as u64;
                Self { v6: true, bits: if width == Width::Client { bits } else { bits >> 16 } }
            }
        }
    }
}

/// The counters of all classes.
pub(super) struct Counts([[NetworkCounts; Width::ALL.len()]; LimitClass::ALL.len()]);

impl Counts {
    pub(super) fn new(limits: &ClientLimits) -> Self {
        Self(LimitClass::ALL.map(|class| {
            let limits = limits.of(class);
            [NetworkCounts::new(&limits.client), NetworkCounts::new(&limits.network)]
        }))
    }

    pub(super) fn of(&mut self, class: LimitClass, width: Width) -> &mut NetworkCounts {
        &mut self.0[class as usize][width as usize]
    }
}

/// The counters of one kind, in two generations.
///
/// When the young generation is full, it becomes the old one, and the previous old one is dropped, except for networks
/// over their limit. A network within its limit is evicted only after many others have been counted, thousands unless
/// their limits are in the thousands.
pub(super) struct NetworkCounts {
    windows: Vec<Window>,
    young: HashMap<CountedNetwork, Takes>,
    old: HashMap<CountedNetwork, Takes>,
    /// Memory of the young generation in bytes, rounded up.
    young_bytes: usize,
}

impl NetworkCounts {
    fn new(windows: &[Window]) -> Self {
        Self { windows: windows.to_vec(), young: HashMap::new(), old: HashMap::new(), young_bytes: 0 }
    }

    /// Returns when `network` may be counted again, or `None` if it may be at once.
    pub(super) fn full_until(&self, network: CountedNetwork, now: Timestamp) -> Option<Timestamp> {
        let takes = self.young.get(&network).or_else(|| self.old.get(&network))?;
        (!takes.have_room(&self.windows, now)).then(|| takes.room_at(&self.windows, now))
    }

    /// Counts a request of `network`.
    pub(super) fn take(&mut self, network: CountedNetwork, now: Timestamp) {
        if self.windows.is_empty() {
            return;
        }
        if self.young_bytes >= GENERATION_MAX {
            self.begin_generation(now);
        }
        if !self.young.contains_key(&network) {
            let takes = self.old.remove(&network).unwrap_or_default();
            self.insert(network, takes);
        }
        let takes = self.young.get_mut(&network).expect("the entry was inserted above");
        let before = takes.heap_bytes();
        takes.take(&self.windows, now);
        self.young_bytes = (self.young_bytes + takes.heap_bytes()).saturating_sub(before);
    }

    /// Removes the request of `network` that was counted at `at`, if it is remembered.
    pub(super) fn give_back(&mut self, network: CountedNetwork, at: Timestamp) {
        if let Some(takes) = self.old.get_mut(&network) {
            takes.give_back(at);
        }
        let Some(takes) = self.young.get_mut(&network) else { return };
        takes.give_back(at);
        if takes.is_empty() {
            let freed = ENTRY_BYTES + takes.heap_bytes();
            self.young.remove(&network);
            self.young_bytes = self.young_bytes.saturating_sub(freed);
        }
    }

    fn insert(&mut self, network: CountedNetwork, takes: Takes) {
        self.young_bytes += ENTRY_BYTES + takes.heap_bytes();
        self.young.insert(network, takes);
    }

    fn begin_generation(&mut self, now: Timestamp) {
        let dropped = mem::replace(&mut self.old, mem::take(&mut self.young));
        self.young_bytes = 0;
        // A client that was rejected stays rejected, even if it makes many other networks send requests meanwhile.
        for (network, takes) in dropped {
            if self.young_bytes < GENERATION_MAX / 2 && !takes.have_room(&self.windows, now) {
                self.insert(network, takes);
            }
        }
    }

    /// Returns the number of networks that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
