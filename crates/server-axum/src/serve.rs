//! The standalone server: the routes, and the 404 response of the dialect that owns the path.

use axum::{Router, extract::State, handler::Handler};
use reset_app::{Listener, ServeFuture, Stop};
use reset_http::Api;

use crate::{
    router,
    wire::{WireRequest, limit, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> ServeFuture {
    Box::pin(async move { reset_listen::serve(listener, &api, with_fallback(api.clone()), stop).await })
}

/// Returns the routes with a fallback for all other requests.
fn with_fallback(api: Api) -> Router {
    let fallback = async |State(api): State<Api>, WireRequest(request): WireRequest| {
        respond(api.fallback(request).await)
    };
    router(api.clone()).fallback_service(fallback.layer(limit(api.body_limit())).with_state(api))
}
