//! polyreset behind axum.
//!
//! The library half is [`router`]: rows become axum routes, to be merged or nested into a host's own router.
//! The binary half, behind the feature `standalone`, is `serve` and a `main` of one line.

#[cfg(feature = "standalone")]
mod serve;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::{MethodFilter, MethodRouter},
};
use reset_http::{Api, Endpoint, Route};

#[cfg(feature = "standalone")]
pub use crate::serve::serve;
use crate::wire::{WireRequest, limit, respond};

/// Routes to merge or nest into the host's own router, whatever its state. Unknown paths are left to the host.
pub fn router<S: Clone + Send + Sync + 'static>(api: Api) -> Router<S> {
    let routes = api.routes().to_vec();
    let rows =
        routes.into_iter().fold(Router::new(), |router, route| router.route(&route.path, methods(&route)));
    rows.with_state(api)
}

/// One row: a handler for each method, the dialect's own 405, and the body limit.
fn methods(route: &Arc<Route>) -> MethodRouter<Api> {
    let wrong_method = {
        let route = route.clone();
        async move |State(api): State<Api>, headers: HeaderMap| respond(api.wrong_method(&route, &headers))
    };
    let on = |methods: MethodRouter<Api>, endpoint: &Endpoint| {
        let (route, endpoint) = (route.clone(), endpoint.clone());
        let filter = MethodFilter::try_from(endpoint.method.clone()).expect("a standard method");
        methods.on(
            filter,
            async move |State(api): State<Api>, WireRequest(request): WireRequest| -> Response {
                respond(api.answer(&route, &endpoint, request).await)
            },
        )
    };
    let methods = route.endpoints.iter().fold(MethodRouter::new(), on);
    methods.fallback(wrong_method).layer(limit(route.body_limit))
}
