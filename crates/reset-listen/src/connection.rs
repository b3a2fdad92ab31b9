//! Serves one connection until it ends.

use std::{error::Error, future::pending, pin::pin, sync::Arc};

use bytes::Bytes;
use http_body_util::Either;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use reset_http::api::HEAD_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::{Service, service_fn};
use tracing::debug;

use crate::{
    HEAD_TIMEOUT, RequestBody,
    connections::Slot,
    drain::Watcher,
    framing,
    listener::{Accepted, Socket},
    upstream::{Upstream, respond},
    write_timeout::TimedWrites,
};

/// Maximum bytes of a head that are read. The limit [`HEAD_MAX`] applies to the head without optional white space.
const READ_MAX: usize = 2 * HEAD_MAX;
/// Maximum number of headers of a request.
const HEADERS_MAX: usize = 96;

/// Serves one connection until it ends. An upgraded one lives on as a tunnel to the back end.
pub(crate) async fn serve_connection<S, B>(
    accepted: Accepted,
    service: S,
    upstream: Option<Arc<Upstream>>,
    drain: Watcher,
) where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Accepted { socket, slot } = accepted;
    let (peer, phase) = (slot.peer, slot.phase.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (service, rejection, phase) = (service.clone(), framing::rejection(&request), phase.clone());
        let upstream = upstream.clone();
        async move {
            if !phase.begin() {
                // The connection is about to be closed.
                return pending().await;
            }
            if let Some(status) = rejection {
                phase.respond();
                return Ok::<_, S::Error>(framing::reject(status).map(Either::Left));
            }
            let mut request = request.map(|body| RequestBody::new(body, phase.clone()));
            framing::ensure_path(&mut request);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let response = match upstream {
                Some(upstream) => upstream.serve(request, service, phase.clone()).await?,
                None => respond(service, request).await?.map(Either::Left),
            };
            phase.respond();
            Ok(response)
        }
    });
    match socket {
        Socket::Tcp(socket) => serve_http1(socket, slot, service, drain).await,
        Socket::Unix(socket) => serve_http1(socket, slot, service, drain).await,
    }
}

async fn serve_http1<Io, S, B>(socket: Io, slot: Slot, service: S, mut drain: Watcher)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let phase = slot.phase.clone();
    let socket = TokioIo::new(TimedWrites::new(socket, slot));
    let mut http = http1::Builder::new();
    // The timeout covers a whole head. It starts when the connection opens, and again after each response.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_MAX);
    http.max_headers(HEADERS_MAX);
    let connection = http.serve_connection(socket, TowerToHyperService::new(service));
    let mut connection = pin!(connection.with_upgrades());
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                // Logged at `debug` only, so that clients with broken connections cannot fill the log.
                if let Err(error) = ended {
                    debug!(%error, "connection ended with an error");
                }
                return;
            }
            () = drain.begun(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = phase.evicted() => {
                debug!("connection closed to make room for another one");
                return;
            }
        }
    }
}
