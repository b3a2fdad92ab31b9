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
//! # The back end
//! Requests that are not for polyreset are passed to the back end that was there before, if one is set (`upstream`).
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
mod drain;
mod framing;
mod listener;
mod phase;
mod request_body;
mod socket;
mod throttle;
mod upstream;
mod workers;
mod write_timeout;

use std::{error::Error, pin::Pin, time::Duration};

use bytes::Bytes;
use hyper::{Request, Response, body::Body};
use reset_http::Api;
use tower::Service;

use crate::{connection::serve_connection, drain::Drain, listener::accept_until, upstream::Upstream};
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

/// Serves `service` on `listener` until `stop`, then lets requests in flight finish. `service` answers the rows of `api`; if
/// that has a back end, all other requests are passed to it.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime, or if the back end is https and the trusted certificate
/// authorities cannot be read.
pub async fn serve<S, B>(listener: Listener, api: &Api, service: S, stop: Stop) -> std::io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Default + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (drain, upstream) = (Drain::new(), Upstream::of(api)?);
    let watchers = &drain;
    let on_accept = move |accepted| {
        tokio::spawn(serve_connection(accepted, service.clone(), upstream.clone(), watchers.watcher()));
    };
    accept_until(stop, listener, ConnectionLimits::of(api), on_accept).await?;
    drain.finish().await;
    Ok(())
}
