//! Group commit on a database server: tasks of one kind that arrive at the same time share a transaction.
//!
//! A commit waits for the server's disk, and each statement for a round trip. While one group runs, the tasks that arrive
//! wait and form the next group, so there is no timer and a single task does not wait for others. A caller gets its result
//! after the commit of its group.

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

/// Maximum number of tasks in one transaction.
pub(crate) const GROUP_MAX: usize = 64;
/// Maximum number of groups of one kind that run at a time. A second group keeps the server busy while the first one waits
/// for the disk; more would make the groups smaller.
const RUNNERS: usize = 2;

/// A write or a query that can share a transaction with others of its kind.
pub(crate) trait GroupTask<Db>: Clone + Send + Sync + 'static {
    /// Whether a client waits for the response. On SQLite, whose writer is one thread, such writes come before those of
    /// the worker.
    const URGENT: bool = false;

    /// Whether it writes or only reads.
    const KIND: TaskKind = TaskKind::Write;

    /// The result of one task.
    type Output: Send + 'static;

    /// Runs the tasks of a group in order, and returns the result of each. Locks rows in an order that does not depend
    /// on the order of the group, so that two groups do not deadlock.
    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Self::Output>>;
}

/// The waiting tasks of every kind.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

struct Waiting<W, T> {
    tasks: VecDeque<Pending<W, T>>,
    runners: usize,
}

struct Pending<W, T> {
    task: W,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

impl<W, T> Default for Waiting<W, T> {
    fn default() -> Self {
        Self { tasks: VecDeque::new(), runners: 0 }
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
    /// Runs a task together with others of its kind that arrive at the same time. The changes are durable when this
    /// returns. If the caller goes away before its group runs, the task is not run.
    pub(crate) async fn run_grouped<W: GroupTask<E::Db>>(&self, task: W) -> Result<W::Output, StoreError> {
        let waiting = self.groups.of::<W, W::Output>();
        let (caller, result) = oneshot::channel();
        let is_runner = {
            let mut waiting = lock(&waiting);
            if waiting.tasks.len() >= crate::thread_pool::QUEUE {
                return Err(DatabaseFault::Full.into());
            }
            waiting.tasks.push_back(Pending { task, caller });
            let is_runner = waiting.runners < RUNNERS;
            waiting.runners += usize::from(is_runner);
            is_runner
        };
        if is_runner {
            // A task of its own, because the caller may go away while others wait for the group.
            tokio::spawn(run_groups(self.shared.clone(), waiting));
        }
        Ok(result.await.unwrap_or(Err(DatabaseFault::Closed))?)
    }
}

/// Runs one group after the other until no task waits.
async fn run_groups<E: ServerEngine, W: GroupTask<E::Db>>(
    shared: Arc<Shared<E>>,
    waiting: Arc<Mutex<Waiting<W, W::Output>>>,
) {
    loop {
        let group: Vec<Pending<W, W::Output>> = {
            let mut waiting = lock(&waiting);
            let count = waiting.tasks.len().min(GROUP_MAX);
            let group = waiting.tasks.drain(..count).filter(|one| !one.caller.is_closed()).collect();
            if count == 0 {
                waiting.runners -= 1;
                return;
            }
            group
        };
        let (tasks, callers): (Vec<W>, Vec<_>) =
            group.into_iter().map(|Pending { task, caller }| (task, caller)).unzip();
        if tasks.is_empty() {
            continue;
        }
        let together = run(&shared, tasks.clone()).await;
        match together {
            Ok(results) => {
                for (caller, result) in callers.into_iter().zip(results) {
                    let _gone = caller.send(Ok(result));
                }
            }
            // Nothing was done. One of the tasks is at fault, and the others must not fail with it.
            Err(fault) if tasks.len() > 1 && fault.nothing_was_done() => {
                for (caller, task) in callers.into_iter().zip(tasks) {
                    let result = run(&shared, vec![task]).await;
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

async fn run<E: ServerEngine, W: GroupTask<E::Db>>(
    shared: &Shared<E>,
    tasks: Vec<W>,
) -> Result<Vec<W::Output>, DatabaseFault> {
    shared.run(W::KIND, move |db| W::run(db, &tasks)).await
}
