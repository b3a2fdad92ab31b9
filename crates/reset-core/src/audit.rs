//! The audit: events in a chain of seals, so that whoever changes, removes or inserts one is found out.
//!
//! Each event gets a place, without gaps, and a seal: a keyed tag over the seal before it and the event. The key is
//! not in the database, so nobody who has only that can seal anew. What no chain can show by itself is that its end
//! was cut off; for that, keep the head that a verification prints, and give it to the next one.
//!
//! Events are sealed a moment after they were written, by one process at a time: to seal each as it is written would
//! make all of them wait for each other.

mod seal;
mod walk;

pub use self::{
    seal::{End, Ends, Mark, Seal, Sealed, Sealer},
    walk::{Broken, Verified, Walk, verify},
};
use crate::{Resets, error::StoreError, ports::Store, time::Timestamp};

/// Events that are sealed in one transaction.
pub const SEAL_STEP: u32 = 100;

/// What a store says of a chain whose marks are not the sealer's.
pub const NOT_OURS: &str = "the chain of events was set back or changed, or is sealed under another secret";

impl Resets {
    /// Seals what was written since; returns how many.
    ///
    /// # Errors
    /// When the store fails, or its chain is not ours.
    pub async fn seal_events(&self) -> Result<u64, StoreError> {
        seal_all(&*self.adapters().store, &self.inner.sealer).await
    }

    /// Forgets events that were sealed and happened before `before`.
    ///
    /// # Errors
    /// When the store fails, or its chain is not ours.
    pub async fn forget_events(&self, before: Timestamp) -> Result<(), StoreError> {
        self.adapters().store.forget_events(&self.inner.sealer, before).await
    }

    /// The last mark of the chain that this process has seen.
    pub fn last_mark(&self) -> Mark {
        self.inner.sealer.last()
    }
}

/// Seals every event that is not sealed yet; returns how many.
///
/// # Errors
/// When the store fails, or its chain is not ours.
pub async fn seal_all(store: &dyn Store, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let count = store.seal(sealer, SEAL_STEP).await?;
        all += u64::from(count);
        if count < SEAL_STEP {
            return Ok(all);
        }
    }
}
