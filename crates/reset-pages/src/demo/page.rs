//! The frame shared by all demo pages: style sheet, Content-Security-Policy, messages and errors.

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::html;
use reset_http::{common_error::CommonError, wire::retry_after};

/// The style sheet of the hosted pages, followed by the rules for the demo pages.
pub(super) const STYLE: &str = concat!(include_str!("../hosted/pages.css"), include_str!("demo.css"));

/// Content-Security-Policy: no external resources, no scripts, forms only to this server, no framing (R35).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src {}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        html::source(STYLE)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
});

/// A page with a message and a link to the start page.
#[derive(Template)]
#[template(path = "demo/message.html")]
struct Message<'a> {
    style: &'static str,
    title: &'a str,
    line: &'a str,
}

/// Renders a page.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response<Bytes> {
    let html = page.render().expect("rendering a template into memory cannot fail");
    html::page(status, html, &POLICY)
}

/// Renders a message.
pub(super) fn message(status: StatusCode, title: &str, line: &str) -> Response<Bytes> {
    page(status, &Message { style: STYLE, title, line })
}

/// Renders a common error as a page.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let (status, line) = match error {
        CommonError::NotFound { .. } => (StatusCode::NOT_FOUND, "There is no page at this address."),
        CommonError::MethodNotAllowed { .. } => (
            StatusCode::METHOD_NOT_ALLOWED,
            "This address does not support the request method. Begin at the start page.",
        ),
        CommonError::UnsupportedMediaType { .. } => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address accepts only a form.")
        }
        CommonError::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."),
        CommonError::BodyUnreadable => (StatusCode::BAD_REQUEST, "The form could not be read."),
        CommonError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive."),
        CommonError::Failure => {
            (StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred. The demo's log has the details.")
        }
        CommonError::TooMany { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many requests. Wait a moment, then try again.")
        }
        CommonError::Busy { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Wait a moment, then try again.")
        }
    };
    let response = message(status, "Request failed", line);
    match error {
        CommonError::TooMany { retry_after: wait } | CommonError::Busy { retry_after: wait } => {
            retry_after(response, *wait)
        }
        _ => response,
    }
}

/// Returns an error page if the browser reports that the form was submitted from another site.
pub(super) fn reject_cross_site(headers: &HeaderMap) -> Option<Response<Bytes>> {
    let line = "The form was submitted from another site. Begin at the start page.";
    crate::hosted::is_cross_site(headers).then(|| message(StatusCode::FORBIDDEN, "Request failed", line))
}
