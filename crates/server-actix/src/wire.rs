//! Conversions between actix's types and those of `http` 1. actix uses `http` 0.2; only this file handles both
//! versions of the crate.

use std::convert::Infallible;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{Method, StatusCode, header, header::HeaderValue as ActixValue},
    web,
};
use bytes::Bytes;
use futures_util::{StreamExt, future::LocalBoxFuture, stream};
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use reset_http::{BodyError, Peer, with_body_timeout};

/// A request with its body, or with the reason why the body could not be read.
pub(crate) struct WireRequest(pub(crate) http::Request<Result<Bytes, BodyError>>);

impl FromRequest for WireRequest {
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (head, body) = (head(request), body(request, payload));
        Box::pin(async move { Ok(Self(http::Request::from_parts(head, with_body_timeout(body).await))) })
    }
}

/// Reads the body with actix, limited to the length that the request declares where actix would read further.
fn body(request: &HttpRequest, payload: &mut Payload) -> LocalBoxFuture<'static, Result<Bytes, BodyError>> {
    if let Some(length) = declared_length(request) {
        let first = stream::unfold((payload.take(), length), |(mut rest, left)| async move {
            let chunk = if left == 0 { None } else { rest.next().await }?;
            let chunk = chunk.map(|chunk| chunk.slice(..chunk.len().min(left)));
            let left = left - chunk.as_ref().map_or(left, Bytes::len);
            Some((chunk, (rest, left)))
        });
        *payload = Payload::Stream { payload: Box::pin(first) };
    }
    let body = web::Bytes::from_request(request, payload);
    Box::pin(async {
        body.await.map_err(|error| match error.as_response_error().status_code() {
            StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
            _ => BodyError::Unreadable,
        })
    })
}

/// Returns the real length of a body that actix would read until the connection ends. After `CONNECT` and
/// `Upgrade: websocket` actix expects another protocol, which this server does not support.
fn declared_length(request: &HttpRequest) -> Option<usize> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let websocket = |value: &ActixValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let upgrades = headers.get_all(header::UPGRADE).any(websocket);
    let connects = request.method() == Method::CONNECT && length.is_none();
    let until_close = (upgrades || connects) && !headers.contains_key(header::TRANSFER_ENCODING);
    until_close.then(|| length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0))
}

/// Returns the head of the request in `http` 1: the original head in the standalone server, a conversion elsewhere.
pub(crate) fn head(request: &HttpRequest) -> Parts {
    if let Some(parts) = request.extensions_mut().remove::<Parts>() {
        return parts;
    }
    let mut parts = http::Request::new(()).into_parts().0;
    parts.headers = headers(request.headers());
    if let Some(peer) = request.peer_addr() {
        parts.extensions.insert(Peer(peer.ip().to_canonical()));
    }
    // `http` 1 parses whatever actix parsed. If it ever does not, the request matches no route.
    if let Ok(method) = http::Method::from_bytes(request.method().as_str().as_bytes()) {
        parts.method = method;
    }
    if let Ok(uri) = request.uri().to_string().parse() {
        parts.uri = uri;
    }
    parts
}

/// Converts actix's headers to `http` 1.
pub(crate) fn headers(actix: &header::HeaderMap) -> HeaderMap {
    let mut converted = HeaderMap::with_capacity(actix.len());
    for (name, value) in actix {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            converted.append(name, value);
        }
    }
    converted
}

/// Converts headers of `http` 1 to actix's.
#[cfg(feature = "standalone")]
pub(crate) fn actix_headers(headers: &HeaderMap) -> header::HeaderMap {
    let mut converted = header::HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = header::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, ActixValue::from_bytes(value.as_bytes())) {
            converted.append(name, value);
        }
    }
    converted
}

pub(crate) fn respond(response: http::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).expect("a valid status");
    let mut out = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        out.append_header((name.as_str(), value.as_bytes()));
    }
    out.body(body)
}
