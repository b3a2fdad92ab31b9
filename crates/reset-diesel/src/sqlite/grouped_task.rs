//! Tasks of one kind that run together: with one statement for all of them instead of one for each.

use std::any::Any;

use diesel::{Connection, sqlite::SqliteConnection};
use tokio::sync::oneshot;

use super::threads::{ThreadTask, after_commit, caught};
use crate::{fault::DatabaseFault, server::GroupTask};

/// One or more tasks of a kind, each with its caller.
pub(super) struct GroupedTask<W: GroupTask<SqliteConnection>> {
    pending: Vec<PendingUnit<W, W::Output>>,
}

struct PendingUnit<W, T> {
    unit: W,
    result: Result<T, DatabaseFault>,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

impl<W: GroupTask<SqliteConnection>> GroupedTask<W> {
    pub(super) fn new(unit: W, caller: oneshot::Sender<Result<W::Output, DatabaseFault>>) -> Self {
        Self { pending: vec![PendingUnit { unit, result: Err(DatabaseFault::Closed), caller }] }
    }
}

impl<W: GroupTask<SqliteConnection>> ThreadTask for GroupedTask<W> {
    fn is_urgent(&self) -> bool {
        W::URGENT
    }

    fn len(&self) -> usize {
        self.pending.len()
    }

    fn absorb(&mut self, other: Box<dyn ThreadTask>) -> Option<Box<dyn ThreadTask>> {
        let any: &dyn Any = &*other;
        if !any.is::<Self>() {
            return Some(other);
        }
        let other: Box<dyn Any> = other;
        let other: Box<Self> = other.downcast().expect("the type was checked");
        self.pending.extend(other.pending);
        None
    }

    fn run(&mut self, db: &mut SqliteConnection) -> bool {
        self.pending.retain(|one| !one.caller.is_closed());
        let units: Vec<W> = self.pending.iter().map(|one| one.unit.clone()).collect();
        match units.as_slice() {
            [] => true,
            [_] => {
                let result = caught(|| W::run(db, &units));
                self.pending[0].result = result.map(|mut results| results.remove(0));
                self.pending[0].result.is_ok()
            }
            _ => {
                match caught(|| db.transaction(|db| W::run(db, &units))) {
                    Ok(results) => {
                        for (one, result) in self.pending.iter_mut().zip(results) {
                            one.result = Ok(result);
                        }
                    }
                    // One of them is at fault, and the others must not fail with it.
                    Err(_) => self.run_one_by_one(db),
                }
                true
            }
        }
    }

    fn reply(self: Box<Self>, failure: Option<DatabaseFault>) {
        for PendingUnit { result, caller, .. } in self.pending {
            let _gone = caller.send(after_commit(result, failure.clone()));
        }
    }
}

impl<W: GroupTask<SqliteConnection>> GroupedTask<W> {
    fn run_one_by_one(&mut self, db: &mut SqliteConnection) {
        for one in &mut self.pending {
            let unit = std::slice::from_ref(&one.unit);
            let result = caught(|| db.transaction(|db| W::run(db, unit)));
            one.result = result.map(|mut results| results.remove(0));
        }
    }
}
