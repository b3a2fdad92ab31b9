//! The contract of [`Comparisons`](reset_core::ports::Comparisons).

use std::sync::Arc;

use super::done;
use reset_core::ports::{FINDING_TEXT_MAX, FINDINGS_MAX, Finding, Store};

fn finding(route: &str, finding: &str, times: u64) -> Finding {
    Finding { route: route.to_owned(), finding: finding.to_owned(), times }
}

pub async fn findings_are_counted_by_route_and_finding(store: Arc<dyn Store>) {
    let longest = "é".repeat(FINDING_TEXT_MAX);
    done(store.add_findings(&[]).await);
    done(store.add_findings(&[finding("POST /b", "same", 2), finding("POST /a", &longest, 1)]).await);
    done(store.add_findings(&[finding("POST /a", "same", 3), finding("POST /b", "same", 5)]).await);
    done(store.add_findings(&[finding("POST /b", "Same", 1)]).await);
    let expected = [
        finding("POST /a", "same", 3),
        finding("POST /a", &longest, 1),
        finding("POST /b", "Same", 1),
        finding("POST /b", "same", 7),
    ];
    assert_eq!(done(store.findings().await), expected);
    done(store.clear_findings().await);
    assert_eq!(done(store.findings().await), []);
}

pub async fn the_number_of_findings_is_bounded_and_known_ones_still_count(store: Arc<dyn Store>) {
    let many: Vec<Finding> =
        (0..FINDINGS_MAX + 20).map(|number| finding("POST /a", &format!("body has f{number}"), 1)).collect();
    done(store.add_findings(&many).await);
    done(store.add_findings(&[finding("POST /a", "a new one", 1), many[0].clone()]).await);
    let stored = done(store.findings().await);
    assert_eq!(stored.len(), FINDINGS_MAX);
    assert!(!stored.iter().any(|one| one.finding == "a new one"));
    let counted: u64 = stored.iter().map(|one| one.times).sum();
    let first = stored.iter().find(|one| one.finding == many[0].finding).map(|one| one.times);
    assert_eq!((counted, first), (FINDINGS_MAX as u64 + 1, Some(2)));
}

pub async fn parallel_additions_of_findings_lose_no_count(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut batch = vec![finding("POST /a", "same", 1), finding("POST /b", "same", 1)];
                if number % 2 == 0 {
                    batch.reverse();
                }
                store.add_findings(&batch).await
            })
        })
        .collect();
    for task in tasks {
        done(task.await.expect("the task has not panicked"));
    }
    assert_eq!(
        done(store.findings().await),
        [finding("POST /a", "same", 20), finding("POST /b", "same", 20)]
    );
}
