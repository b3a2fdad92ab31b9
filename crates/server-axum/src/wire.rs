//! Conversions between axum's types and those of `http`.

use std::net::SocketAddr;

use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request},
    http::{self, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::TryFutureExt;
use reset_http::{BodyError, Peer, with_body_timeout};

/// A request with its body, or with the reason why the body could not be read.
pub(crate) struct WireRequest(pub(crate) http::Request<Result<Bytes, BodyError>>);

/// Maximum length of a body in bytes.
#[derive(Clone)]
pub(crate) struct Limit(u64);

/// Limits what [`WireRequest`] reads.
pub(crate) fn limit(bytes: usize) -> (DefaultBodyLimit, Extension<Limit>) {
    (DefaultBodyLimit::max(bytes), Extension(Limit(bytes.try_into().unwrap_or(u64::MAX))))
}

impl<S: Send + Sync> FromRequest<S> for WireRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        // The standalone server has set the peer already; a host application sets axum's `ConnectInfo`.
        let connect_info =
            parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| Peer(info.ip().to_canonical()));
        if let (None, Some(peer)) = (parts.extensions.get::<Peer>(), connect_info) {
            parts.extensions.insert(peer);
        }
        // A body that is declared too large is rejected without reading it.
        let declared = body.size_hint().lower();
        if parts.extensions.get().is_some_and(|Limit(limit)| declared > *limit) {
            return Ok(Self(http::Request::from_parts(parts, Err(BodyError::TooLarge))));
        }
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), state);
        let body = with_body_timeout(read.map_err(|rejection| match rejection.status() {
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
