//! Tasks: units of work that may be retried, each with a caller that waits for the result.
//!
//! A task whose caller has gone is not started. When a caller gets [`DatabaseFault::PoolTimeout`], nothing was done.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use diesel::result::QueryResult;
use tokio::{sync::oneshot, time::timeout};

use super::{fault, runtime::unwound};
use crate::fault::DatabaseFault;

/// The kind of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// Runs one query.
    Read,
    /// Changes rows.
    Write,
}

/// A unit of work and the caller that waits for its result.
pub(super) trait ThreadTask<Db>: Send {
    /// The kind of the task.
    fn kind(&self) -> TaskKind;

    /// Whether a caller still waits for the result.
    fn has_caller(&self) -> bool;

    /// Marks the task as started. Returns `false` if its caller has gone.
    fn begin(&self) -> bool;

    /// Runs the work and stores the result.
    fn run(&mut self, db: &mut Db) -> Result<(), DatabaseFault>;

    /// Sends the caller the result, or `failure` if there is one.
    fn reply(self: Box<Self>, failure: Option<DatabaseFault>);
}

const QUEUED: u8 = 0;
const STARTED: u8 = 1;
const WITHDRAWN: u8 = 2;

struct PendingTask<T, F> {
    kind: TaskKind,
    work: F,
    result: Option<T>,
    stage: Arc<AtomicU8>,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

/// The caller's end of a task.
pub(super) struct TaskHandle<T> {
    stage: Arc<AtomicU8>,
    result: oneshot::Receiver<Result<T, DatabaseFault>>,
}

/// Creates a task and the handle for its caller.
pub(super) fn new<Db, T, F>(kind: TaskKind, work: F) -> (Box<dyn ThreadTask<Db>>, TaskHandle<T>)
where
    T: Send + 'static,
    F: FnMut(&mut Db) -> QueryResult<T> + Send + 'static,
{
    let (caller, result) = oneshot::channel();
    let stage = Arc::new(AtomicU8::new(QUEUED));
    let task = PendingTask { kind, work, result: None, stage: stage.clone(), caller };
    (Box::new(task), TaskHandle { stage, result })
}

impl<T> TaskHandle<T> {
    /// Waits up to `start_timeout` for the task to start, then up to `run_timeout` for its result.
    pub(super) async fn wait(
        mut self,
        start_timeout: Duration,
        run_timeout: Duration,
    ) -> Result<T, DatabaseFault> {
        if let Ok(result) = timeout(start_timeout, &mut self.result).await {
            return result.unwrap_or(Err(DatabaseFault::Closed));
        }
        if leave_queue(&self.stage, WITHDRAWN) {
            return Err(DatabaseFault::PoolTimeout);
        }
        timeout(run_timeout, self.result)
            .await
            .map_or(Err(DatabaseFault::Timeout), |result| result.unwrap_or(Err(DatabaseFault::Closed)))
    }
}

/// Marks a queued task as started or withdrawn. Returns `false` if it is no longer queued.
fn leave_queue(stage: &AtomicU8, to: u8) -> bool {
    stage.compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

impl<Db, T, F> ThreadTask<Db> for PendingTask<T, F>
where
    T: Send,
    F: FnMut(&mut Db) -> QueryResult<T> + Send,
{
    fn kind(&self) -> TaskKind {
        self.kind
    }

    fn has_caller(&self) -> bool {
        !self.caller.is_closed()
    }

    fn begin(&self) -> bool {
        !self.caller.is_closed() && leave_queue(&self.stage, STARTED)
    }

    fn run(&mut self, db: &mut Db) -> Result<(), DatabaseFault> {
        // Sound: after a panic the connection is closed and its transaction is rolled back.
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(db)));
        self.result = Some(result.map_err(|payload| unwound(&*payload))?.map_err(fault::from_error)?);
        Ok(())
    }

    fn reply(self: Box<Self>, failure: Option<DatabaseFault>) {
        let Self { result, caller, .. } = *self;
        let _gone = caller.send(failure.map_or_else(|| result.ok_or(DatabaseFault::Closed), Err));
    }
}
