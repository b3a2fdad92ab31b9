//! The open connections of one listener: how many there may be, and which one is closed to make room.
//!
//! A client can hold a connection without sending or reading anything until a timeout ends it. If all places are taken,
//! or all that one client may have, the connection that has waited longest for its client is therefore closed, and the
//! new one takes its place. A connection whose request is being processed is never closed for that.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use reset_http::{
    Api, Peer,
    observer::{ConnectionEvent, Observer},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::warn;

use crate::{phase::Phase, throttle::Throttle};

/// Maximum number of concurrent connections. More wait in the system's accept queue.
pub const CONNECTIONS_MAX: usize = 4096;

/// How long a connection has waited for its client at least before it may be closed to make room. A client that has just
/// connected needs some time to send its request.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Interval between attempts to make room while none of the connections may be closed.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// How many connections a listener serves, and who observes them.
#[derive(Clone)]
pub struct ConnectionLimits {
    /// Maximum number of concurrent connections.
    pub total: usize,
    /// Maximum number per client, which is an IPv4 address or an IPv6 /48. `None` for no limit. Peers on a Unix socket have
    /// none.
    pub per_client: Option<usize>,
    /// Networks of the peers that have none either: trusted proxies and the deployment's own servers.
    pub unlimited: Vec<IpNet>,
    /// Receives the events of connections.
    pub observer: Option<Arc<dyn Observer>>,
}

impl ConnectionLimits {
    /// Returns the limits that `api` is served with.
    pub fn of(api: &Api) -> Self {
        Self {
            total: CONNECTIONS_MAX,
            per_client: api.client_connections(),
            unlimited: api.unlimited_peers(),
            observer: api.observer().cloned(),
        }
    }
}

/// The network by which the connections of a client are counted. One party can hold a whole IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PeerNetwork(IpAddr);

impl PeerNetwork {
    fn of(Peer(address): Peer) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl fmt::Display for PeerNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}"),
            IpAddr::V6(v6) => write!(f, "{v6}/48"),
        }
    }
}

/// The open connections.
pub(crate) struct Connections {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    /// Notified when a connection has ended.
    freed: Notify,
    rejections: Throttle,
    evictions: Throttle,
    write_timeouts: Throttle,
}

#[derive(Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, Entry>,
    per_client: HashMap<PeerNetwork, usize>,
}

struct Entry {
    phase: Arc<Phase>,
    /// The network that this connection counts against.
    network: Option<PeerNetwork>,
}

impl Open {
    /// Closes the connection that has waited longest for its client, of all connections or of those of `network`.
    /// Returns whether there is one.
    fn evict(&mut self, network: Option<PeerNetwork>) -> bool {
        let now = Instant::now();
        let of_network = |entry: &&mut Entry| network.is_none_or(|network| entry.network == Some(network));
        let waiting = self.all.values_mut().filter(of_network).filter_map(|entry| {
            let waited = now.duration_since(entry.phase.waiting_since()?);
            (waited >= GRACE).then_some((waited, entry))
        });
        let Some((_, entry)) = waiting.max_by_key(|(waited, _)| *waited) else { return false };
        // In the meantime the client may have sent the rest of its request.
        if !entry.phase.evict() {
            return false;
        }
        // The connection ends soon. Its client may open another one at once.
        if let Some(network) = entry.network.take() {
            self.uncount(network);
        }
        true
    }

    fn uncount(&mut self, network: PeerNetwork) {
        if let Some(count) = self.per_client.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&network);
            }
        }
    }
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            freed: Notify::new(),
            rejections: Throttle::default(),
            evictions: Throttle::default(),
            write_timeouts: Throttle::default(),
        })
    }

    /// Returns when another connection may be accepted. Closes one that waits for its client if there is no place.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            let evicted = {
                let mut open = self.lock();
                if open.all.len() < self.limits.total {
                    return;
                }
                open.evict(None)
            };
            if evicted {
                self.count_eviction();
            }
            // Times out if a connection may be closed only later.
            let _ = timeout(RETRY_INTERVAL, freed).await;
        }
    }

    /// Counts a new connection of `peer`. Returns `None` if its client has too many and none of them may be closed.
    pub(crate) fn open(self: &Arc<Self>, peer: Option<Peer>) -> Option<Slot> {
        let unlimited = |address: IpAddr| self.limits.unlimited.iter().any(|net| net.contains(&address));
        let client = peer.filter(|Peer(address)| !unlimited(address.to_canonical()));
        let network = client.filter(|_| self.limits.per_client.is_some()).map(PeerNetwork::of);
        let mut open = self.lock();
        if let Some((network, max)) = network.zip(self.limits.per_client) {
            let count = open.per_client.get(&network).copied().unwrap_or_default();
            if count >= max {
                if !open.evict(Some(network)) {
                    drop(open);
                    self.reject(network, max);
                    return None;
                }
                self.count_eviction();
            }
            *open.per_client.entry(network).or_default() += 1;
        }
        let (id, phase) = (open.next, Arc::new(Phase::new()));
        open.next += 1;
        open.all.insert(id, Entry { phase: phase.clone(), network });
        drop(open);
        self.observe(ConnectionEvent::Opened);
        Some(Slot { connections: self.clone(), id, peer, phase })
    }

    fn close(&self, id: u64) {
        let mut open = self.lock();
        if let Some(network) = open.all.remove(&id).and_then(|entry| entry.network) {
            open.uncount(network);
        }
        drop(open);
        self.freed.notify_one();
        self.observe(ConnectionEvent::Closed);
    }

    fn reject(&self, network: PeerNetwork, max: usize) {
        self.observe(ConnectionEvent::Rejected);
        if let Some(rejected) = self.rejections.due() {
            warn!(
                client.network = %network,
                rejected,
                "connections rejected: a client has {max} open (limits.client_connections); if it is a proxy, list it in \
                 trusted_proxies"
            );
        }
    }

    fn count_eviction(&self) {
        self.observe(ConnectionEvent::Evicted);
        if let Some(evicted) = self.evictions.due() {
            warn!(
                evicted,
                "connections closed while they waited for their clients: all places, or all of one client \
                 (limits.client_connections), were taken"
            );
        }
    }

    fn count_write_timeout(&self, peer: Option<Peer>) {
        self.observe(ConnectionEvent::WriteTimeout);
        if let Some(closed) = self.write_timeouts.due() {
            let network = peer.map(|peer| PeerNetwork::of(peer).to_string());
            warn!(
                client.network = network,
                closed, "connections closed: clients did not read the response in time"
            );
        }
    }

    fn observe(&self, event: ConnectionEvent) {
        if let Some(observer) = &self.limits.observer {
            observer.connection(event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open connection. Dropping it frees the place.
pub(crate) struct Slot {
    connections: Arc<Connections>,
    id: u64,
    /// Address of the client; `None` on a Unix socket.
    pub(crate) peer: Option<Peer>,
    /// What the connection is doing.
    pub(crate) phase: Arc<Phase>,
}

impl Slot {
    /// Records that the client did not read a response in time.
    pub(crate) fn write_timed_out(&self) {
        self.connections.count_write_timeout(self.peer);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn connections(total: usize, per_client: usize) -> Arc<Connections> {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        Connections::new(ConnectionLimits {
            total,
            per_client: Some(per_client),
            unlimited: networks,
            observer: None,
        })
    }

    fn open(connections: &Arc<Connections>, peer: &str) -> Option<Slot> {
        connections.open(Some(Peer(peer.parse().unwrap())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_over_its_limit_is_rejected_and_others_are_not() {
        let connections = connections(100, 2);
        let held: Vec<_> = (0..2).map(|_| open(&connections, "203.0.113.9").unwrap()).collect();
        assert!(open(&connections, "203.0.113.9").is_none());
        assert!(open(&connections, "::ffff:203.0.113.9").is_none(), "the same address");
        assert!(open(&connections, "203.0.113.10").is_some());
        drop(held);
        assert!(open(&connections, "203.0.113.9").is_some());
        assert!(connections.lock().all.is_empty() && connections.lock().per_client.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn all_addresses_of_a_slash_48_count_as_one_client() {
        let connections = connections(100, 2);
        let _held = [open(&connections, "2001:db8:1:1::1"), open(&connections, "2001:db8:1:2::1")];
        assert!(open(&connections, "2001:db8:1:ffff::1").is_none());
        assert!(open(&connections, "2001:db8:2::1").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn trusted_proxies_and_unix_sockets_have_no_limit_of_their_own() {
        let connections = connections(100, 2);
        let held: Vec<_> = (0..10).filter_map(|_| open(&connections, "10.0.0.1")).collect();
        let local: Vec<_> = (0..10).filter_map(|_| connections.open(None)).collect();
        assert_eq!((held.len(), local.len()), (10, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_waits_for_its_client_makes_room_and_a_busy_one_does_not() {
        let connections = connections(100, 2);
        let [busy, idle] = [(); 2].map(|()| open(&connections, "203.0.113.9").unwrap());
        assert!(busy.phase.begin());
        advance(GRACE).await;
        let newest = open(&connections, "203.0.113.9").unwrap();
        assert!(idle.phase.is_evicted() && !busy.phase.is_evicted() && !newest.phase.is_evicted());
        assert!(open(&connections, "203.0.113.9").is_none(), "one is busy, one is new");
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_ends_when_all_places_are_taken() {
        let connections = connections(2, 2);
        let first = open(&connections, "203.0.113.1").unwrap();
        advance(GRACE / 2).await;
        let second = open(&connections, "203.0.113.2").unwrap();
        let room = connections.room();
        tokio::pin!(room);
        assert!(timeout(GRACE / 4, &mut room).await.is_err(), "neither has waited for long");
        assert!(timeout(GRACE / 2, &mut room).await.is_err(), "the first has not ended yet");
        assert!(first.phase.is_evicted() && !second.phase.is_evicted());
        drop(first);
        room.await;
    }
}
