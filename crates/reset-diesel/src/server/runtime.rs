//! The runtime under a connection: one for each thread that owns one, and driven only while that thread waits.
//!
//! The drivers are asynchronous and Diesel's queries are not. Their meeting place is [`OnThread`]: the future of a
//! query runs on the thread that asked, and with it whatever the driver has spawned there.

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

thread_local! {
    static RUNTIME: Arc<Runtime> = Arc::new(
        Builder::new_current_thread().enable_all().build().expect("a thread that can wait for sockets"),
    );
    /// Longest time for one answer of the server; none while a migration runs.
    static LIMIT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// How long a closed connection is given to say good-bye.
const GOOD_BYE: Duration = Duration::from_millis(2);

/// The runtime that a connection was made on. It goes where the connection goes.
pub(crate) struct OnThread(Arc<Runtime>);

impl BlockOn for OnThread {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let Some(limit) = LIMIT.get() else { return self.0.block_on(future) };
        // Made inside: a timer belongs to a runtime.
        let answered = self.0.block_on(async { timeout(limit, future).await });
        // What the future would have returned is anybody's type, so there is no error to return in its place. This
        // unwinds without being a panic: nothing is printed. `within` stops it.
        answered.unwrap_or_else(|_| resume_unwind(Box::new(Silent)))
    }

    fn get_runtime() -> Self {
        Self(RUNTIME.with(Arc::clone))
    }
}

/// The server did not answer in time. What it did is not known, and the connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silent;

impl Silent {
    /// Whether it is what unwound a thread's stack.
    pub(super) fn is(payload: &(dyn Any + Send)) -> bool {
        payload.is::<Self>()
    }
}

/// Runs `work`, in which each answer of the server may take `limit`. The drivers set no limit of their own: a machine
/// that lost its power closes no connection, and one would wait for ever.
pub(super) fn within<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, Silent> {
    let before = LIMIT.replace(Some(limit));
    // Sound: whoever is told of silence gives the connection up.
    let done = catch_unwind(AssertUnwindSafe(work));
    LIMIT.set(before);
    done.map_err(|payload| if Silent::is(&*payload) { Silent } else { resume_unwind(payload) })
}

/// Runs a future on this thread's runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(Arc::clone).block_on(future)
}

/// Drops what may hold a connection, and lets the driver close it in good order.
pub(crate) fn linger() {
    block_on(async { sleep(GOOD_BYE).await });
}
