//! Connection handling that the three servers share.
//!
//! The connection loops of the three frameworks differ in which requests they reject before routing, and two of them
//! set no timeout, so a client that sends half a head would hold its connection forever. All three servers therefore
//! use this loop, built on hyper, and behave alike before routing. [`serve`] takes services that any thread can run;
//! [`serve_on_workers`] takes services that are bound to one thread.
//!
//! # Limits on clients
//! A client that sends or reads too slowly is disconnected: it has [`HEAD_TIMEOUT`] for a head,
//! [`BODY_TIMEOUT`](reset_http::BODY_TIMEOUT) for a body, and [`STALL_TIMEOUT`] and [`WRITE_TIMEOUT`] for reading a
//! response. [`ConnectionLimits`] limits the connections of one client, and of all.
//!
//! Only HTTP/1.1 is supported. A reverse proxy provides HTTP/2 and TLS.
//!
//! ```
//! use reset_listen::ListenAddress;
//!
//! assert!(matches!(ListenAddress::parse("127.0.0.1:8080"), Some(ListenAddress::Tcp(_))));
//! assert!(matches!(ListenAddress::parse("unix:/run/polyreset.sock"), Some(ListenAddress::Unix(_))));
//! assert!(ListenAddress::parse("localhost").is_none());
//! ```

mod connection;
mod connections;
mod framing;
mod listener;
mod phase;
mod request_body;
mod socket;
mod throttle;
mod workers;
mod write_timeout;

use std::{error::Error, pin::Pin, time::Duration};

use hyper::{Request, Response, body::Body};
use hyper_util::server::graceful::GracefulShutdown;
use tower::Service;

use crate::{connection::serve_connection, listener::accept_until};
pub use crate::{
    connections::{CONNECTIONS_MAX, ConnectionLimits},
    request_body::RequestBody,
    socket::{Bound, ListenAddress, Listener, SocketFile, bind},
    workers::serve_on_workers,
    write_timeout::{STALL_TIMEOUT, WRITE_TIMEOUT},
};

/// Resolves when the server must stop accepting and finish what is in flight.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Timeout for the head of a request, including the idle time before it: 5 s (R40). A proxy in front keeps its own pool
/// and opens another connection when it needs one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves `service` on `listener` until `stop`, then lets requests in flight finish.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime.
pub async fn serve<S, B>(
    listener: Listener,
    limits: ConnectionLimits,
    service: S,
    stop: Stop,
) -> std::io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let drain = GracefulShutdown::new();
    let watchers = &drain;
    let on_accept = move |accepted| {
        tokio::spawn(serve_connection(accepted, service.clone(), watchers.watcher()));
    };
    accept_until(stop, listener, limits, on_accept).await?;
    drain.shutdown().await;
    Ok(())
}
