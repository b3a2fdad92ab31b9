//! Budgets: a row each, locked by whoever takes from it. What the row means, the domain knows.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, update};
use reset_core::{
    budget::{Budget, Takes},
    error::StoreError,
    ports::Budgets,
    time::Timestamp,
};

use super::super::engine::{Db, EngineStore, locked, schema::budgets};

/// Deletes up to `limit` budgets whose windows were empty again before `before`, and says how many.
pub(super) fn forget(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let empty = budgets::table.filter(budgets::ends_at.lt(before));
    let names: Vec<String> = empty.select(budgets::name).limit(limit.into()).load(db)?;
    // Once more, since one of them may have been taken from meanwhile.
    let forgotten = budgets::table.filter(budgets::name.eq_any(names)).filter(budgets::ends_at.lt(before));
    delete(forgotten).execute(db)
}

/// What was taken from a budget; nobody else takes from it until this transaction ends. Two that find no row meet at
/// the primary key, and the one that is run again finds it.
fn held(db: &mut Db, name: &str) -> QueryResult<Option<Takes>> {
    let row = budgets::table.find(name).select(budgets::takes);
    let takes: Option<Vec<u8>> = locked!(row).first(db).optional()?;
    Ok(takes.map(|takes| Takes::from_bytes(&takes)))
}

/// Takes one from each of `wanted`, or from none.
pub(super) fn take(db: &mut Db, wanted: &[Budget], now: i64) -> QueryResult<bool> {
    let now = Timestamp::from_millis(now);
    // Everybody locks in the order of the names.
    let mut wanted: Vec<&Budget> = wanted.iter().collect();
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut after = Vec::with_capacity(wanted.len());
    for Budget { name, windows } in wanted {
        let row = held(db, name)?;
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
        let given_back = self.write(move |db| {
            for name in &names {
                let Some(mut takes) = held(db, name)? else { continue };
                if takes.give_back(taken_at) {
                    update(budgets::table.find(name)).set(budgets::takes.eq(takes.to_bytes())).execute(db)?;
                }
            }
            Ok(())
        });
        given_back.await
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
