//! Group commit on a database server: writes of one kind that arrive at the same time share a transaction.
//!
//! A commit waits for the server's disk, and each statement for a round trip. While one group is being written, the writes
//! that arrive wait and form the next group, so there is no timer and a single write does not wait for others. A caller
//! gets its result after the commit of its group.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::result::QueryResult;
use reset_core::error::StoreError;
use tokio::sync::oneshot;

use super::{ServerEngine, ServerStore, Shared, task::TaskKind};
use crate::fault::DatabaseFault;

/// Maximum number of writes in one transaction.
const GROUP_MAX: usize = 64;
/// Maximum number of groups of one kind that are written at a time. A second group keeps the server busy while the first
/// one waits for the disk; more would make the groups smaller.
const WRITERS: usize = 2;

/// A write that can share a transaction with others of its kind.
pub(crate) trait GroupWrite<Db>: Clone + Send + Sync + 'static {
    /// Whether a client waits for the response. On SQLite, whose writer is one thread, such writes come before those of
    /// the worker.
    const URGENT: bool = false;

    /// The result of one write.
    type Output: Send + 'static;

    /// Runs the writes of a group in order, and returns the result of each. Locks rows in an order that does not depend
    /// on the order of the group, so that two groups do not deadlock.
    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Self::Output>>;
}

/// The waiting writes of every kind.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

struct Waiting<W, T> {
    writes: VecDeque<PendingWrite<W, T>>,
    writers: usize,
}

struct PendingWrite<W, T> {
    write: W,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

impl<W, T> Default for Waiting<W, T> {
    fn default() -> Self {
        Self { writes: VecDeque::new(), writers: 0 }
    }
}

impl Groups {
    fn of<W: 'static + Send + Sync, T: 'static + Send>(&self) -> Arc<Mutex<Waiting<W, T>>> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups
            .entry(TypeId::of::<W>())
            .or_insert_with(|| Arc::new(Mutex::new(Waiting::<W, T>::default())))
            .clone();
        group.downcast().expect("a kind of write has one type of result")
    }
}

fn lock<T>(waiting: &Mutex<T>) -> MutexGuard<'_, T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: ServerEngine> ServerStore<E> {
    /// Runs a write together with others of its kind that arrive at the same time. The changes are durable when this
    /// returns. If the caller goes away before its group is written, the write is not made.
    pub(crate) async fn write_grouped<W: GroupWrite<E::Db>>(
        &self,
        write: W,
    ) -> Result<W::Output, StoreError> {
        let waiting = self.groups.of::<W, W::Output>();
        let (caller, result) = oneshot::channel();
        let is_writer = {
            let mut waiting = lock(&waiting);
            if waiting.writes.len() >= crate::thread_pool::QUEUE {
                return Err(DatabaseFault::Full.into());
            }
            waiting.writes.push_back(PendingWrite { write, caller });
            let is_writer = waiting.writers < WRITERS;
            waiting.writers += usize::from(is_writer);
            is_writer
        };
        if is_writer {
            // A task of its own, because the caller may go away while others wait for the group.
            tokio::spawn(write_groups(self.shared.clone(), waiting));
        }
        Ok(result.await.unwrap_or(Err(DatabaseFault::Closed))?)
    }
}

/// Writes one group after the other until no write waits.
async fn write_groups<E: ServerEngine, W: GroupWrite<E::Db>>(
    shared: Arc<Shared<E>>,
    waiting: Arc<Mutex<Waiting<W, W::Output>>>,
) {
    loop {
        let group: Vec<PendingWrite<W, W::Output>> = {
            let mut waiting = lock(&waiting);
            let count = waiting.writes.len().min(GROUP_MAX);
            let group = waiting.writes.drain(..count).filter(|one| !one.caller.is_closed()).collect();
            if count == 0 {
                waiting.writers -= 1;
                return;
            }
            group
        };
        let (writes, callers): (Vec<W>, Vec<_>) =
            group.into_iter().map(|PendingWrite { write, caller }| (write, caller)).unzip();
        if writes.is_empty() {
            continue;
        }
        let together = run(&shared, writes.clone()).await;
        match together {
            Ok(results) => {
                for (caller, result) in callers.into_iter().zip(results) {
                    let _gone = caller.send(Ok(result));
                }
            }
            // Nothing was written. One of the writes is at fault, and the others must not fail with it.
            Err(fault) if writes.len() > 1 && fault.nothing_was_done() => {
                for (caller, write) in callers.into_iter().zip(writes) {
                    let result = run(&shared, vec![write]).await;
                    let _gone = caller.send(result.map(|mut results| results.remove(0)));
                }
            }
            Err(fault) => {
                for caller in callers {
                    let _gone = caller.send(Err(fault.clone()));
                }
            }
        }
    }
}

async fn run<E: ServerEngine, W: GroupWrite<E::Db>>(
    shared: &Shared<E>,
    writes: Vec<W>,
) -> Result<Vec<W::Output>, DatabaseFault> {
    shared.run(TaskKind::Write, move |db| W::run(db, &writes)).await
}
