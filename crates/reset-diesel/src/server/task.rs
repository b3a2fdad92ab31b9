//! Tasks: one unit of work, which may have to be run again, and the caller who waits for it.
//!
//! A task that nobody waits for any more is not begun: whoever was told that no connection became free finds that
//! nothing was done.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use diesel::result::QueryResult;
use tokio::{sync::oneshot, time::timeout};

use super::{fault, runtime::Silent};
use crate::fault::DatabaseFault;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// Looks up, with one query.
    Read,
    /// Changes something.
    Write,
}

/// One unit of work and the caller who waits for its result.
pub(super) trait ThreadTask<Db>: Send {
    /// What it does.
    fn kind(&self) -> TaskKind;

    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;

    /// Marks it as begun; false when nobody waits for it any more.
    fn begin(&self) -> bool;

    /// Runs the work and keeps the result.
    fn run(&mut self, db: &mut Db) -> Result<(), DatabaseFault>;

    /// Tells the caller the result; or `lost`, when it came to nothing.
    fn answer(self: Box<Self>, lost: Option<DatabaseFault>);
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

struct PendingTask<T, F> {
    kind: TaskKind,
    todo: F,
    result: Option<T>,
    stage: Arc<AtomicU8>,
    caller: oneshot::Sender<Result<T, DatabaseFault>>,
}

/// The caller's end of a task.
pub(super) struct Waiting<T> {
    stage: Arc<AtomicU8>,
    result: oneshot::Receiver<Result<T, DatabaseFault>>,
}

/// A task and its caller's end.
pub(super) fn new<Db, T, F>(kind: TaskKind, work: F) -> (Box<dyn ThreadTask<Db>>, Waiting<T>)
where
    T: Send + 'static,
    F: FnMut(&mut Db) -> QueryResult<T> + Send + 'static,
{
    let (caller, result) = oneshot::channel();
    let stage = Arc::new(AtomicU8::new(QUEUED));
    let task = PendingTask { kind, todo: work, result: None, stage: stage.clone(), caller };
    (Box::new(task), Waiting { stage, result })
}

impl<T> Waiting<T> {
    /// Waits `begin` for the task to begin, then `end` for it to end.
    pub(super) async fn within(mut self, begin: Duration, end: Duration) -> Result<T, DatabaseFault> {
        if let Ok(result) = timeout(begin, &mut self.result).await {
            return result.unwrap_or(Err(DatabaseFault::Closed));
        }
        if move_on(&self.stage, WITHDRAWN) {
            return Err(DatabaseFault::Waited);
        }
        timeout(end, self.result)
            .await
            .map_or(Err(DatabaseFault::Slow), |result| result.unwrap_or(Err(DatabaseFault::Closed)))
    }
}

/// Begins or withdraws a task that is still queued.
fn move_on(stage: &AtomicU8, to: u8) -> bool {
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

    fn is_wanted(&self) -> bool {
        !self.caller.is_closed()
    }

    fn begin(&self) -> bool {
        !self.caller.is_closed() && move_on(&self.stage, BEGUN)
    }

    fn run(&mut self, db: &mut Db) -> Result<(), DatabaseFault> {
        // Sound: a connection that has seen a panic is closed, and what it was doing is rolled back.
        let ran = catch_unwind(AssertUnwindSafe(|| (self.todo)(db)));
        let lost = |payload: Box<dyn Any + Send>| {
            if Silent::is(&*payload) { fault::silent() } else { DatabaseFault::Panicked }
        };
        self.result = Some(ran.map_err(lost)?.map_err(fault::of)?);
        Ok(())
    }

    fn answer(self: Box<Self>, lost: Option<DatabaseFault>) {
        let Self { result, caller, .. } = *self;
        let _gone = caller.send(lost.map_or_else(|| result.ok_or(DatabaseFault::Closed), Err));
    }
}
