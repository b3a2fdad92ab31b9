//! One runtime per connection thread. It is driven only while that thread waits.
//!
//! The drivers are asynchronous and Diesel's queries are not. [`ThreadRuntime`] connects them: the future of a query
//! runs on the calling thread, together with the tasks that the driver has spawned there.

use std::{
    any::Any,
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::Duration,
};

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use super::fault;
use crate::fault::DatabaseFault;

thread_local! {
    static RUNTIME: Arc<Runtime> = Arc::new(
        Builder::new_current_thread().enable_all().build().expect("the system provides an event loop"),
    );
    /// Timeout of one response of the server; `None` while a migration runs.
    static RESPONSE_TIMEOUT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Time that a driver gets to close a dropped connection.
const CLOSE_TIME: Duration = Duration::from_millis(2);

/// The runtime that a connection was opened on. It lives as long as the connection.
pub(crate) struct ThreadRuntime(Arc<Runtime>);

impl BlockOn for ThreadRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let Some(limit) = RESPONSE_TIMEOUT.get() else { return self.0.block_on(future) };
        // The timer must be created on the runtime.
        let response = self.0.block_on(async { timeout(limit, future).await });
        // The future's output can be of any type, so there is no error value to return. Unwind instead, without the
        // message of a panic; `guarded` catches it.
        response.unwrap_or_else(|_| resume_unwind(Box::new(NoResponse)))
    }

    fn get_runtime() -> Self {
        Self(RUNTIME.with(Arc::clone))
    }
}

/// The server did not respond before the timeout. The effect of the statement is unknown, and the connection is
/// unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoResponse;

/// Converts the payload of an unwinding to a fault.
pub(super) fn unwound(payload: &(dyn Any + Send)) -> DatabaseFault {
    if payload.is::<NoResponse>() { fault::no_response() } else { DatabaseFault::Panicked }
}

/// Runs `work` with a timeout for each response of the server, and catches its panics. The drivers have no timeout of
/// their own: a host that lost its power closes no connection, so a thread would wait forever. A driver may also panic,
/// for example on an authentication method that it does not support; the thread must survive that.
pub(super) fn guarded<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, DatabaseFault> {
    let before = RESPONSE_TIMEOUT.replace(Some(limit));
    // Sound: the caller closes the connection when it gets an error.
    let result = catch_unwind(AssertUnwindSafe(work));
    RESPONSE_TIMEOUT.set(before);
    result.map_err(|payload| unwound(&*payload))
}

/// Runs a future on this thread's runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(Arc::clone).block_on(future)
}

/// Drives this thread's runtime for a moment, so that the driver can close a dropped connection properly.
pub(crate) fn finish_closing() {
    block_on(async { sleep(CLOSE_TIME).await });
}
