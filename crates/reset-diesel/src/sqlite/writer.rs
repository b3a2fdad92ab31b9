//! The writer thread and its group commit.
//!
//! A commit waits for the disk; the work before it does not. The writer therefore runs the queued tasks in one
//! transaction and commits once. Those of one kind run together. There is no timer, so a single task does not wait for
//! others. Callers get their result only after the commit, so a reported success survives the process and, with
//! `synchronous=FULL`, a power failure.

use std::mem;

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager},
    prelude::*,
    result::{Error, QueryResult},
    sqlite::SqliteConnection,
};
use tracing::warn;

use super::threads::{Queue, ThreadTask};
use crate::fault::DatabaseFault;

/// Maximum number of writes in one transaction. At 64, waiting for the disk takes little time compared with the work.
const BATCH: usize = 64;
/// Number of the worker's writes for each one that a client waits for: about as many as a request causes.
const PER_URGENT: usize = 4;
/// Maximum of them in a transaction that a client waits for: few enough that it hardly waits for them.
const BESIDE_URGENT: usize = 24;

/// Runs queued tasks until the store is dropped. `connect` replaces a connection that a fault has left unusable.
pub(super) fn run(
    mut db: SqliteConnection,
    queue: &Queue,
    connect: impl Fn() -> Result<SqliteConnection, String>,
) {
    let mut waiting: Vec<Box<dyn ThreadTask>> = Vec::new();
    loop {
        if waiting.is_empty() {
            let Some(first) = queue.next() else { return };
            waiting.push(first);
        }
        let mut batch = mem::take(&mut waiting);
        let mut started = None;
        let failure =
            commit_together(&mut db, &mut batch, queue, &mut started).err().map(DatabaseFault::from);
        match started {
            // They were gathered, but are not part of the transaction that failed.
            Some(started) => waiting = batch.split_off(started),
            // Another process holds the lock, and the queued tasks have waited for it as well. If each of them waited on
            // its own, every caller would time out.
            None => batch.extend(std::iter::from_fn(|| queue.try_next())),
        }
        // Diesel counts transactions. If the count may differ from SQLite's state, only a new connection is safe.
        if failure.is_some() && AnsiTransactionManager::is_broken_transaction_manager(&mut db) {
            match connect() {
                Ok(connection) => db = connection,
                Err(reason) => warn!(reason, "database reconnect failed; the next task retries it"),
            }
        }
        for task in batch {
            task.reply(failure.clone());
        }
    }
}

/// Runs the first task and then the queued tasks, up to [`BATCH`] writes, and commits once. On an error no changes are kept.
/// `started` is the number of tasks that were started, once the transaction was.
fn commit_together(
    db: &mut SqliteConnection,
    batch: &mut Vec<Box<dyn ThreadTask>>,
    queue: &Queue,
    started: &mut Option<usize>,
) -> QueryResult<()> {
    // IMMEDIATE waits for writers of other processes here, before anything is done, instead of failing between a read
    // and a write.
    db.immediate_transaction(|db| {
        *started = Some(0);
        for done in 0.. {
            gather(batch, done, queue);
            let Some(task) = batch.get_mut(done) else { break };
            *started = Some(done + 1);
            run_in_savepoint(db, &mut **task)?;
        }
        Ok(())
    })
}

/// Adds queued tasks to the batch, of which the first `done` have run. A task joins a waiting one of its kind.
fn gather(batch: &mut Vec<Box<dyn ThreadTask>>, done: usize, queue: &Queue) {
    while batch.iter().map(|task| task.len()).sum::<usize>() < BATCH
        && let Some(task) = next(batch, queue)
    {
        let mut task = Some(task);
        for waiting in &mut batch[done..] {
            task = task.and_then(|task| waiting.absorb(task));
        }
        batch.extend(task);
    }
}

/// Returns the task that joins the batch, or `None` if it is to be committed.
fn next(batch: &[Box<dyn ThreadTask>], queue: &Queue) -> Option<Box<dyn ThreadTask>> {
    let count = |urgent| batch.iter().filter(|task| task.is_urgent() == urgent).map(|task| task.len()).sum();
    let (urgent, others): (usize, usize) = (count(true), count(false));
    let share = BESIDE_URGENT.min(PER_URGENT * urgent);
    if urgent < BATCH - BESIDE_URGENT {
        queue.try_next_urgent(urgent == 0 || others < share)
    } else {
        queue.try_next_other()
    }
}

/// Runs one task in a savepoint, so that it can fail without the others. Fails if the savepoint itself is gone: on a
/// full disk SQLite ends the whole transaction, and tasks that ran after that would be committed separately.
fn run_in_savepoint(db: &mut SqliteConnection, task: &mut dyn ThreadTask) -> QueryResult<()> {
    let result = db.transaction(|db| if task.run(db) { Ok(()) } else { Err(Error::RollbackTransaction) });
    match result {
        Err(Error::RollbackTransaction) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task that does nothing.
    struct Idle {
        urgent: bool,
    }

    impl ThreadTask for Idle {
        fn is_urgent(&self) -> bool {
            self.urgent
        }

        fn run(&mut self, _: &mut SqliteConnection) -> bool {
            true
        }

        fn reply(self: Box<Self>, _: Option<DatabaseFault>) {}
    }

    /// Returns how many urgent and other tasks one transaction takes, the first one included.
    fn batch_of(urgent: usize, others: usize) -> (usize, usize) {
        let queue = Queue::new();
        for number in 0..urgent + others {
            let urgent = number >= others;
            assert!(queue.push(Box::new(Idle { urgent }), urgent).is_ok());
        }
        let mut batch = vec![queue.next().unwrap()];
        gather(&mut batch, 0, &queue);
        let urgent = batch.iter().filter(|task| task.is_urgent()).count();
        (urgent, batch.len() - urgent)
    }

    #[test]
    fn client_waits_for_few_tasks_of_the_worker() {
        assert_eq!(batch_of(1, 500), (1, PER_URGENT));
        assert_eq!(batch_of(20, 500), (20, BESIDE_URGENT));
    }

    #[test]
    fn worker_has_its_share_of_each_transaction_however_many_clients_wait() {
        assert_eq!(batch_of(500, 500), (BATCH - BESIDE_URGENT, BESIDE_URGENT));
    }

    #[test]
    fn transaction_of_one_kind_is_as_long_as_its_queue() {
        assert_eq!(batch_of(0, 500), (0, BATCH));
        assert_eq!(batch_of(3, 2), (3, 2));
    }
}
