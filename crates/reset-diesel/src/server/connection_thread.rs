//! A thread that owns one connection. It takes a task, runs it in a transaction and commits, and reconnects when the
//! connection breaks.
//!
//! If the transaction cannot be started, the task is retried once on a new connection. If the task conflicts with
//! another transaction (duplicate value, deadlock, serialization failure), it is retried from its start; a server that
//! answers a commit with a conflict has rolled the transaction back. If the connection breaks during a commit, the
//! outcome is unknown; that is an error and is never retried. A task whose caller has gone is not retried either: a task
//! that was reported as failed and rolled back must not be done a minute later.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::{connection::SimpleConnection, result::QueryResult};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    ConnectionPurpose, RECONNECT_INTERVAL, ServerEngine, fault,
    runtime::{finish_closing, guarded},
    task::{TaskKind, ThreadTask},
};
use crate::{fault::DatabaseFault, thread_pool::Queue};

/// Maximum number of attempts for a task that conflicts with other transactions. Several writing nodes of a Galera
/// cluster conflict often: of the transactions that change one row at the same time, one node's succeeds.
const CONFLICT_ATTEMPTS: u32 = 24;
/// The delay grows with each of the first attempts. With it, all attempts together wait for at most 1.4 s.
const MAX_DELAY_STEPS: u32 = 8;
/// Maximum number of attempts for a task that inserts a duplicate value. A retry sees the other row.
const DUPLICATE_ATTEMPTS: u32 = 3;
/// Maximum number of attempts after a lock timeout. Each attempt may take as long as the statement timeout.
const LOCK_ATTEMPTS: u32 = 2;
/// Maximum number of attempts if nodes of a cluster refuse statements. Each attempt is on a new connection.
const NODE_ATTEMPTS: u32 = 2;
/// Added to the statement timeout for the timeout of a response, so that the server's own timeout fires first.
const GRACE: Duration = Duration::from_secs(2);

/// The state of one thread of a [`ServerStore`](super::ServerStore).
pub(super) struct ConnectionThread<E: ServerEngine> {
    engine: Arc<E>,
    /// Number of threads in the pool that have a connection.
    connected: Arc<AtomicUsize>,
    number: u32,
    db: Option<E::Db>,
}

impl<E: ServerEngine> ConnectionThread<E> {
    pub(super) fn new(engine: Arc<E>, connected: Arc<AtomicUsize>, number: u32) -> Self {
        Self { engine, connected, number, db: None }
    }

    /// Runs queued tasks until the store is dropped. Sends the result of the first connection to `ready`.
    pub(super) fn run(
        mut self,
        queue: &Queue<dyn ThreadTask<E::Db>>,
        ready: Option<oneshot::Sender<Result<(), String>>>,
    ) {
        if let Some(ready) = ready {
            let _gone = ready.send(self.connect());
        }
        while let Some(task) = queue.next() {
            self.process(task, queue);
        }
        self.disconnect();
    }

    fn process(&mut self, mut task: Box<dyn ThreadTask<E::Db>>, queue: &Queue<dyn ThreadTask<E::Db>>) {
        // Without a caller there is no reason to wait for a connection.
        if !task.has_caller() {
            return;
        }
        if let Err(reason) = self.connect() {
            let mut task = Some(task);
            if self.connected.load(Ordering::Relaxed) > 0 {
                // The server refuses this connection, but another thread has one and can run the task.
                task = task.and_then(|task| queue.put_back(task));
                queue.pause(RECONNECT_INTERVAL);
            }
            // Queued tasks have waited as well. If each of them waited for its own connection attempt, every caller
            // would time out.
            let tasks = task
                .into_iter()
                .flat_map(|task| std::iter::once(task).chain(std::iter::from_fn(|| queue.try_next())));
            tasks.for_each(|task| task.reply(Some(DatabaseFault::Unreachable(reason.clone()))));
            return;
        }
        if task.begin() {
            let failure = self.run_with_retries(&mut *task).err();
            task.reply(failure);
        }
    }

    /// Runs a task, and retries it after a conflict.
    fn run_with_retries(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        for attempt in 1.. {
            let fault = match self.run_once(task) {
                Err(fault @ DatabaseFault::Conflict) if attempt < CONFLICT_ATTEMPTS => fault,
                Err(fault @ DatabaseFault::LockTimeout) if attempt < LOCK_ATTEMPTS => fault,
                Err(fault @ DatabaseFault::NotReady) if attempt < NODE_ATTEMPTS => fault,
                Err(fault) if fault == DatabaseFault::DUPLICATE && attempt < DUPLICATE_ATTEMPTS => fault,
                result => return result,
            };
            if !task.has_caller() {
                return Err(fault);
            }
            // A delay that differs per thread and process keeps the conflicting tasks from meeting again.
            if fault == DatabaseFault::Conflict {
                let slot = 1 + self.number.wrapping_add(process::id()) % 8;
                thread::sleep(Duration::from_millis(u64::from(attempt.min(MAX_DELAY_STEPS) * slot)));
            }
        }
        unreachable!("the last attempt returns")
    }

    fn run_once(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        if task.kind() == TaskKind::Read && self.engine.reads_without_transaction() {
            return match self.execute(task) {
                Err(fault) if self.close_if_broken(&fault) => self.execute(task).inspect_err(|fault| {
                    self.close_if_broken(fault);
                }),
                result => result,
            };
        }
        self.begin()?;
        if let Err(fault) = self.execute(task) {
            self.roll_back(&fault);
            return Err(fault);
        }
        self.send(|_, db| db.batch_execute("COMMIT")).map_err(|fault| {
            if matches!(fault, DatabaseFault::Conflict | DatabaseFault::NotReady) {
                // The server answered that it has rolled back, or that it did not execute the statement.
                self.roll_back(&fault);
                return fault;
            }
            self.disconnect();
            DatabaseFault::Commit(fault.to_string())
        })
    }

    /// Ends the transaction after a fault, so that the next task does not run in it.
    fn roll_back(&mut self, fault: &DatabaseFault) {
        if !self.close_if_broken(fault) && self.send(|_, db| db.batch_execute("ROLLBACK")).is_err() {
            self.disconnect();
        }
    }

    fn execute(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        let timeout = self.response_timeout();
        let db = self.db()?;
        // The task itself usually returns a missing response as its fault, like any other failure.
        guarded(timeout, || task.run(db)).flatten()
    }

    /// Sends a statement and waits for the response, up to the timeout.
    fn send(
        &mut self,
        statement: impl FnOnce(&E, &mut E::Db) -> QueryResult<()>,
    ) -> Result<(), DatabaseFault> {
        let (engine, timeout) = (self.engine.clone(), self.response_timeout());
        let db = self.db()?;
        guarded(timeout, || statement(&engine, db))?.map_err(fault::from_error)
    }

    fn response_timeout(&self) -> Duration {
        self.engine.options().statement_timeout + GRACE
    }

    /// Starts a transaction. A broken connection, or one to a server that was demoted, already fails here. Nothing was
    /// done yet, so the statement is retried once on a new connection.
    fn begin(&mut self) -> Result<(), DatabaseFault> {
        if self.send(E::begin).is_ok() {
            return Ok(());
        }
        self.disconnect();
        self.send(E::begin).inspect_err(|_| self.disconnect())
    }

    /// Closes the connection if it may be unusable after this fault. Returns whether it did.
    fn close_if_broken(&mut self, fault: &DatabaseFault) -> bool {
        let broken =
            matches!(fault, DatabaseFault::Engine(_) | DatabaseFault::Panicked | DatabaseFault::NotReady);
        if broken {
            self.disconnect();
        }
        broken
    }

    fn db(&mut self) -> Result<&mut E::Db, DatabaseFault> {
        self.connect().map_err(DatabaseFault::Unreachable)?;
        Ok(self.db.as_mut().expect("just connected"))
    }

    fn connect(&mut self) -> Result<(), String> {
        if self.db.is_none() {
            let engine = self.engine.clone();
            let result = guarded(self.response_timeout(), || engine.connect(ConnectionPurpose::Tasks));
            let result = result.unwrap_or_else(|fault| Err(fault::while_connecting(&fault)));
            let others = match &result {
                Ok(_) => self.connected.fetch_add(1, Ordering::Relaxed),
                Err(_) => self.connected.load(Ordering::Relaxed),
            };
            match &result {
                Ok(_) if others == 0 => info!(database.engine = E::NAME, "database connected"),
                Err(reason) => warn!(database.engine = E::NAME, reason, "database connection failed"),
                Ok(_) => {}
            }
            self.db = Some(result?);
        }
        Ok(())
    }

    fn disconnect(&mut self) {
        if self.db.take().is_some() {
            self.connected.fetch_sub(1, Ordering::Relaxed);
            finish_closing();
        }
    }
}
