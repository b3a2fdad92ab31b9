//! The standalone server: the rows, and the 404 of whichever dialect owns the path.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    handler::Handler,
    serve::ListenerExt,
};
use reset_app::{Listener, Serving, Stop};
use reset_dialects::Api;
use tracing::debug;

use crate::{
    router,
    wire::{WireRequest, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> Serving {
    let app = with_strays(api);
    Box::pin(async move {
        match listener {
            Listener::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|socket| {
                    // An answer is one small write: waiting for more only delays it.
                    if let Err(error) = socket.set_nodelay(true) {
                        debug!(%error, "TCP_NODELAY not set");
                    }
                });
                axum::serve(listener, app).with_graceful_shutdown(stop).await
            }
            Listener::Unix(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                axum::serve(listener, app).with_graceful_shutdown(stop).await
            }
        }
    })
}

/// The rows, and an answer for everything else.
fn with_strays(api: Api) -> Router {
    let stray =
        async |State(api): State<Api>, WireRequest(request): WireRequest| respond(api.stray(request).await);
    let limit = DefaultBodyLimit::max(api.body_limit());
    router(api.clone()).fallback_service(stray.layer(limit).with_state(api))
}
