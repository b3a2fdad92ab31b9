//! [`Store`] of the in-memory store: readiness and the purge; and the audit log in the hands of an attacker.

use async_trait::async_trait;

use super::store::MemoryStore;
use reset_core::{error::StoreError, ports::Store, time::Timestamp};

impl MemoryStore {
    /// Returns how often readiness was checked.
    pub fn ready_checks(&self) -> usize {
        self.lock().ready_checks
    }

    /// Empties the audit log, as an attacker with access to the database can.
    pub fn erase_events(&self) {
        self.lock().events.erase();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ready(&self) -> Result<(), StoreError> {
        self.lock().ready_checks += 1;
        self.working("ready").map(drop)
    }

    async fn quarantined(&self) -> Result<u64, StoreError> {
        Ok(self.working("quarantined")?.queue.quarantined())
    }

    async fn purge(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut state = self.working("purge")?;
        state.tickets.retain(|ticket| ticket.expires_at >= before);
        state.queue.purge(before);
        state.budgets.purge(before);
        state.disputes.purge(before);
        Ok(())
    }
}
