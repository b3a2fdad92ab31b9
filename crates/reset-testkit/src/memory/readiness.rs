//! The count of the store's readiness checks.

use super::store::MemoryStore;

impl MemoryStore {
    /// Returns how often readiness was checked.
    pub fn ready_checks(&self) -> usize {
        self.lock().ready_checks
    }
}
