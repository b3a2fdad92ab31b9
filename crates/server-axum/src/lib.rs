//! polyreset on axum.
//!
//! As a library, [`router`] returns the routes as an axum router to merge or nest into the router of a host
//! application. As a binary, with the feature `standalone`, `serve` runs them as a server.
//!
//! ```no_run
//! # async fn host() -> Result<(), Box<dyn std::error::Error>> {
//! let polyreset = reset_app::Embedded::start(&[("public_url", "https://example.com/accounts")]).await?;
//! let app: axum::Router = axum::Router::new().nest("/accounts", server_axum::router(polyreset.api()));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "standalone")]
mod serve;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
    routing::{MethodFilter, MethodRouter},
};
use reset_http::{Api, Endpoint, Route};

#[cfg(feature = "standalone")]
pub use crate::serve::serve;
use crate::wire::{WireRequest, limit, respond};

/// Returns the routes to merge or nest into the host's router of any state type. The host handles unknown paths.
pub fn router<S: Clone + Send + Sync + 'static>(api: Api) -> Router<S> {
    let table = api.routes().to_vec();
    let router =
        table.into_iter().fold(Router::new(), |router, route| router.route(&route.path, methods(&route)));
    router.with_state(api)
}

/// Builds the handlers of one route: one per method, the dialect's 405 response, and the body limit.
fn methods(route: &Arc<Route>) -> MethodRouter<Api> {
    let wrong_method = {
        let route = route.clone();
        async move |State(api): State<Api>, method: Method, headers: HeaderMap| {
            respond(api.wrong_method(&route, &method, &headers))
        }
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
