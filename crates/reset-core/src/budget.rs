//! Budgets: how often something may be done within some time, counted where every replica sees it.
//!
//! A budget is a name and its windows. It remembers when it was taken from, never more often than its windows allow,
//! for a refused take is not remembered: so a row of a store is small whatever comes. Windows slide; nobody gains by
//! waiting for a full hour. What the stores have in common, the judgement, is here once: [`Takes`].

use std::time::Duration;

use crate::{email::EmailAddress, encoding::hex, keys::Keys, time::Timestamp};

/// Most that one window may hold: a row then has at most 80 KiB.
pub const COUNT_MAX: u32 = 10_000;

/// At most `count` within any `span`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How often; at most [`COUNT_MAX`].
    pub count: u32,
    /// Within which time.
    pub span: Duration,
}

impl Window {
    /// At most `count` within any `span`.
    pub const fn new(count: u32, span: Duration) -> Self {
        Self { count, span }
    }
}

/// Something that is counted. Without windows it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Key of the row: what is counted, and whose it is where it is somebody's. Never an address in clear.
    pub name: String,
    /// All of them must have room.
    pub windows: Vec<Window>,
}

/// Bytes of the tag that stands for an address. Two of a billion addresses meet with a probability of 10^-21.
const TAG: usize = 16;

impl Budget {
    /// The budget of a whole deployment.
    pub fn shared(scope: &str, windows: &[Window]) -> Self {
        Self { name: scope.to_owned(), windows: windows.to_vec() }
    }

    /// The budgets of one address, known or not: a keyed tag stands for it (R70). There is one under each root that is
    /// still listed, and each counts everything, so that no count begins anew when the secret is changed, nor when the
    /// previous one is taken off the list after the longest window has passed (R46, R76).
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

/// When a budget was taken from, as a store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes(Vec<Timestamp>);

impl Takes {
    /// Reads what [`Self::to_bytes`] wrote; what is left over is not looked at.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (takes, _) = bytes.as_chunks::<8>();
        Self(takes.iter().map(|take| Timestamp::from_millis(i64::from_be_bytes(*take))).collect())
    }

    /// Eight bytes a take, the milliseconds in network order.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|take| take.as_millis().to_be_bytes()).collect()
    }

    /// Whether every window has room at `now`. A take that seems to lie in the future counts: a clock that was set
    /// back frees nothing.
    pub fn have_room(&self, windows: &[Window], now: Timestamp) -> bool {
        windows.iter().all(|window| {
            let from = now.minus(window.span);
            self.0.iter().filter(|take| **take > from).count() < window.count as usize
        })
    }

    /// When every window will have room again, if nothing is taken meanwhile; `now` at the earliest.
    pub fn room_at(&self, windows: &[Window], now: Timestamp) -> Timestamp {
        let mut takes = self.0.clone();
        takes.sort_unstable();
        let full = windows.iter().filter_map(|window| {
            let first = takes.len().checked_sub(window.count as usize)?;
            takes.get(first).map(|take| take.plus(window.span))
        });
        full.fold(now, Timestamp::max)
    }

    /// Takes one, if every window has room; forgets what no window looks at any more. Returns whether it did.
    pub fn take(&mut self, windows: &[Window], now: Timestamp) -> bool {
        if !self.have_room(windows, now) {
            return false;
        }
        let from = now.minus(longest(windows));
        self.0.retain(|take| *take > from);
        self.0.push(now);
        true
    }

    /// Gives the take of `at` back, if it is still remembered; returns whether it was.
    pub fn give_back(&mut self, at: Timestamp) -> bool {
        let place = self.0.iter().rposition(|take| *take == at);
        place.map(|place| self.0.remove(place)).is_some()
    }

    /// When the last take will have left every window.
    pub fn end(&self, windows: &[Window]) -> Timestamp {
        let last = self.0.iter().max().copied().unwrap_or(Timestamp::from_millis(0));
        last.plus(longest(windows))
    }
}

fn longest(windows: &[Window]) -> Duration {
    windows.iter().map(|window| window.span).max().unwrap_or_default()
}

/// The budgets that the use cases keep. The default keeps none.
///
/// Their defaults, as a deployment has them, are the settings' (docs/configure.md#limits).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgeting {
    /// Resets that are asked for, for each address, over all dialects (R6, R28).
    pub requests: Vec<Window>,
    /// Reset mails of the whole deployment (R28).
    pub mails: Vec<Window>,
    /// Wrong guesses at short codes that name their account by themselves, of a whole dialect (R47).
    pub open_guesses: Vec<Window>,
    /// Wrong guesses at the codes of one address, over all its codes (R46).
    pub guesses: Vec<Window>,
    /// Wrong guesses at such codes, of the whole dialect.
    pub all_guesses: Vec<Window>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
    }

    #[test]
    fn takes_are_read_back_as_they_were_written() {
        let mut takes = Takes::default();
        let windows = [Window::new(3, MINUTE)];
        assert!(takes.take(&windows, at(0)) && takes.take(&windows, at(1)));
        assert_eq!(Takes::from_bytes(&takes.to_bytes()), takes);
        assert_eq!(takes.end(&windows), at(61));
    }

    #[test]
    fn no_row_grows_beyond_its_windows() {
        let (mut takes, windows) = (Takes::default(), [Window::new(3, MINUTE), Window::new(5, 10 * MINUTE)]);
        for second in 0..5_000 {
            takes.take(&windows, at(second));
            assert!(takes.0.len() <= 5);
        }
    }

    #[test]
    fn there_is_room_again_when_the_fullest_window_has_slid() {
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
    fn an_address_is_named_by_a_keyed_tag_of_its_canonical_form() {
        let name = |key: u8, scope, text| {
            let keys = Keys::new(&Key::root(&[key; 32]).unwrap());
            Budget::of_address(&keys, scope, &EmailAddress::parse(text).unwrap(), &[])[0].name.clone()
        };
        let ann = name(1, "requests", "ann@example.org");
        assert_eq!(ann, name(1, "requests", "ANN@Example.org"));
        assert!(ann.starts_with("requests/") && ann.len() == 5 + 32 && !ann.contains("ann"));
        for other in [
            name(2, "requests", "ann@example.org"),
            name(1, "wrong", "ann@example.org"),
            name(1, "requests", "bob@example.org"),
        ] {
            assert_ne!(ann.rsplit('/').next(), other.rsplit('/').next());
        }
    }
}
