//! Connections for the front-ends.
//!
//! The loops that the three frameworks bring differ in what they read and refuse before any row is reached, and
//! two of them set no time-out: a client that sends half a head would be waited for without end. So all share
//! this one, on hyper, and are the same before their rows as behind them. [`serve`] is for services that any
//! thread may run, [`serve_on_workers`] for those that stay on one.
//!
//! HTTP/1.1 alone is spoken. HTTP/2 and TLS are the proxy's in front.

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

/// Longest time that a client may take over the head of a request, the idle time before it included. Default 5 s
/// (R40): a proxy in front keeps its own pool, and opens another connection when it needs one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections at once. More wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 4096;

/// Most bytes of a head that are read at all. Measured against [`HEAD_MAX`] is the head without spare white
/// space.
const READ_MAX: usize = 2 * HEAD_MAX;
/// Most headers of a request.
const HEADERS_MAX: usize = 96;

/// Serves `service` on `listener` until `stop`, then lets requests in flight finish.
///
/// # Errors
/// When the listener cannot be taken over by the runtime.
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
    let watched = &drain;
    let begin = move |arrival| {
        tokio::spawn(converse(arrival, service.clone(), watched.watcher()));
    };
    accept_until(stop, listener, CONNECTIONS_MAX, begin).await?;
    drain.shutdown().await;
    Ok(())
}

/// One connection to its end.
async fn converse<S, B>(arrival: Accepted, service: S, drain: Watcher)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Accepted { socket, peer, place: _place } = arrival;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (service, refusal) = (service.clone(), framing::refusal(&request));
        async move {
            if let Some(status) = refusal {
                return Ok::<_, S::Error>(framing::refuse(status));
            }
            framing::complete(&mut request);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let bodied = !request.body().is_end_stream();
            let mut response = service.oneshot(request).await?;
            if bodied {
                framing::part(&mut response);
            }
            Ok(response)
        }
    });
    match socket {
        Socket::Tcp(socket) => speak(socket, service, drain).await,
        Socket::Unix(socket) => speak(socket, service, drain).await,
    }
}

async fn speak<Io, S, B>(socket: Io, service: S, drain: Watcher)
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    // The patience is for a whole head, and begins with the connection or with the answer before.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_MAX);
    http.max_headers(HEADERS_MAX);
    let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    // What a client does wrong on its own connection is told nobody but who looks for it.
    if let Err(error) = drain.watch(connection).await {
        debug!(%error, "a connection ended early");
    }
}
