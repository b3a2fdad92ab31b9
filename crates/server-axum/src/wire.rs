//! Where axum's requests and answers meet the neutral ones.

use std::net::SocketAddr;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, FromRequest, Request},
    http::{self, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::TryFutureExt;
use reset_dialects::{BodyError, Peer, patiently};

/// A request with its body, or with why there is none.
pub(crate) struct WireRequest(pub(crate) http::Request<Result<Bytes, BodyError>>);

impl<S: Send + Sync> FromRequest<S> for WireRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        // Our own server told already; a host application tells in axum's words.
        let told =
            parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| Peer(info.ip().to_canonical()));
        if let (None, Some(peer)) = (parts.extensions.get::<Peer>(), told) {
            parts.extensions.insert(peer);
        }
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), state);
        let body = patiently(read.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
            _ => BodyError::Unreadable,
        }));
        let body = body.await;
        Ok(Self(http::Request::from_parts(parts, body)))
    }
}

pub(crate) fn respond(response: http::Response<Bytes>) -> Response {
    response.map(Body::from).into_response()
}
