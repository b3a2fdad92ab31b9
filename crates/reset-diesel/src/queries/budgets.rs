//! The `Budgets` port. Each budget is one row, which a take locks. The domain defines the contents of the row.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, update};
use reset_core::{
    budget::{Budget, Takes},
    error::StoreError,
    ports::Budgets,
    time::Timestamp,
};

use super::super::engine::{Db, EngineStore, locked, schema::budgets};

/// Deletes up to `limit` budgets whose windows were all empty before `before`. Returns the number of deleted rows.
pub(super) fn purge(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let empty = budgets::table.filter(budgets::ends_at.lt(before));
    let names: Vec<String> = empty.select(budgets::name).limit(limit.into()).load(db)?;
    // The condition is repeated, because another transaction may have taken from one of them in the meantime.
    let still_empty = budgets::table.filter(budgets::name.eq_any(names)).filter(budgets::ends_at.lt(before));
    delete(still_empty).execute(db)
}

/// Locks a budget until the transaction ends, and returns its takes. If two transactions find no row, the second one
/// fails on the primary key, and its retry finds the row.
fn lock_takes(db: &mut Db, name: &str) -> QueryResult<Option<Takes>> {
    let row = budgets::table.find(name).select(budgets::takes);
    let takes: Option<Vec<u8>> = locked!(row).first(db).optional()?;
    Ok(takes.map(|takes| Takes::from_bytes(&takes)))
}

/// Takes one from each budget, or from none. Returns whether it did.
pub(super) fn take(db: &mut Db, requested: &[Budget], now: i64) -> QueryResult<bool> {
    let now = Timestamp::from_millis(now);
    // All transactions lock in the order of the names, so that they do not deadlock.
    let mut sorted: Vec<&Budget> = requested.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut after = Vec::with_capacity(sorted.len());
    for Budget { name, windows } in sorted {
        let row = lock_takes(db, name)?;
        let (found, mut takes) = (row.is_some(), row.unwrap_or_default());
        if !takes.take(windows, now) {
            if found {
                update(budgets::table.find(name))
                    .set(budgets::refused.eq(budgets::refused + 1))
                    .execute(db)?;
            }
            return Ok(false);
        }
        after.push((name, found, takes.to_bytes(), takes.end(windows).as_millis()));
    }
    for (name, found, takes, ends_at) in after {
        let values = (budgets::takes.eq(takes), budgets::ends_at.eq(ends_at));
        if found {
            update(budgets::table.find(name)).set(values).execute(db)?;
        } else {
            insert_into(budgets::table)
                .values((budgets::name.eq(name), budgets::refused.eq(0), values))
                .execute(db)?;
        }
    }
    Ok(true)
}

#[async_trait]
impl Budgets for EngineStore {
    async fn take(&self, budgets: &[Budget], now: Timestamp) -> Result<bool, StoreError> {
        let (budgets, now) = (budgets.to_vec(), now.as_millis());
        self.write(move |db| take(db, &budgets, now)).await
    }

    async fn give_back(&self, budgets: &[Budget], taken_at: Timestamp) -> Result<(), StoreError> {
        let mut names: Vec<String> = budgets.iter().map(|budget| budget.name.clone()).collect();
        names.sort();
        let returned = self.write(move |db| {
            for name in &names {
                let Some(mut takes) = lock_takes(db, name)? else { continue };
                if takes.give_back(taken_at) {
                    update(budgets::table.find(name)).set(budgets::takes.eq(takes.to_bytes())).execute(db)?;
                }
            }
            Ok(())
        });
        returned.await
    }

    async fn has_room(&self, budget: &Budget, now: Timestamp) -> Result<bool, StoreError> {
        let Budget { name, windows } = budget.clone();
        let takes = self.read(move |db: &mut Db| {
            let row = budgets::table.find(&name).select(budgets::takes);
            row.first::<Vec<u8>>(db).optional()
        });
        Ok(takes.await?.is_none_or(|takes| Takes::from_bytes(&takes).have_room(&windows, now)))
    }
}
