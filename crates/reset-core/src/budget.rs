//! Budgets: limits on how often something may happen within a time window, counted in the store so that all replicas
//! share them.
//!
//! A budget has a name and one or more windows. It stores the times of its takes, never more than its windows allow,
//! because a rejected take is not stored; so a row stays small under any load. The windows slide, so that there is no
//! full hour to wait for. The shared logic of all stores is [`Takes`].

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use tracing::error;

use crate::{email::EmailAddress, encoding::hex, keys::Keys, time::Timestamp};

/// Maximum count of a window; a row then has at most 80 KiB.
pub const COUNT_MAX: u32 = 10_000;

/// A limit of `count` within any period of length `span`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The limit, at most [`COUNT_MAX`].
    pub count: u32,
    /// The length of the window.
    pub span: Duration,
}

impl Window {
    /// Creates a limit of `count` within any period of length `span`.
    pub const fn new(count: u32, span: Duration) -> Self {
        Self { count, span }
    }
}

/// A named budget. Without windows nothing is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Key of the row: what is counted and, if that is per address, the address's tag. Never an address in clear
    /// text.
    pub name: String,
    /// The limits; a take needs room in all of them.
    pub windows: Vec<Window>,
}

/// Length in bytes of the tag that stands for an address. Two of a billion addresses collide with a probability of
/// 10^-21.
const TAG: usize = 16;

impl Budget {
    /// Creates a budget that the whole deployment shares.
    pub fn shared(scope: &str, windows: &[Window]) -> Self {
        Self { name: scope.to_owned(), windows: windows.to_vec() }
    }

    /// Creates the budgets of one address, whether or not it has an account. A keyed tag stands for the address
    /// (R70). There is one budget per configured root, and all of them are taken from, so that no count restarts when
    /// the secret is rotated, nor when the previous secret is removed after the longest window has passed (R46, R76).
    pub(crate) fn of_address(
        keys: &Keys,
        scope: &str,
        email: &EmailAddress,
        windows: &[Window],
    ) -> Vec<Self> {
        let parts = [scope.as_bytes(), email.key().as_bytes()];
        let tags = keys.budget_tags(&parts);
        tags.map(|tag| Self { name: format!("{scope}/{}", hex(&tag[..TAG])), windows: windows.to_vec() })
            .collect()
    }
}

/// How far in the future a take may be. Clocks of replicas differ by less, and so does a corrected clock. A later take
/// comes from a clock that was wrong, and counts as taken now.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);
/// Minimum time between two log lines about a clock that was set back.
const LOG_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The times of a budget's takes, as a store keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes(Vec<Timestamp>);

impl Takes {
    /// Parses the output of [`Self::to_bytes`]; an incomplete entry at the end is ignored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (takes, _) = bytes.as_chunks::<8>();
        Self(takes.iter().map(|take| Timestamp::from_millis(i64::from_be_bytes(*take))).collect())
    }

    /// Encodes the takes as eight bytes each: the milliseconds in network byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|take| take.as_millis().to_be_bytes()).collect()
    }

    /// Returns whether every window has room at `now`. Takes in the future count too, so setting the clock back frees
    /// nothing.
    pub fn have_room(&self, windows: &[Window], now: Timestamp) -> bool {
        windows.iter().all(|window| {
            let from = now.minus(window.span);
            self.at(now).filter(|take| *take > from).count() < window.count as usize
        })
    }

    /// Returns the takes as they count at `now`: those of a clock that was wrong as taken now.
    fn at(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let latest = now.plus(AHEAD_MAX);
        self.0.iter().map(move |take| if *take > latest { now } else { *take })
    }

    /// Returns when every window will have room if nothing is taken until then; `now` at the earliest.
    pub fn room_at(&self, windows: &[Window], now: Timestamp) -> Timestamp {
        let mut takes: Vec<_> = self.at(now).collect();
        takes.sort_unstable();
        let full = windows.iter().filter_map(|window| {
            let first = takes.len().checked_sub(window.count as usize)?;
            takes.get(first).map(|take| take.plus(window.span))
        });
        full.fold(now, Timestamp::max)
    }

    /// Takes one if every window has room, and drops the takes that are outside every window. Returns whether
    /// there was room.
    ///
    /// Without room the takes can change too: those of a clock that was wrong become takes of `now`. A store must keep
    /// that change, or they would never leave their windows.
    pub fn take(&mut self, windows: &[Window], now: Timestamp) -> bool {
        self.correct(now);
        if !self.have_room(windows, now) {
            return false;
        }
        let from = now.minus(longest_span(windows));
        self.0.retain(|take| *take > from);
        self.0.push(now);
        true
    }

    /// Replaces the takes of a clock that was wrong by takes of `now`.
    fn correct(&mut self, now: Timestamp) {
        let latest = now.plus(AHEAD_MAX);
        let mut ahead = Duration::ZERO;
        for take in self.0.iter_mut().filter(|take| **take > latest) {
            ahead = ahead.max(take.since(now));
            *take = now;
        }
        if ahead > Duration::ZERO {
            log_clock(ahead, now);
        }
    }

    /// Removes the take of `at`, if it is still stored; returns whether it was.
    pub fn give_back(&mut self, at: Timestamp) -> bool {
        let position = self.0.iter().rposition(|take| *take == at);
        position.map(|position| self.0.remove(position)).is_some()
    }

    /// Returns whether nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the memory of the list of takes in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Timestamp>()
    }

    /// Returns when the last take leaves every window.
    pub fn end(&self, windows: &[Window]) -> Timestamp {
        let last = self.0.iter().max().copied().unwrap_or(Timestamp::from_millis(0));
        last.plus(longest_span(windows))
    }
}

/// Logs that the clock was set back; at most once per [`LOG_INTERVAL`], because any number of budgets can be affected.
fn log_clock(ahead: Duration, now: Timestamp) {
    static LOGGED_AT: AtomicI64 = AtomicI64::new(i64::MIN);
    let last = Timestamp::from_millis(LOGGED_AT.load(Ordering::Relaxed));
    if last > now || now.since(last) >= LOG_INTERVAL {
        LOGGED_AT.store(now.as_millis(), Ordering::Relaxed);
        error!(
            ahead_seconds = ahead.as_secs(),
            "the clock was set back: limits were counted in the future and now count from the present; check the time \
             synchronisation of every server"
        );
    }
}

fn longest_span(windows: &[Window]) -> Duration {
    windows.iter().map(|window| window.span).max().unwrap_or_default()
}

/// The windows of every budget that the use cases keep. The default limits nothing; `docs/settings.md` lists the
/// defaults of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgeting {
    /// Reset requests per address, across all dialects (R6, R28).
    pub requests: Vec<Window>,
    /// Reset mails of the deployment (R28).
    pub mails: Vec<Window>,
    /// Wrong guesses per dialect at short codes that identify their account on their own (R47).
    pub open_guesses: Vec<Window>,
    /// Wrong guesses per address at codes that are entered with their address, over all its codes (R46).
    pub guesses: Vec<Window>,
    /// Wrong guesses per dialect at codes that are entered with their address.
    pub all_guesses: Vec<Window>,
    /// Responses that may show whether an address has an account, because a dialect's contract demands it (R13): for all
    /// clients, and per client's network.
    pub disclosures: Vec<Window>,
    /// The same per IPv6 /48 or IPv4 /24.
    pub disclosures_per_network: Vec<Window>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::HmacKey;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
    }

    #[test]
    fn takes_survive_the_byte_round_trip() {
        let mut takes = Takes::default();
        let windows = [Window::new(3, MINUTE)];
        assert!(takes.take(&windows, at(0)) && takes.take(&windows, at(1)));
        assert_eq!(Takes::from_bytes(&takes.to_bytes()), takes);
        assert_eq!(takes.end(&windows), at(61));
    }

    #[test]
    fn takes_never_outnumber_the_largest_window() {
        let (mut takes, windows) = (Takes::default(), [Window::new(3, MINUTE), Window::new(5, 10 * MINUTE)]);
        for second in 0..5_000 {
            takes.take(&windows, at(second));
            assert!(takes.0.len() <= 5);
        }
    }

    #[test]
    fn room_returns_when_the_fullest_window_has_slid() {
        let (mut takes, windows) = (Takes::default(), [Window::new(2, MINUTE), Window::new(3, 10 * MINUTE)]);
        assert_eq!(takes.room_at(&windows, at(0)), at(0));
        for (second, free) in [(0, 0), (10, 60), (70, 600)] {
            assert!(takes.take(&windows, at(second)));
            assert_eq!(takes.room_at(&windows, at(0)), at(free));
            assert!(takes.have_room(&windows, takes.room_at(&windows, at(0))));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_frees_nothing() {
        let (mut takes, windows) = (Takes::default(), [Window::new(2, MINUTE)]);
        assert!(takes.take(&windows, at(100)) && takes.take(&windows, at(101)));
        assert!(!takes.take(&windows, at(0)));
    }

    #[test]
    fn a_clock_that_is_set_back_by_minutes_frees_nothing() {
        let windows = [Window::new(2, MINUTE)];
        for minutes in 1..5 {
            let mut takes = Takes::default();
            assert!(takes.take(&windows, at(minutes * 60)) && takes.take(&windows, at(minutes * 60)));
            assert!(!takes.take(&windows, at(0)) && !takes.take(&windows, at(minutes * 60 + 59)));
            assert!(takes.take(&windows, at(minutes * 60 + 60)), "{minutes}");
        }
    }

    #[test]
    fn a_clock_that_ran_a_year_ahead_freezes_a_budget_for_one_window_only() {
        let year = 365 * 24 * 3600;
        let (mut takes, windows) = (Takes::default(), [Window::new(2, MINUTE)]);
        assert!(takes.take(&windows, at(year)) && takes.take(&windows, at(year + 1)));
        // Looking changes nothing, and does not push the end away either.
        assert!(!takes.have_room(&windows, at(0)));
        assert_eq!(takes.room_at(&windows, at(0)), at(60));
        assert!(!takes.take(&windows, at(0)), "they count as taken now");
        let mut takes = Takes::from_bytes(&takes.to_bytes());
        assert_eq!(takes.end(&windows), at(60));
        assert!(!takes.take(&windows, at(59)) && !takes.have_room(&windows, at(59)));
        assert!(takes.have_room(&windows, at(60)) && takes.take(&windows, at(60)));
    }

    #[test]
    fn an_address_is_named_by_a_keyed_tag_of_its_canonical_form() {
        let name = |key: u8, scope, text| {
            let keys = Keys::new(&HmacKey::root(&[key; 32]).unwrap());
            Budget::of_address(&keys, scope, &EmailAddress::parse(text).unwrap(), &[])[0].name.clone()
        };
        let ann = name(1, "requests", "ann@example.org");
        assert_eq!(ann, name(1, "requests", "ANN@Example.org"));
        assert!(ann.starts_with("requests/") && ann.len() == "requests/".len() + 32 && !ann.contains("ann"));
        for other in [
            name(2, "requests", "ann@example.org"),
            name(1, "wrong", "ann@example.org"),
            name(1, "requests", "bob@example.org"),
        ] {
            assert_ne!(ann.rsplit('/').next(), other.rsplit('/').next());
        }
    }
}
