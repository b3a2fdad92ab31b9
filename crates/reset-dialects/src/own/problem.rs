//! Our own envelope: problem details (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::{
    refusal::Refusal,
    wire::{json, retry_after},
};

#[derive(Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
}

/// What is said where no dialect has the word.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let (status, title) = match refusal {
        Refusal::NotFound { .. } => (StatusCode::NOT_FOUND, "No such path"),
        Refusal::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "The path has other methods"),
        Refusal::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        Refusal::BodyUnreadable => (StatusCode::BAD_REQUEST, "The body could not be read"),
        Refusal::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "The body took too long"),
        Refusal::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json"),
        Refusal::Failure => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        Refusal::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Refusal::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
    };
    let content_type = HeaderValue::from_static("application/problem+json");
    let response = json(status, content_type, &Problem { status: status.as_u16(), title });
    match refusal {
        Refusal::TooMany { retry_after: wait } | Refusal::Busy { retry_after: wait } => {
            retry_after(response, *wait)
        }
        _ => response,
    }
}
