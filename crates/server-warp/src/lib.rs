//! polyreset behind warp.
//!
//! The library half is [`filter`]: rows become warp filters, to be joined to a host's own with `.or`. The
//! binary half, behind the feature `standalone`, is `serve` and a `main` of one line.

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

/// Join to the host's own filters with `.or`. Unknown paths are rejected, so that the host sees them.
pub fn filter(api: Api) -> BoxedFilter<(Response<Bytes>,)> {
    let row = row(&api);
    let answer = move |route: Arc<Route>, head: Request<()>, body| {
        let api = api.clone();
        async move {
            match route.endpoint(head.method()) {
                Some(endpoint) => {
                    let request = with_body(head, body, route.body_limit).await;
                    api.answer(&route, endpoint, request).await
                }
                None => api.wrong_method(&route, head.headers()),
            }
        }
    };
    row.and(head()).and(warp::body::stream()).then(answer).boxed()
}

/// The row whose path is exactly what is left of the request's. One look-up: a chain of `.or` over all rows
/// would try them one after another, and cost each refusal more than everything else together. `warp::path!`
/// would also take a trailing slash, and `full` could not be nested.
fn row(api: &Api) -> impl Filter<Extract = (Arc<Route>,), Error = Rejection> + Clone + use<> {
    let rows =
        api.routes().iter().map(|route| (route.path.trim_start_matches('/').to_owned(), route.clone()));
    let rows: Arc<HashMap<String, Arc<Route>>> = Arc::new(rows.collect());
    warp::path::tail().and_then(move |tail: Tail| {
        let row = rows.get(tail.as_str()).cloned();
        async move { row.ok_or_else(reject::not_found) }
    })
}
