//! polyreset behind warp.
//!
//! The library half is [`filter`]: rows become warp filters, to be joined to a host's own with `.or`. The
//! binary half, behind the feature `standalone`, is `serve` and a `main` of one line.

#[cfg(feature = "standalone")]
mod serve;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use reset_dialects::{Api, Route};
use warp::{Filter, Rejection, filters::BoxedFilter, path::Tail, reject};

#[cfg(feature = "standalone")]
pub use crate::serve::serve;
use crate::wire::{WireRequest, wire_request};

/// Join to the host's own filters with `.or`. Unknown paths are rejected, so that the host sees them.
pub fn filter(api: Api) -> BoxedFilter<(Response<Bytes>,)> {
    let rows = api.routes().iter().map(|route| row(&api, route));
    rows.reduce(|all, one| all.or(one).unify().boxed()).expect("our own paths are always there")
}

/// One row: a handler for each method, the dialect's own 405, and the body limit.
fn row(api: &Api, route: &Arc<Route>) -> BoxedFilter<(Response<Bytes>,)> {
    let wrong_method = {
        let (api, route) = (api.clone(), route.clone());
        warp::header::headers_cloned().map(move |headers: HeaderMap| api.wrong_method(&route, &headers))
    };
    let refused = exactly(route.path.clone()).and(wrong_method).boxed();
    route.endpoints.iter().fold(refused, |rest, endpoint| {
        let (api, route, endpoint) = (api.clone(), route.clone(), endpoint.clone());
        let accepted = exactly(route.path.clone())
            .and(method(endpoint.method.clone()))
            .and(wire_request(route.body_limit))
            .then(move |request: WireRequest| {
                let (api, route, endpoint) = (api.clone(), route.clone(), endpoint.clone());
                async move { api.answer(&route, &endpoint, request).await }
            });
        accepted.or(rest).unify().boxed()
    })
}

/// `warp::path!` would also take a trailing slash, and `full` could not be nested.
fn exactly(path: String) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let exact = move |tail: Tail| {
        let same = path.strip_prefix('/') == Some(tail.as_str());
        async move { if same { Ok(()) } else { Err(reject::not_found()) } }
    };
    warp::path::tail().and_then(exact).untuple_one()
}

fn method(wanted: Method) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let matches = move |method: Method| {
        let head = method == Method::HEAD && wanted == Method::GET;
        let same = head || method == wanted;
        async move { if same { Ok(()) } else { Err(reject::not_found()) } }
    };
    warp::method().and_then(matches).untuple_one()
}
