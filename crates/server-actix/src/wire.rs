//! Where actix's requests and answers meet the neutral ones: actix still speaks `http` 0.2, and the two
//! versions of the crate meet here and nowhere else.

use std::convert::Infallible;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode, web};
use bytes::Bytes;
use futures_util::{TryFutureExt, future::LocalBoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue};
use reset_dialects::{BodyError, Peer, patiently};

/// A request with its body, or with why there is none.
pub(crate) struct WireRequest(pub(crate) http::Request<Result<Bytes, BodyError>>);

impl FromRequest for WireRequest {
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), web::Bytes::from_request(request, payload));
        Box::pin(async move {
            let body = patiently(body.map_err(|error| match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
                _ => BodyError::Unreadable,
            }));
            let mut wire = http::Request::new(body.await);
            *wire.headers_mut() = headers(&request);
            if let Some(peer) = request.peer_addr() {
                wire.extensions_mut().insert(Peer(peer.ip().to_canonical()));
            }
            // What actix parsed, `http` 1 parses as well; should it not, the request is one that matches nothing.
            if let Ok(method) = http::Method::from_bytes(request.method().as_str().as_bytes()) {
                *wire.method_mut() = method;
            }
            if let Ok(uri) = request.uri().to_string().parse() {
                *wire.uri_mut() = uri;
            }
            Ok(Self(wire))
        })
    }
}

/// The request's headers, in `http` 1.
pub(crate) fn headers(request: &HttpRequest) -> HeaderMap {
    let pair =
        |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        };
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers().iter().filter_map(pair) {
        headers.append(name, value);
    }
    headers
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
