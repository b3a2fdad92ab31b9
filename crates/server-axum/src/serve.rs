//! The standalone server: the rows, and the 404 of whichever dialect owns the path.

use axum::{Router, extract::State, handler::Handler};
use reset_app::{Listener, ServeFuture, Stop};
use reset_http::Api;

use crate::{
    router,
    wire::{WireRequest, limit, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> ServeFuture {
    Box::pin(reset_listen::serve(listener, with_strays(api), stop))
}

/// The rows, and an answer for everything else.
fn with_strays(api: Api) -> Router {
    let stray = async |State(api): State<Api>, WireRequest(request): WireRequest| {
        respond(api.fallback(request).await)
    };
    router(api.clone()).fallback_service(stray.layer(limit(api.body_limit())).with_state(api))
}
