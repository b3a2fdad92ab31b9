//! The standalone server: the rows, and the 404 of whichever dialect owns the path.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use reset_app::{Listener, ServeFuture, Stop};
use reset_http::{Api, BodyError};
use warp::Filter;

use crate::{
    filter,
    wire::{head, with_body},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> ServeFuture {
    Box::pin(reset_listen::serve(listener, warp::service(with_strays(api)), stop))
}

/// The rows, and an answer for everything else. The type says that no rejection is left to leak.
fn with_strays(
    api: Api,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Infallible> + Clone + Send + Sync + 'static {
    let (strays, last) = (api.clone(), api.clone());
    let stray = head().and(warp::body::stream()).then(move |head, body| {
        let api = strays.clone();
        async move { api.fallback(with_body(head, body, api.body_limit()).await).await }
    });
    // A body is taken once: only a filter that took it and rejected would lead here, and none of ours does.
    let bodiless = warp::any().then(move || {
        let api = last.clone();
        async move { api.fallback(Request::new(Err(BodyError::Unreadable))).await }
    });
    filter(api).or(stray).unify().or(bodiless).unify()
}
