//! The `Budgets` port. Each budget is one row, which a take locks. The domain defines the contents of the row.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, update};
use reset_core::{
    budget::{Budget, Takes},
    error::StoreError,
    event::Event,
    ports::Budgets,
    time::Timestamp,
};

use super::{
    super::engine::{Db, EngineStore, locked, schema::budgets},
    events::insert_events,
    statements::unindexed,
};
use crate::server::GroupTask;

/// Deletes up to `limit` budgets whose windows were all empty before `before`. Returns the number of deleted rows.
pub(super) fn purge(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let empty = budgets::table.filter(budgets::ends_at.lt(before));
    let names: Vec<String> = empty.select(budgets::name).limit(limit.into()).load(db)?;
    // The condition is repeated, because another transaction may have taken from one of them in the meantime.
    let still_empty = budgets::table.filter(budgets::name.eq_any(names)).filter(budgets::ends_at.lt(before));
    delete(still_empty).execute(db)
}

/// Locks a budget until the transaction ends, and returns its takes.
fn lock_takes(db: &mut Db, name: &str) -> QueryResult<Option<Takes>> {
    let row = budgets::table.find(name).select(budgets::takes);
    let takes: Option<Vec<u8>> = locked!(row).first(db).optional()?;
    Ok(takes.map(|takes| Takes::from_bytes(&takes)))
}

/// A budget's row while a group of takes is decided.
#[derive(Default)]
struct Row {
    found: bool,
    takes: Takes,
    changed: bool,
    refused: i64,
    ends_at: i64,
}

/// Takes one from each budget of a request, or from none, for several requests in order. Returns for each whether it did.
pub(super) fn take_each(db: &mut Db, requests: &[(&[Budget], i64)]) -> QueryResult<Vec<bool>> {
    let mut rows = lock_rows(db, requests.iter().flat_map(|(budgets, _)| *budgets))?;
    let mut taken = Vec::with_capacity(requests.len());
    for (budgets, now) in requests {
        taken.push(take_from(&mut rows, budgets, Timestamp::from_millis(*now)));
    }
    let mut new = Vec::new();
    for (name, row) in rows {
        let values = (budgets::takes.eq(row.takes.to_bytes()), budgets::ends_at.eq(row.ends_at));
        if row.changed && !row.found {
            new.push((budgets::name.eq(name), budgets::refused.eq(row.refused), values.0, values.1));
            continue;
        }
        // A refusal is counted, so that it costs the same commit as a take.
        let refused = budgets::refused.eq(budgets::refused + row.refused);
        let stored = budgets::table.find(name);
        if row.changed {
            update(stored).set((values, refused)).execute(db)?;
        } else if row.found && row.refused > 0 {
            update(stored).set(refused).execute(db)?;
        }
    }
    match <[_; 1]>::try_from(new) {
        Ok([only]) => insert_into(budgets::table).values(only).execute(db)?,
        Err(new) if new.is_empty() => 0,
        Err(new) => insert_into(budgets::table).values(new).execute(db)?,
    };
    Ok(taken)
}

/// Locks the rows of the budgets until the transaction ends. All transactions lock in the order of the names, so that
/// they do not deadlock. If two transactions find no row, the second one fails on the primary key, and its retry finds it.
fn lock_rows<'a>(
    db: &mut Db,
    budgets: impl Iterator<Item = &'a Budget>,
) -> QueryResult<BTreeMap<&'a str, Row>> {
    let mut rows: BTreeMap<&str, Row> =
        budgets.map(|budget| (budget.name.as_str(), Row::default())).collect();
    if rows.is_empty() {
        return Ok(rows);
    }
    let named = budgets::table.filter(budgets::name.eq_any(rows.keys().copied().collect::<Vec<_>>()));
    let query = named.order(unindexed(budgets::name, "")).select((budgets::name, budgets::takes));
    let stored: Vec<(String, Vec<u8>)> = locked!(query).load(db)?;
    for (name, takes) in stored {
        if let Some(row) = rows.get_mut(name.as_str()) {
            (row.found, row.takes) = (true, Takes::from_bytes(&takes));
        }
    }
    Ok(rows)
}

/// Takes one from each budget if all have room.
fn take_from(rows: &mut BTreeMap<&str, Row>, budgets: &[Budget], now: Timestamp) -> bool {
    let mut after = Vec::with_capacity(budgets.len());
    for Budget { name, windows } in budgets {
        let Some(row) = rows.get_mut(name.as_str()) else { return false };
        let mut takes = row.takes.clone();
        if !takes.take(windows, now) {
            row.refused += 1;
            // The takes of a clock that was wrong were corrected, and must leave their windows some time.
            if takes != row.takes {
                (row.ends_at, row.takes, row.changed) = (takes.end(windows).as_millis(), takes, true);
            }
            return false;
        }
        after.push((name, takes.end(windows).as_millis(), takes));
    }
    for (name, ends_at, takes) in after {
        if let Some(row) = rows.get_mut(name.as_str()) {
            (row.takes, row.ends_at, row.changed) = (takes, ends_at, true);
        }
    }
    true
}

/// A take that shares its transaction, and the event that it records.
#[derive(Clone)]
struct Take {
    budgets: Vec<Budget>,
    now: i64,
    event: Option<Event>,
}

impl GroupTask<Db> for Take {
    type Output = bool;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<bool>> {
        let requests: Vec<_> = group.iter().map(|one| (one.budgets.as_slice(), one.now)).collect();
        let taken = take_each(db, &requests)?;
        insert_events(db, group.iter().filter_map(|one| one.event.as_ref()))?;
        Ok(taken)
    }
}

#[async_trait]
impl Budgets for EngineStore {
    async fn take(&self, budgets: &[Budget], now: Timestamp) -> Result<bool, StoreError> {
        self.run_grouped(Take { budgets: budgets.to_vec(), now: now.as_millis(), event: None }).await
    }

    async fn take_and_record(&self, budgets: &[Budget], event: &Event) -> Result<bool, StoreError> {
        let (budgets, now) = (budgets.to_vec(), event.at.as_millis());
        self.run_grouped(Take { budgets, now, event: Some(event.clone()) }).await
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
