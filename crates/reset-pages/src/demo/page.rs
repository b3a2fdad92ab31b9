//! What all pages of the demo have around them.

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::html;
use reset_http::{common_error::CommonError, wire::retry_after};

/// The style sheet: that of the pages for people, and what a page for developers has beside.
pub(super) const STYLE: &str = concat!(include_str!("../hosted/pages.css"), include_str!("demo.css"));

/// Nothing is loaded, nothing runs, forms lead to us, nobody frames it (R35).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src {}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        html::source(STYLE)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
});

/// A few words, and where to go on.
#[derive(Template)]
#[template(path = "demo/message.html")]
struct Message<'a> {
    style: &'static str,
    title: &'a str,
    line: &'a str,
}

/// An answer that is this page.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response<Bytes> {
    let html = page.render().expect("a template over texts that is written into memory");
    html::page(status, html, &POLICY)
}

/// An answer that says something.
pub(super) fn message(status: StatusCode, title: &str, line: &str) -> Response<Bytes> {
    page(status, &Message { style: STYLE, title, line })
}

/// What never reached a page, or never came back from one.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let (status, line) = match error {
        CommonError::NotFound { .. } => (StatusCode::NOT_FOUND, "There is no such page."),
        CommonError::MethodNotAllowed => {
            (StatusCode::METHOD_NOT_ALLOWED, "This address takes another method: begin at the start page.")
        }
        CommonError::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address takes a form."),
        CommonError::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."),
        CommonError::BodyUnreadable => (StatusCode::BAD_REQUEST, "The form could not be read."),
        CommonError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "The form took too long."),
        CommonError::Failure => {
            (StatusCode::INTERNAL_SERVER_ERROR, "The log of the demo says what happened.")
        }
        CommonError::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "That was often: wait a little."),
        CommonError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "There is much to do: wait a little."),
    };
    let response = message(status, "That did not work", line);
    match error {
        CommonError::TooMany { retry_after: wait } | CommonError::Busy { retry_after: wait } => {
            retry_after(response, *wait)
        }
        _ => response,
    }
}

/// The answer to a form from another site's page; a browser says so.
pub(super) fn foreign(headers: &HeaderMap) -> Option<Response<Bytes>> {
    let line = "The form was another site's: begin at the start page.";
    crate::hosted::is_foreign(headers).then(|| message(StatusCode::FORBIDDEN, "That did not work", line))
}
