//! The one writer, and its group commit.
//!
//! A commit waits for the disk; the work before it does not. So the writer takes whatever is waiting into one
//! transaction and commits once for all: no timer, a lone task waits for nobody. Callers hear only after the
//! commit, so what was answered survives the process, and with `synchronous=FULL` a loss of power.

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager},
    prelude::*,
    result::{Error, QueryResult},
    sqlite::SqliteConnection,
};
use tracing::warn;

use super::threads::{Queue, ThreadTask};
use crate::fault::DatabaseFault;

/// Most tasks in one transaction. At 64 the disk's wait is small beside the work (limits.md, 3).
const BATCH: usize = 64;

/// Works off the queue until the store is dropped. `connect` replaces a connection that a fault has left unusable.
pub(super) fn run(
    mut db: SqliteConnection,
    queue: &Queue,
    connect: impl Fn() -> Result<SqliteConnection, String>,
) {
    while let Some(first) = queue.next() {
        let mut batch = vec![first];
        let mut begun = false;
        let lost = commit_together(&mut db, &mut batch, queue, &mut begun).err().map(DatabaseFault::from);
        if !begun {
            // Somebody else holds the lock, and what came meanwhile has waited for it as well. To let each task
            // wait in its turn would outlast every caller's patience.
            batch.extend(std::iter::from_fn(|| queue.waiting()));
        }
        // Diesel counts transactions. Where the count and SQLite may disagree, only a new connection is safe.
        if lost.is_some() && AnsiTransactionManager::is_broken_transaction_manager(&mut db) {
            match connect() {
                Ok(fresh) => db = fresh,
                Err(reason) => warn!(reason, "the database cannot be opened again; the next task will try"),
            }
        }
        for task in batch {
            task.answer(lost.clone());
        }
    }
}

/// Runs the first task, then whatever else is waiting, and commits once. On an error nothing of it was kept.
fn commit_together(
    db: &mut SqliteConnection,
    batch: &mut Vec<Box<dyn ThreadTask>>,
    queue: &Queue,
    begun: &mut bool,
) -> QueryResult<()> {
    // IMMEDIATE: waits for writers of other processes here, where nothing was done yet, instead of failing
    // between a read and a write.
    db.immediate_transaction(|db| {
        *begun = true;
        for place in 0.. {
            run_alone(db, &mut *batch[place])?;
            if batch.len() == BATCH {
                break;
            }
            let Some(task) = queue.waiting() else { break };
            batch.push(task);
        }
        Ok(())
    })
}

/// Runs one task inside a savepoint, so that it can fail without the others. An error here means that the
/// savepoint itself is lost: on a full disk SQLite ends the whole transaction by itself, and whatever ran
/// after that would be committed alone.
fn run_alone(db: &mut SqliteConnection, task: &mut dyn ThreadTask) -> QueryResult<()> {
    let ended = db.transaction(|db| if task.run(db) { Ok(()) } else { Err(Error::RollbackTransaction) });
    match ended {
        Err(Error::RollbackTransaction) => Ok(()),
        ended => ended,
    }
}
