//! Connection handling that the three servers share.
//!
//! The connection loops of the three frameworks differ in which requests they reject before routing, and two of them
//! set no timeout, so a client that sends half a head would hold its connection forever. All three servers therefore
//! use this loop, built on hyper, and behave alike before routing. [`serve`] takes services that any thread can run;
//! [`serve_on_workers`] takes services that are bound to one thread.
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

mod framing;
mod listener;
mod socket;
mod workers;

use std::{error::Error, pin::Pin, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use reset_http::api::HEAD_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::{Service, ServiceExt, service_fn};
use tracing::debug;

use crate::listener::{Accepted, Socket, accept_until};
pub use crate::{
    socket::{Bound, ListenAddress, Listener, SocketFile, bind},
    workers::serve_on_workers,
};

/// Resolves when the server must stop accepting and finish what is in flight.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Timeout for the head of a request, including the idle time before it: 5 s (R40). A proxy in front keeps its own pool
/// and opens another connection when it needs one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of concurrent connections. More wait in the system's accept queue.
pub const CONNECTIONS_MAX: usize = 4096;

/// Maximum bytes of a head that are read. The limit [`HEAD_MAX`] applies to the head without optional white space.
const READ_MAX: usize = 2 * HEAD_MAX;
/// Maximum number of headers of a request.
const HEADERS_MAX: usize = 96;

/// Serves `service` on `listener` until `stop`, then lets requests in flight finish.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime.
pub async fn serve<S, B>(listener: Listener, service: S, stop: Stop) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
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
    accept_until(stop, listener, CONNECTIONS_MAX, on_accept).await?;
    drain.shutdown().await;
    Ok(())
}

/// Serves one connection until it ends.
async fn serve_connection<S, B>(accepted: Accepted, service: S, drain: Watcher)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Accepted { socket, peer, permit: _permit } = accepted;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (service, rejection) = (service.clone(), framing::rejection(&request));
        async move {
            if let Some(status) = rejection {
                return Ok::<_, S::Error>(framing::reject(status));
            }
            framing::ensure_path(&mut request);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let has_body = !request.body().is_end_stream();
            let mut response = service.oneshot(request).await?;
            if has_body {
                framing::close_after_unread_body(&mut response);
            }
            Ok(response)
        }
    });
    match socket {
        Socket::Tcp(socket) => serve_http1(socket, service, drain).await,
        Socket::Unix(socket) => serve_http1(socket, service, drain).await,
    }
}

async fn serve_http1<Io, S, B>(socket: Io, service: S, drain: Watcher)
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    // The timeout covers a whole head. It starts when the connection opens, and again after each response.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_MAX);
    http.max_headers(HEADERS_MAX);
    let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    // Logged at `debug` only, so that clients with broken connections cannot fill the log.
    if let Err(error) = drain.watch(connection).await {
        debug!(%error, "connection ended with an error");
    }
}
