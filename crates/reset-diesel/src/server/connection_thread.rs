//! The thread that owns a connection: takes a task, begins, runs, commits; and gets a new connection when the old
//! one broke.
//!
//! A task that had not begun is begun again on a new connection, once. One that met another transaction (a unique
//! value, a deadlock) is run again from its start. Where a commit's answer is lost, nobody knows what was done: that
//! is an error, and never tried again. Neither is what nobody waits for any more: who was told that it failed, and whose
//! task was rolled back, does not find it done a minute later.

use std::{
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
    ConnectionPurpose, RECONNECT_EVERY, ServerEngine, fault,
    runtime::{linger, within},
    task::{TaskKind, ThreadTask},
};
use crate::{fault::DatabaseFault, thread_pool::Queue};

/// How often a task is run that others are in the way of.
const TRIES: u32 = 8;
/// How often one that finds its value taken: the second time it sees by whom.
const TRIES_TAKEN: u32 = 3;
/// How often one that waited for another's lock in vain: each try may take as long as a statement.
const TRIES_LOCKED: u32 = 2;
/// How much longer than a statement may take its answer may: the server's own limit is to come first.
const GRACE: Duration = Duration::from_secs(2);

/// One thread's share of a [`ServerStore`](super::ServerStore).
pub(super) struct ConnectionThread<E: ServerEngine> {
    engine: Arc<E>,
    /// How many of the thread_pool have a connection.
    live: Arc<AtomicUsize>,
    number: u32,
    db: Option<E::Db>,
}

impl<E: ServerEngine> ConnectionThread<E> {
    pub(super) fn new(engine: Arc<E>, live: Arc<AtomicUsize>, number: u32) -> Self {
        Self { engine, live, number, db: None }
    }

    /// Works off the queue until the store is dropped. `first` wants to know whether the server answers.
    pub(super) fn run(
        mut self,
        queue: &Queue<dyn ThreadTask<E::Db>>,
        first: Option<oneshot::Sender<Result<(), String>>>,
    ) {
        if let Some(first) = first {
            let _gone = first.send(self.connect());
        }
        while let Some(task) = queue.next() {
            self.take(task, queue);
        }
        self.disconnect();
    }

    fn take(&mut self, mut task: Box<dyn ThreadTask<E::Db>>, queue: &Queue<dyn ThreadTask<E::Db>>) {
        if !task.is_wanted() {
            // No connection is waited for in the name of nobody.
            return;
        }
        if let Err(reason) = self.connect() {
            let mut task = Some(task);
            if self.live.load(Ordering::Relaxed) > 0 {
                // The server has no connection for us: somebody who has one goes on.
                task = task.and_then(|task| queue.leave(task));
                queue.rest(RECONNECT_EVERY);
            }
            // Whoever came meanwhile has waited as well. To let each wait in its turn would outlast all patience.
            let tasks = task
                .into_iter()
                .flat_map(|task| std::iter::once(task).chain(std::iter::from_fn(|| queue.waiting())));
            tasks.for_each(|task| task.answer(Some(DatabaseFault::Unreachable(reason.clone()))));
            return;
        }
        if task.begin() {
            let lost = self.settle(&mut *task).err();
            task.answer(lost);
        }
    }

    /// Runs a task until it is done, or cannot be.
    fn settle(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        for tried in 1.. {
            let fault = match self.once(task) {
                Err(fault @ DatabaseFault::Conflict) if tried < TRIES => fault,
                Err(fault @ DatabaseFault::Locked) if tried < TRIES_LOCKED => fault,
                Err(fault) if fault == DatabaseFault::EXISTS && tried < TRIES_TAKEN => fault,
                done => return done,
            };
            if !task.is_wanted() {
                return Err(fault);
            }
            // Not all at once again.
            if fault == DatabaseFault::Conflict {
                thread::sleep(Duration::from_millis(u64::from(tried * (1 + self.number % 8))));
            }
        }
        unreachable!("the last try returns")
    }

    fn once(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        if task.kind() == TaskKind::Read && self.engine.reads_alone() {
            return match self.work(task) {
                Err(fault) if self.is_broken(&fault) => self.work(task).inspect_err(|fault| {
                    self.is_broken(fault);
                }),
                done => done,
            };
        }
        self.begin()?;
        if let Err(fault) = self.work(task) {
            if !self.is_broken(&fault) && self.ask(|_, db| db.batch_execute("ROLLBACK")).is_err() {
                self.disconnect();
            }
            return Err(fault);
        }
        self.ask(|_, db| db.batch_execute("COMMIT")).map_err(|fault| {
            self.disconnect();
            DatabaseFault::Commit(fault.to_string())
        })
    }

    fn work(&mut self, task: &mut dyn ThreadTask<E::Db>) -> Result<(), DatabaseFault> {
        let limit = self.limit();
        let db = self.db()?;
        // A task tells silence as its fault, like whatever else stops it.
        within(limit, || task.run(db)).unwrap_or_else(|_| Err(fault::silent()))
    }

    /// Asks the server for something, and waits no longer than it may take.
    fn ask(&mut self, what: impl FnOnce(&E, &mut E::Db) -> QueryResult<()>) -> Result<(), DatabaseFault> {
        let (engine, limit) = (self.engine.clone(), self.limit());
        let db = self.db()?;
        within(limit, || what(&engine, db)).map_err(|_| fault::silent())?.map_err(fault::of)
    }

    fn limit(&self) -> Duration {
        self.engine.options().statement_timeout + GRACE
    }

    /// Begins a transaction. The first thing that a broken connection, or one to a server that was demoted, cannot
    /// do: nothing was done yet, so a new one may.
    fn begin(&mut self) -> Result<(), DatabaseFault> {
        if self.ask(E::begin).is_ok() {
            return Ok(());
        }
        self.disconnect();
        self.ask(E::begin).inspect_err(|_| self.disconnect())
    }

    /// Whether the connection is not to be trusted after this fault; then it is closed.
    fn is_broken(&mut self, fault: &DatabaseFault) -> bool {
        let broken = matches!(fault, DatabaseFault::Engine(_) | DatabaseFault::Panicked);
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
            let connected = within(self.limit(), || engine.connect(ConnectionPurpose::Tasks));
            let connected = connected.unwrap_or_else(|_| Err(fault::silent().to_string()));
            let others = match &connected {
                Ok(_) => self.live.fetch_add(1, Ordering::Relaxed),
                Err(_) => self.live.load(Ordering::Relaxed),
            };
            match &connected {
                Ok(_) if others == 0 => info!(engine = E::NAME, "the database answers"),
                Err(reason) => warn!(reason, "no connection to the database"),
                Ok(_) => {}
            }
            self.db = Some(connected?);
        }
        Ok(())
    }

    fn disconnect(&mut self) {
        if self.db.take().is_some() {
            self.live.fetch_sub(1, Ordering::Relaxed);
            linger();
        }
    }
}
