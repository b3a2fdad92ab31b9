//! Connections for the front-ends on hyper.
//!
//! The loops that axum and warp bring set no time-out: a client that sends half a head would be waited for
//! without end. So both use this one, with the same limits that `server-actix` sets in actix's own words.
//!
//! HTTP/1.1 alone is spoken, on every front-end alike. HTTP/2 and TLS are the proxy's in front.

mod door;

use std::{
    error::Error,
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use reset_app::{CONNECTIONS_MAX, HEAD_PATIENCE, Listener, Stop};
use reset_dialects::{Peer, api::HEAD_MAX};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Semaphore,
    time::sleep,
};
use tower::{Service, ServiceExt, service_fn};
use tracing::{debug, warn};

/// Most bytes of a head that are read at all. Measured against [`HEAD_MAX`] is the head without spare white
/// space, since other servers show no other.
const READ_MAX: usize = 2 * HEAD_MAX;
/// Most headers of a request: actix's own limit, which cannot be set.
const HEADERS_MAX: usize = 96;
/// Wait after the system refused a connection: most likely there are no file descriptors left.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Serves `service` on `listener` until `stop`, then lets requests in flight finish.
///
/// # Errors
/// When the listener cannot be taken over by the runtime.
pub async fn serve<S, B>(listener: Listener, service: S, stop: Stop) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    match listener {
        Listener::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            // An answer is one small write: waiting for more only delays it.
            let prompt = |socket: TcpStream| socket.set_nodelay(true).map(|()| socket);
            let accept = move |context: &mut Context<'_>| {
                let accepted = listener.poll_accept(context)?;
                accepted.map(|(socket, peer)| Ok((prompt(socket)?, Some(Peer(peer.ip().to_canonical())))))
            };
            accept_until(stop, accept, service).await;
        }
        Listener::Unix(listener) => {
            let listener = UnixListener::from_std(listener)?;
            let accept = move |context: &mut Context<'_>| {
                listener.poll_accept(context)?.map(|(socket, _)| Ok((socket, None)))
            };
            accept_until(stop, accept, service).await;
        }
    }
    Ok(())
}

async fn accept_until<S, B, Socket>(
    mut stop: Stop,
    accept: impl Fn(&mut Context<'_>) -> Poll<io::Result<(Socket, Option<Peer>)>> + Send,
    service: S,
) where
    Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (connections, drain) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), GracefulShutdown::new());
    let mut http = http1::Builder::new();
    // The patience is for a whole head, and begins with the connection or with the answer before.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(READ_MAX);
    http.max_headers(HEADERS_MAX);
    loop {
        let accepted = async {
            let permit = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((permit, poll_fn(|context| accept(context)).await?))
        };
        let (permit, (socket, peer)) = tokio::select! {
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a connection was not accepted");
                    sleep(REFUSED_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let service = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (service, refusal) = (service.clone(), door::refusal(&request));
            async move {
                if let Some(status) = refusal {
                    return Ok(door::refuse(status));
                }
                door::complete(&mut request);
                if let Some(peer) = peer {
                    request.extensions_mut().insert(peer);
                }
                service.oneshot(request).await
            }
        });
        let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        let connection = drain.watch(connection);
        tokio::spawn(async move {
            // What a client does wrong on its own connection is told nobody but who looks for it.
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    // Closed now, so that who comes later is refused and does not wait in vain.
    drop(accept);
    drain.shutdown().await;
}
