//! The port of counts that all replicas share. Its adapter lives elsewhere; this crate knows no server of counts.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use reset_core::{budget::Budget, keys::Key, time::Timestamp};

/// What became of [`Counters::take`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// One was taken from each.
    Taken {
        /// Under this id, to give it back.
        id: String,
    },
    /// None was taken.
    Full {
        /// When all will have room, if nothing is taken meanwhile.
        until: Timestamp,
    },
}

/// The counts are not to be had for now: the process's own stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Counts that all replicas share, for limits that need not survive anything.
pub trait Counters: Send + Sync {
    /// Takes one from each of `budgets` if all their windows have room at `now`, else from none. Any number of
    /// concurrent takes together get no more than the windows hold. It is for the request path: an answer, or
    /// [`Unavailable`], comes within 50 ms. What no window looks at any more is forgotten.
    fn take<'a>(&'a self, budgets: &'a [Budget], now: Timestamp) -> BoxFuture<'a, Result<Take, Unavailable>>;

    /// Gives back, some time soon, what was taken under `id` from the budgets of these names.
    fn give_back(&self, names: Vec<String>, id: String);

    /// Whether they were to be had lately.
    fn work(&self) -> bool;
}

/// SharedCounters counts, and the key of the names that stand for clients there.
#[derive(Clone)]
pub struct SharedCounters {
    /// The counts.
    pub counters: Arc<dyn Counters>,
    /// The same for all replicas; another one begins all counts anew.
    pub names: Key,
}

impl fmt::Debug for SharedCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedCounters")
    }
}
