//! The counts of shadow mode.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::store::MemoryStore;
use reset_core::{
    error::StoreError,
    ports::{Comparisons, FINDINGS_MAX, Finding},
};

/// Counts by route and finding.
pub(super) type MemoryComparisons = BTreeMap<(String, String), u64>;

#[async_trait]
impl Comparisons for MemoryStore {
    async fn add_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        let mut state = self.working("add_findings")?;
        for one in findings {
            let key = (one.route.clone(), one.finding.clone());
            if state.comparisons.len() < FINDINGS_MAX || state.comparisons.contains_key(&key) {
                *state.comparisons.entry(key).or_default() += one.times;
            }
        }
        Ok(())
    }

    async fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        let state = self.working("findings")?;
        let all = state.comparisons.iter().map(|((route, finding), times)| Finding {
            route: route.clone(),
            finding: finding.clone(),
            times: *times,
        });
        Ok(all.collect())
    }

    async fn clear_findings(&self) -> Result<(), StoreError> {
        self.working("clear_findings")?.comparisons.clear();
        Ok(())
    }
}
