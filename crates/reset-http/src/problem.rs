//! Error responses of the service endpoints: problem details (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    common_error::CommonError,
    wire::{json, retry_after},
};

#[derive(Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
}

/// Renders a common error for a path that no dialect owns.
pub fn render(error: &CommonError) -> Response<Bytes> {
    let (status, title) = match error {
        CommonError::NotFound { .. } => (StatusCode::NOT_FOUND, "No such path"),
        CommonError::MethodNotAllowed { .. } => {
            (StatusCode::METHOD_NOT_ALLOWED, "The path has other methods")
        }
        CommonError::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        CommonError::BodyUnreadable => (StatusCode::BAD_REQUEST, "The body could not be read"),
        CommonError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "The body took too long"),
        CommonError::UnsupportedMediaType { .. } => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json")
        }
        CommonError::Failure => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        CommonError::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        CommonError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
    };
    let response = problem(status, title);
    match error {
        CommonError::TooMany { retry_after: wait } | CommonError::Busy { retry_after: wait } => {
            retry_after(response, *wait)
        }
        _ => response,
    }
}

/// Renders the 401 for a request without the token that the routes require.
pub(crate) fn unauthorized() -> Response<Bytes> {
    let mut response = problem(StatusCode::UNAUTHORIZED, "The request needs the bearer token");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Renders the error of a request that the back end did not answer.
pub(crate) fn gateway(status: StatusCode) -> Response<Bytes> {
    let title = match status {
        StatusCode::REQUEST_TIMEOUT => "The body took too long",
        StatusCode::GATEWAY_TIMEOUT => "The back end did not answer in time",
        StatusCode::LOOP_DETECTED => "The back end leads back to this server",
        _ => "The back end cannot be reached",
    };
    problem(status, title)
}

fn problem(status: StatusCode, title: &'static str) -> Response<Bytes> {
    let content_type = HeaderValue::from_static("application/problem+json");
    json(status, content_type, &Problem { status: status.as_u16(), title })
}
