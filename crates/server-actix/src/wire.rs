//! Where actix's requests and answers meet the neutral ones: actix still speaks `http` 0.2, and the two
//! versions of the crate meet here and nowhere else.

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

/// A request with its body, or with why there is none.
pub(crate) struct WireRequest(pub(crate) http::Request<Result<Bytes, BodyError>>);

impl FromRequest for WireRequest {
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (head, body) = (head(request), body(request, payload));
        Box::pin(async move { Ok(Self(http::Request::from_parts(head, with_body_timeout(body).await))) })
    }
}

/// The body as actix reads it, or the part of it that the request really has.
fn body(request: &HttpRequest, payload: &mut Payload) -> LocalBoxFuture<'static, Result<Bytes, BodyError>> {
    if let Some(length) = own_length(request) {
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

/// The length of a body that actix would read until the connection ends: behind `CONNECT` and
/// `Upgrade: websocket` it expects another protocol, and none is spoken here.
fn own_length(request: &HttpRequest) -> Option<usize> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let websocket = |value: &ActixValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let upgrades = headers.get_all(header::UPGRADE).any(websocket);
    let connects = request.method() == Method::CONNECT && length.is_none();
    let endless = (upgrades || connects) && !headers.contains_key(header::TRANSFER_ENCODING);
    endless.then(|| length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0))
}

/// The head of the request, in `http` 1: as it was read, where our own server did.
pub(crate) fn head(request: &HttpRequest) -> Parts {
    if let Some(parts) = request.extensions_mut().remove::<Parts>() {
        return parts;
    }
    let mut parts = http::Request::new(()).into_parts().0;
    parts.headers = headers(request.headers());
    if let Some(peer) = request.peer_addr() {
        parts.extensions.insert(Peer(peer.ip().to_canonical()));
    }
    // What actix parsed, `http` 1 parses as well; should it not, the request is one that matches nothing.
    if let Ok(method) = http::Method::from_bytes(request.method().as_str().as_bytes()) {
        parts.method = method;
    }
    if let Ok(uri) = request.uri().to_string().parse() {
        parts.uri = uri;
    }
    parts
}

/// actix's headers, in `http` 1.
pub(crate) fn headers(theirs: &header::HeaderMap) -> HeaderMap {
    let mut ours = HeaderMap::with_capacity(theirs.len());
    for (name, value) in theirs {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            ours.append(name, value);
        }
    }
    ours
}

/// Headers of `http` 1, as actix has them.
#[cfg(feature = "standalone")]
pub(crate) fn actix_headers(ours: &HeaderMap) -> header::HeaderMap {
    let mut theirs = header::HeaderMap::with_capacity(ours.len());
    for (name, value) in ours {
        let name = header::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, ActixValue::from_bytes(value.as_bytes())) {
            theirs.append(name, value);
        }
    }
    theirs
}

pub(crate) fn respond(response: http::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).expect("already a status");
    let mut out = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        out.append_header((name.as_str(), value.as_bytes()));
    }
    out.body(body)
}
