//! polyreset on warp.
//!
//! As a library, [`filter`] returns the routes as a warp filter to join to the filters of a host application with
//! `.or`. As a binary, with the feature `standalone`, `serve` runs them as a server.
//!
//! ```no_run
//! # async fn host() -> Result<(), Box<dyn std::error::Error>> {
//! use warp::Filter;
//!
//! let polyreset = reset_app::Embedded::start(&[("public_url", "https://example.com/accounts")]).await?;
//! let app = warp::path("accounts").and(server_warp::filter(polyreset.api()));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "standalone")]
mod serve;
mod wire;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use reset_http::{Api, Route};
use warp::{Filter, Rejection, filters::BoxedFilter, path::Tail, reject};

#[cfg(feature = "standalone")]
pub use crate::serve::serve;
use crate::wire::{head, with_body};

/// Returns a filter to join to the host's filters with `.or`. It rejects unknown paths, so that the host handles them.
pub fn filter(api: Api) -> BoxedFilter<(Response<Bytes>,)> {
    let matched = route(&api);
    let answer = move |route: Arc<Route>, head: Request<()>, body| {
        let api = api.clone();
        async move {
            match route.endpoint(head.method()) {
                Some(endpoint) => {
                    let request = with_body(head, body, route.body_limit).await;
                    api.answer(&route, endpoint, request).await
                }
                None => api.wrong_method(&route, head.method(), head.headers()),
            }
        }
    };
    matched.and(head()).and(warp::body::stream()).then(answer).boxed()
}

/// Matches the route whose path equals the rest of the request's path, with one lookup. A chain of `.or` over all
/// routes would try them one after another, which costs more than the rest of a rejected request. `warp::path!` would
/// also accept a trailing slash, and a filter on `full` could not be nested.
fn route(api: &Api) -> impl Filter<Extract = (Arc<Route>,), Error = Rejection> + Clone + use<> {
    let routes =
        api.routes().iter().map(|route| (route.path.trim_start_matches('/').to_owned(), route.clone()));
    let routes: Arc<HashMap<String, Arc<Route>>> = Arc::new(routes.collect());
    warp::path::tail().and_then(move |tail: Tail| {
        let route = routes.get(tail.as_str()).cloned();
        async move { route.ok_or_else(reject::not_found) }
    })
}
