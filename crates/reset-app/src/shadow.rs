//! Counts and logs the comparisons of shadow mode (`upstream_mode = "shadow"`).
//!
//! The counts are kept in the database and not in a file or in metrics, because the command `shadow report` is another
//! process, and because a report on one of several replicas would miss the requests of the others. They are added in
//! batches, so a request costs no write; a crash loses the last seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reset_core::ports::{FINDING_TEXT_MAX, FINDINGS_MAX, Finding, Store};
use reset_http::shadow::{Comparison, ShadowObserver};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::metrics::Metrics;

/// What an operator has to know about shadow mode, at the start and in `doctor`.
pub(crate) const SHADOW_NOTICE: &str = "shadow: the back end answers every request except those for /healthz and /readyz; \
                                        polyreset accepts no reset, mails nothing for the dialects' operations, and only \
                                        compares its own responses";

/// Interval between two batches.
const EVERY: Duration = Duration::from_secs(5);

/// The counts that are not stored yet.
pub(crate) struct ShadowCounts {
    state: Mutex<State>,
    metrics: Option<Arc<Metrics>>,
}

/// A route and a finding.
type Key = (String, String);

#[derive(Default)]
struct State {
    pending: BTreeMap<Key, u64>,
    /// The findings that this process has logged.
    logged: BTreeSet<Key>,
}

impl ShadowCounts {
    pub(crate) fn new(metrics: Option<Arc<Metrics>>) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the counts in batches, for ever.
    pub(crate) async fn store_periodically(&self, store: &dyn Store) {
        loop {
            sleep(EVERY).await;
            self.store(store).await;
        }
    }

    /// Stores the counts. If that fails, they are kept for the next time.
    pub(crate) async fn store(&self, store: &dyn Store) {
        let pending = std::mem::take(&mut self.lock().pending);
        if pending.is_empty() {
            return;
        }
        let findings = pending.iter().map(|((route, finding), times)| Finding {
            route: route.clone(),
            finding: finding.clone(),
            times: *times,
        });
        if let Err(error) = store.add_findings(&findings.collect::<Vec<_>>()).await {
            warn!(error = &error as &dyn Error, "the counts of shadow mode could not be stored; retrying");
            let mut state = self.lock();
            for (key, times) in pending {
                state.count(key, times);
            }
        }
    }
}

impl State {
    /// Counts a finding, within the bound of the store.
    fn count(&mut self, key: Key, times: u64) {
        if self.pending.len() < FINDINGS_MAX || self.pending.contains_key(&key) {
            *self.pending.entry(key).or_default() += times;
        }
    }

    /// Returns whether the finding is new to this process, so that a busy route does not fill the log.
    fn is_news(&mut self, key: &Key) -> bool {
        self.logged.len() < FINDINGS_MAX && self.logged.insert(key.clone())
    }
}

impl ShadowObserver for ShadowCounts {
    fn compared(&self, comparison: Comparison) {
        if let Some(metrics) = &self.metrics {
            metrics.compared(&comparison);
        }
        let Comparison { dialect, route, method, result, differences } = comparison;
        let row = shortened(format!("{method} {route}"));
        let mut state = self.lock();
        state.count((row.clone(), result.text().to_owned()), 1);
        for difference in differences {
            let key = (row.clone(), shortened(difference.text));
            if state.is_news(&key) {
                let (route, finding) = (&key.0, &key.1);
                info!(
                    dialect.name = dialect,
                    http.route = route,
                    finding,
                    "response differs from the back end's"
                );
            }
            state.count(key, 1);
        }
    }
}

/// Returns the first characters of a text, as many as are stored.
fn shortened(text: String) -> String {
    match text.char_indices().nth(FINDING_TEXT_MAX) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use reset_core::ports::Comparisons;
    use reset_http::shadow::{ComparisonResult, Difference, DifferenceKind};
    use reset_testkit::memory::{MemoryStore, Outage};

    use super::*;

    fn comparison(text: &str) -> Comparison {
        Comparison {
            dialect: "px0",
            route: "/a".to_owned(),
            method: Method::POST,
            result: ComparisonResult::Different,
            differences: vec![Difference { kind: DifferenceKind::Body, text: text.to_owned() }],
        }
    }

    async fn stored(store: &MemoryStore) -> Vec<(String, u64)> {
        let findings = store.findings().await.unwrap();
        findings.into_iter().map(|one| (format!("{}: {}", one.route, one.finding), one.times)).collect()
    }

    #[tokio::test]
    async fn counts_are_added_to_those_in_the_database() {
        let (counts, store) = (ShadowCounts::new(None), MemoryStore::default());
        for text in ["body lacks a", "body lacks b", "body lacks a"] {
            counts.compared(comparison(text));
        }
        counts.store(&store).await;
        counts.compared(comparison("body lacks a"));
        counts.store(&store).await;
        counts.store(&store).await;
        let expected =
            [("POST /a: body lacks a", 3), ("POST /a: body lacks b", 1), ("POST /a: different", 4)];
        assert_eq!(stored(&store).await, expected.map(|(text, times)| (text.to_owned(), times)));
    }

    #[tokio::test]
    async fn counts_survive_a_failed_write() {
        let (counts, store) = (ShadowCounts::new(None), MemoryStore::default());
        store.set_outage(Outage::Everything);
        counts.compared(comparison("body lacks a"));
        counts.store(&store).await;
        counts.compared(comparison("body lacks a"));
        store.set_outage(Outage::None);
        counts.store(&store).await;
        assert_eq!(stored(&store).await[0], ("POST /a: body lacks a".to_owned(), 2));
    }

    #[tokio::test]
    async fn memory_and_texts_are_bounded() {
        let counts = ShadowCounts::new(None);
        for number in 0..FINDINGS_MAX + 10 {
            counts.compared(comparison(&format!("body lacks {number} {}", "é".repeat(300))));
        }
        let state = counts.lock();
        assert_eq!((state.pending.len(), state.logged.len()), (FINDINGS_MAX, FINDINGS_MAX));
        assert!(state.pending.keys().all(|(_, text)| text.chars().count() <= FINDING_TEXT_MAX));
    }
}
