//! The port for counters that all replicas share. Its Redis adapter is in `reset-app`.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use reset_core::{budget::Budget, keys::HmacKey, time::Timestamp};

/// The result of [`Counters::take`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// One was taken from each budget.
    Taken {
        /// Identifies this take for [`Counters::give_back`].
        id: String,
    },
    /// Nothing was taken, because at least one window is full.
    Full {
        /// When all windows will have room, if nothing else is taken.
        until: Timestamp,
    },
}

/// The shared counters are unavailable; the process falls back to its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Counters that all replicas share, for limits that may be lost on a restart.
pub trait Counters: Send + Sync {
    /// Takes one from each of `budgets` if all their windows have room at `now`, otherwise from none.
    ///
    /// Concurrent takes never exceed the windows. The method runs while a client waits, so it returns within 50 ms,
    /// with [`Unavailable`] if necessary. Entries older than every window are deleted.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if the counters cannot be reached in time.
    fn take<'a>(&'a self, budgets: &'a [Budget], now: Timestamp) -> BoxFuture<'a, Result<Take, Unavailable>>;

    /// Gives back the take `id` from the budgets with these names. Returns at once; the counters change soon after.
    fn give_back(&self, names: Vec<String>, id: String);

    /// Returns whether the counters were available at the last attempt.
    fn work(&self) -> bool;
}

/// The shared counters, and the key that turns client networks into their names there.
#[derive(Clone)]
pub struct SharedCounters {
    /// The counters.
    pub counters: Arc<dyn Counters>,
    /// Key of the names. It must be the same on all replicas; a new key starts all counts at zero.
    pub names: HmacKey,
}

impl fmt::Debug for SharedCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedCounters")
    }
}
