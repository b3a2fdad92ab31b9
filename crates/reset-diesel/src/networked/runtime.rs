//! The runtime under a connection: one for each thread that owns one, and driven only while that thread waits.
//!
//! The drivers are asynchronous and Diesel's queries are not. Their meeting place is [`OnThread`]: the future of a
//! query runs on the thread that asked, and with it whatever the driver has spawned there.

use std::{future::Future, sync::Arc, time::Duration};

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

thread_local! {
    static RUNTIME: Arc<Runtime> = Arc::new(
        Builder::new_current_thread().enable_all().build().expect("a thread that can wait for sockets"),
    );
}

/// How long a closed connection is given to say good-bye.
const GOOD_BYE: Duration = Duration::from_millis(2);

/// The runtime that a connection was made on. It goes where the connection goes.
pub(crate) struct OnThread(Arc<Runtime>);

impl BlockOn for OnThread {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn get_runtime() -> Self {
        Self(RUNTIME.with(Arc::clone))
    }
}

/// Runs a future on this thread's runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(Arc::clone).block_on(future)
}

/// Drops what may hold a connection, and lets the driver close it in good order.
pub(crate) fn linger() {
    block_on(async { sleep(GOOD_BYE).await });
}
