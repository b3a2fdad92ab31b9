//! The Store on a database server: a pool of threads, each with its own connection. Each write is one transaction.
//!
//! This is the code that PostgreSQL and MySQL have in common. An engine defines how to connect and how to start a
//! transaction; the queries are in `queries`.

mod connection_thread;
mod fault;
pub(crate) mod foreign_options;
mod group;
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

use self::{connection_thread::ConnectionThread, group::Groups, task::ThreadTask};
pub(crate) use self::{
    group::{GROUP_MAX, GroupTask},
    runtime::{ThreadRuntime, block_on, finish_closing},
    task::TaskKind,
};
use crate::{
    OpenError, Options, SchemaDifference,
    fault::DatabaseFault,
    foreign_users::{Extent, Mapping, MappingError, Plan, Survey},
    thread_pool::ThreadPool,
};

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionPurpose {
    /// Short transactions, under the statement timeout.
    Tasks,
    /// Work without a statement timeout: a migration, waiting for another process's migration, or a survey.
    Maintenance,
}

/// A database engine that runs as a server.
pub(crate) trait ServerEngine: Send + Sync + Sized + 'static {
    /// The connection type.
    type Db: SimpleConnection + Send;
    /// Name of the engine.
    const NAME: &str;

    /// The options of the database.
    fn options(&self) -> &Options;

    /// Connects, within the timeout of the options. The error is a message without the password.
    fn connect(&self, purpose: ConnectionPurpose) -> Result<Self::Db, String>;

    /// Starts a transaction that may write.
    fn begin(&self, db: &mut Self::Db) -> QueryResult<()>;

    /// Whether a query may run outside a transaction.
    fn reads_without_transaction(&self) -> bool;

    /// Compares the schema with the migrations of this program.
    fn schema_difference(db: &mut Self::Db) -> QueryResult<SchemaDifference>;

    /// Applies the pending migrations, one process at a time, and returns their versions.
    fn migrate(db: &mut Self::Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>>;

    /// Inspects another system's users table and returns the statements for it.
    fn plan(db: &mut Self::Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>>;

    /// Inspects another system's users table and returns a report.
    fn survey(
        db: &mut Self::Db,
        mapping: &Mapping,
        extent: &Extent,
    ) -> QueryResult<Result<Survey, MappingError>>;
}

/// An open database on a server.
pub(crate) struct ServerStore<E: ServerEngine> {
    shared: Arc<Shared<E>>,
    groups: Groups,
    plan: Option<Arc<Plan>>,
}

/// The threads of an open database.
struct Shared<E: ServerEngine> {
    thread_pool: ThreadPool<dyn ThreadTask<E::Db>>,
    options: Options,
}

impl<E: ServerEngine> fmt::Debug for ServerStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(E::NAME)
    }
}

impl<E: ServerEngine> ServerStore<E> {
    /// Starts the threads and opens the first connection, which shows that the server responds. The other threads
    /// connect when they get their first task.
    pub(crate) async fn open(engine: E, mapping: Option<&Mapping>) -> Result<Self, OpenError> {
        let engine = Arc::new(engine);
        let plan = match mapping {
            Some(mapping) => Some(Arc::new(plan(engine.clone(), mapping.clone()).await?)),
            None => None,
        };
        let options = engine.options().clone();
        let (mut thread_pool, live_connections) = (ThreadPool::default(), Arc::new(AtomicUsize::new(0)));
        let no_thread = |error| server::<E>(format!("cannot start a thread: {error}"));
        let (ready, connected) = oneshot::channel();
        let mut ready = Some(ready);
        for number in 0..options.connections.max(1) {
            let thread = ConnectionThread::new(engine.clone(), live_connections.clone(), number);
            let ready = ready.take();
            thread_pool
                .add(&format!("{}-{number}", E::NAME), move |queue| thread.run(queue, ready))
                .map_err(no_thread)?;
        }
        let connected = connected.await.unwrap_or_else(|_| Err("the connection thread panicked".to_owned()));
        connected.map_err(server::<E>)?;
        Ok(Self { shared: Arc::new(Shared { thread_pool, options }), groups: Groups::default(), plan })
    }

    /// Returns the statements for another system's users table, or `None` if polyreset's own table is used.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.clone()
    }

    /// Runs a task in a transaction: completely or not at all. The changes are durable when this returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        task: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.shared.run(TaskKind::Write, task).await?)
    }

    /// Runs one query.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.shared.run(TaskKind::Read, query).await?)
    }
}

impl<E: ServerEngine> Shared<E> {
    /// Queues a task and waits for its result: up to the connect timeout for a free connection, then for as long as a
    /// reconnect and two statements may take.
    async fn run<T: Send + 'static>(
        &self,
        kind: TaskKind,
        work: impl FnMut(&mut E::Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, DatabaseFault> {
        let Options { connect_timeout, statement_timeout, .. } = self.options;
        let (task, handle) = task::new(kind, work);
        self.thread_pool.push(task, false)?;
        handle.wait(connect_timeout, connect_timeout + 2 * statement_timeout).await
    }
}

/// Compares the schema with the migrations of this program.
pub(crate) async fn schema_difference<E: ServerEngine>(engine: E) -> Result<SchemaDifference, OpenError> {
    on_own_thread::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Maintenance)?;
        E::schema_difference(&mut db).map_err(|error| fault::from_error(error).to_string())
    })
    .await
}

/// Inspects another system's users table and returns the statements for it.
async fn plan<E: ServerEngine>(engine: Arc<E>, mapping: Mapping) -> Result<Plan, OpenError> {
    let plan = on_own_thread::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Maintenance)?;
        E::plan(&mut db, &mapping).map_err(|error| fault::from_error(error).to_string())
    });
    plan.await?.map_err(OpenError::Mapping)
}

/// Inspects another system's users table and returns a report.
pub(crate) async fn survey<E: ServerEngine>(
    engine: E,
    mapping: Mapping,
    extent: Extent,
) -> Result<Survey, OpenError> {
    let survey = on_own_thread::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Maintenance)?;
        E::survey(&mut db, &mapping, &extent).map_err(|error| fault::from_error(error).to_string())
    });
    survey.await?.map_err(OpenError::Mapping)
}

/// Applies the pending migrations and returns their versions.
pub(crate) async fn migrate<E: ServerEngine>(engine: E) -> Result<Vec<String>, OpenError> {
    on_own_thread::<E, _>(move || {
        let mut db = engine.connect(ConnectionPurpose::Maintenance)?;
        E::migrate(&mut db).map_err(|error| format!("the migration failed: {error}"))
    })
    .await
}

fn server<E: ServerEngine>(reason: String) -> OpenError {
    OpenError::Server { engine: E::NAME, reason }
}

/// Runs blocking work on its own thread. The error is a message.
async fn on_own_thread<E: ServerEngine, T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, OpenError> {
    let (caller, result) = oneshot::channel();
    let thread = thread::Builder::new().name(format!("{}-open", E::NAME));
    let work = move || {
        let result = work();
        finish_closing();
        caller.send(result)
    };
    let result = match thread.spawn(work) {
        Ok(_) => result.await.unwrap_or_else(|_| Err("the thread panicked".to_owned())),
        Err(error) => Err(format!("cannot start a thread: {error}")),
    };
    result.map_err(server::<E>)
}

/// Interval between connection attempts of a thread while other threads have a connection.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
