//! The standalone server: the routes, and the 404 response of the dialect that owns the path.

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
    Box::pin(async move {
        let service = warp::service(with_fallback(api.clone()));
        reset_listen::serve(listener, &api, service, stop).await
    })
}

/// Returns the routes with a fallback for all other requests. The error type proves that no rejection reaches warp.
fn with_fallback(
    api: Api,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Infallible> + Clone + Send + Sync + 'static {
    let (fallback_api, bodiless_api) = (api.clone(), api.clone());
    let fallback = head().and(warp::body::stream()).then(move |head, body| {
        let api = fallback_api.clone();
        async move { api.fallback(with_body(head, body, api.body_limit()).await).await }
    });
    // warp gives out a body once, so this filter runs only after another one took the body and then rejected the
    // request. No filter here does.
    let bodiless = warp::any().then(move || {
        let api = bodiless_api.clone();
        async move { api.fallback(Request::new(Err(BodyError::Unreadable))).await }
    });
    filter(api).or(fallback).unify().or(bodiless).unify()
}
