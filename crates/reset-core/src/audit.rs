//! The audit log: events form a chain of seals, so that a changed, deleted or inserted event is detected.
//!
//! Each event gets a position, without gaps, and a seal: a keyed tag over the previous seal and the event. The key is
//! not in the database, so access to the database alone is not enough to forge a seal. A chain cannot show that its
//! end was cut off. To detect that, keep the head that one verification prints and pass it to the next.
//!
//! Events are sealed a moment after they are recorded, by one process at a time. Sealing each event as it is recorded
//! would serialise all transactions that record one.

mod seal;
mod walk;

use std::time::Duration;

pub use self::{
    seal::{End, Ends, Mark, Seal, Sealed, Sealer},
    walk::{Broken, Verified, Walk, verify},
};
use crate::{
    Resets,
    error::StoreError,
    event::{Event, EventKind},
    ports::Store,
    time::Timestamp,
};

/// Maximum events sealed in one transaction.
pub const SEAL_STEP: u32 = 100;

/// The store's error for a chain whose stored marks do not verify.
pub const NOT_OURS: &str = "the audit chain was rolled back or changed, or is sealed under another secret";

/// How much later than its job an event may have been recorded: `link` does both with two transactions.
pub const RECORDED_WITHIN: Duration = Duration::from_secs(5 * 60);

impl Resets {
    /// Takes up the chain where it ends, before the first event is sealed. If the log was emptied, records an event about
    /// that, the first of the new chain, and returns `true`.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn continue_log(&self) -> Result<bool, StoreError> {
        let (store, sealer) = (&self.adapters().store, &self.inner.sealer);
        if let Some(Ends { head: (mark, tag), .. }) = store.ends().await? {
            if sealer.is_ours(End::Head, mark, tag) {
                sealer.saw(mark);
            }
            return Ok(false);
        }
        let lost = store.has_lost_events().await?;
        if lost {
            store.record(&Event::new(EventKind::EventsLost, self.adapters().clock.now())).await?;
        }
        Ok(lost)
    }

    /// Seals the events recorded since the last call; returns how many.
    ///
    /// # Errors
    /// Fails if the store fails or its chain does not verify.
    pub async fn seal_events(&self) -> Result<u64, StoreError> {
        seal_all(&*self.adapters().store, &self.inner.sealer).await
    }

    /// Deletes sealed events that happened before `before`.
    ///
    /// # Errors
    /// Fails if the store fails or its chain does not verify.
    pub async fn forget_events(&self, before: Timestamp) -> Result<(), StoreError> {
        self.adapters().store.forget_events(&self.inner.sealer, before).await
    }

    /// Returns the last head of the chain that this process has seen.
    pub fn last_mark(&self) -> Mark {
        self.inner.sealer.last()
    }
}

/// Seals every unsealed event; returns how many.
///
/// # Errors
/// Fails if the store fails or its chain does not verify.
pub async fn seal_all(store: &dyn Store, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let count = store.seal(sealer, SEAL_STEP).await?;
        total += u64::from(count);
        if count < SEAL_STEP {
            return Ok(total);
        }
    }
}
