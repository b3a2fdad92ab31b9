//! The Store on a server: a thread_pool of threads, each with a connection of its own, each task a transaction.
//!
//! What PostgreSQL and MySQL have in common. An engine says how to connect and how a transaction begins; its
//! queries are those of `queries`.

mod connection_thread;
mod fault;
mod runtime;
mod task;

use std::{
    error::Error,
    fmt,
    sync::{Arc, atomic::AtomicUsize},
    thread,
    time::Duration,
};

use diesel::{connection::SimpleConnection, result::QueryResult};
use reset_core::error::StoreError;
use tokio::sync::oneshot;

use self::{connection_thread::ConnectionThread, task::ThreadTask};
pub(crate) use self::{
    runtime::{OnThread, block_on, linger},
    task::TaskKind,
};
use crate::{
    OpenError, Options,
    fault::DatabaseFault,
    foreign_users::{Mapping, Plan, Survey, Unfit},
    thread_pool::ThreadPool,
};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionPurpose {
    /// Many short transactions.
    Tasks,
    /// One that may take its time: a migration, or waiting for somebody else's.
    Migrating,
}

/// An engine behind a network.
pub(crate) trait ServerEngine: Send + Sync + Sized + 'static {
    /// A connection.
    type Db: SimpleConnection + Send;
    /// The engine's name.
    const NAME: &str;

    /// How it is to be used.
    fn options(&self) -> &Options;

    /// Connects, within the time that the options give. The error is a reason in words, without the password.
    fn connect(&self, purpose: ConnectionPurpose) -> Result<Self::Db, String>;

    /// Begins a transaction that may write.
    fn begin(&self, db: &mut Self::Db) -> QueryResult<()>;

    /// Whether a look-up may do without a transaction around it.
    fn reads_alone(&self) -> bool;

    /// The versions that are still to be applied.
    fn pending(db: &mut Self::Db) -> QueryResult<Vec<String>>;

    /// Applies what is pending, one process at a time, and returns the versions.
    fn migrate(db: &mut Self::Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>>;

    /// The statements for another system's users table as it is.
    fn plan(db: &mut Self::Db, mapping: &Mapping) -> QueryResult<Result<Plan, Unfit>>;

    /// Another system's users table as it is, and what would be done with it by `role`.
    fn survey(db: &mut Self::Db, mapping: &Mapping, role: &str) -> QueryResult<Result<Survey, Unfit>>;
}

/// A server in use.
pub(crate) struct ServerStore<E: ServerEngine> {
    thread_pool: ThreadPool<dyn ThreadTask<E::Db>>,
    options: Options,
    plan: Option<Arc<Plan>>,
}

impl<E: ServerEngine> fmt::Debug for ServerStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(E::NAME)
    }
}

impl<E: ServerEngine> ServerStore<E> {
    /// Starts the thread_pool, whose first connection shows that the server answers. The others connect when there is
    /// work for them.
    pub(crate) async fn open(engine: E, mapping: Option<&Mapping>) -> Result<Self, OpenError> {
        let engine = Arc::new(engine);
        let plan = match mapping {
            Some(mapping) => Some(Arc::new(planned(engine.clone(), mapping.clone()).await?)),
            None => None,
        };
        let options = engine.options().clone();
        let (mut thread_pool, live) = (ThreadPool::default(), Arc::new(AtomicUsize::new(0)));
        let no_thread = |error| server::<E>(format!("no thread to work on: {error}"));
        let (first, connected) = oneshot::channel();
        let mut first = Some(first);
        for number in 0..options.connections.max(1) {
            let (thread, first) = (ConnectionThread::new(engine.clone(), live.clone(), number), first.take());
            thread_pool
                .add(&format!("{}-{number}", E::NAME), move |queue| thread.run(queue, first))
                .map_err(no_thread)?;
        }
        let connected = connected.await.unwrap_or_else(|_| Err("the thread ended early".to_owned()));
        connected.map_err(server::<E>)?;
        Ok(Self { thread_pool, options, plan })
    }

    /// The statements for another system's users table, where it is not our own.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.clone()
    }

    /// Runs a task: in a transaction, whole or not at all, and durable when this returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        task: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.run(TaskKind::Write, task).await?)
    }

    /// Runs one query.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.run(TaskKind::Read, query).await?)
    }

    /// Queues a task and waits for its result: for a connection as long as connecting may take, then for an answer
    /// as long as a new connection and a few statements may.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: TaskKind,
        work: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, DatabaseFault> {
        let Options { connect_timeout, statement_timeout, .. } = self.options;
        let (task, waiting) = task::new(kind, work);
        self.thread_pool.push(task)?;
        waiting.within(connect_timeout, connect_timeout + 2 * statement_timeout).await
    }
}

/// The versions that are still to be applied.
pub(crate) async fn pending<E: ServerEngine>(engine: E) -> Result<Vec<String>, OpenError> {
    aside::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Migrating)?;
        E::pending(&mut db).map_err(|error| fault::of(error).to_string())
    })
    .await
}

/// The statements for another system's users table as it is.
async fn planned<E: ServerEngine>(engine: Arc<E>, mapping: Mapping) -> Result<Plan, OpenError> {
    let plan = aside::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Migrating)?;
        E::plan(&mut db, &mapping).map_err(|error| fault::of(error).to_string())
    });
    plan.await?.map_err(OpenError::Unfit)
}

/// Another system's users table as it is, and what would be done with it by `role`.
pub(crate) async fn survey<E: ServerEngine>(
    engine: E,
    mapping: Mapping,
    role: String,
) -> Result<Survey, OpenError> {
    let survey = aside::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Migrating)?;
        E::survey(&mut db, &mapping, &role).map_err(|error| fault::of(error).to_string())
    });
    survey.await?.map_err(OpenError::Unfit)
}

/// Applies what is pending, and returns the versions.
pub(crate) async fn migrate<E: ServerEngine>(engine: E) -> Result<Vec<String>, OpenError> {
    aside::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Migrating)?;
        E::migrate(&mut db).map_err(|error| format!("the migration failed: {error}"))
    })
    .await
}

fn server<E: ServerEngine>(reason: String) -> OpenError {
    OpenError::Server { engine: E::NAME, reason }
}

/// Runs blocking work on a thread of its own; an error is a reason in words.
async fn aside<E: ServerEngine, T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, OpenError> {
    let (caller, result) = oneshot::channel();
    let thread = thread::Builder::new().name(format!("{}-open", E::NAME));
    let work = move || {
        let done = work();
        linger();
        caller.send(done)
    };
    let result = match thread.spawn(work) {
        Ok(_) => result.await.unwrap_or_else(|_| Err("the thread ended early".to_owned())),
        Err(error) => Err(format!("no thread to work on: {error}")),
    };
    result.map_err(server::<E>)
}

/// Time between two tries of a thread that gets no connection while others have one.
const RECONNECT_EVERY: Duration = Duration::from_secs(1);
