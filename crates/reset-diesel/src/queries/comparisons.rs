//! The `Comparisons` port: the counts of shadow mode.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, update};
use reset_core::{
    error::StoreError,
    ports::{Comparisons, FINDINGS_MAX, Finding},
};

use super::super::engine::{Db, EngineStore, schema::comparisons};

/// Adds to the counts. The bound is checked by a count without a lock: replicas that add at the same time can exceed it by
/// the few rows of one batch.
fn add(db: &mut Db, findings: &[Finding]) -> QueryResult<()> {
    let mut room: Option<usize> = None;
    for one in findings {
        let times = i64::try_from(one.times).unwrap_or(i64::MAX);
        let stored = comparisons::table.find((&one.route, &one.finding));
        let added = update(stored).set(comparisons::times.eq(comparisons::times + times)).execute(db)?;
        if added > 0 {
            continue;
        }
        let left = if let Some(left) = room {
            left
        } else {
            let stored: i64 = comparisons::table.count().get_result(db)?;
            FINDINGS_MAX.saturating_sub(usize::try_from(stored).unwrap_or(usize::MAX))
        };
        room = Some(left.saturating_sub(1));
        if left > 0 {
            let row = (
                comparisons::route.eq(&one.route),
                comparisons::finding.eq(&one.finding),
                comparisons::times.eq(times),
            );
            insert_into(comparisons::table).values(row).execute(db)?;
        }
    }
    Ok(())
}

#[async_trait]
impl Comparisons for EngineStore {
    async fn add_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        let mut findings = findings.to_vec();
        // All transactions lock the rows in the same order, so that they do not deadlock.
        findings.sort_by(|one, other| (&one.route, &one.finding).cmp(&(&other.route, &other.finding)));
        self.write(move |db| add(db, &findings)).await
    }

    async fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        let rows = self.read(|db: &mut Db| {
            let all =
                comparisons::table.select((comparisons::route, comparisons::finding, comparisons::times));
            all.load::<(String, String, i64)>(db)
        });
        let mut findings: Vec<Finding> = rows
            .await?
            .into_iter()
            .map(|(route, finding, times)| {
                let times = u64::try_from(times).unwrap_or_default();
                Finding { route, finding, times }
            })
            .collect();
        // Not by the database, whose order depends on its collation.
        findings.sort_by(|one, other| (&one.route, &one.finding).cmp(&(&other.route, &other.finding)));
        Ok(findings)
    }

    async fn clear_findings(&self) -> Result<(), StoreError> {
        self.write(|db| delete(comparisons::table).execute(db)).await?;
        Ok(())
    }
}
