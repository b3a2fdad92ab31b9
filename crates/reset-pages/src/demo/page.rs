//! The frame shared by all demo pages: style sheet, steps, Content-Security-Policy, messages and errors.

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::{hosted::Tone, html};
use reset_http::{common_error::CommonError, wire::retry_after};

/// The style sheet of the hosted pages, followed by the rules for the demo pages.
const STYLE: &str = concat!(include_str!("../hosted/pages.css"), include_str!("demo.css"));
/// Copies commands to the clipboard; the pages work without it.
const SCRIPT: &str = include_str!("demo.js");

/// Content-Security-Policy: no external resources, only this style sheet and this script, forms only to this server,
/// frames only for a mail, no framing by others (R35).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; frame-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
        html::source(STYLE),
        html::source(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
});

/// The steps of the tour, each with the page where it happens.
const STEPS: [(usize, &str, &str); 4] = [
    (1, "Request", "."),
    (2, "Read the mail", "mailbox"),
    (3, "Set a password", "reset"),
    (4, "Sign in", "sign-in"),
];

/// Template variables of the frame around one page.
pub(super) struct Frame {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    /// The step that the page is, from 1; 0 on a page that is none.
    pub(super) step: usize,
    /// Whether the hosted pages are served, one of which is a step.
    pages: bool,
}

impl Frame {
    /// The frame of the page of this step.
    pub(super) fn new(step: usize, pages: bool) -> Self {
        Self { style: STYLE, script: SCRIPT, step, pages }
    }

    /// Returns number, name and page of each step.
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
        let pages = self.pages;
        STEPS.into_iter().map(move |(number, name, page)| {
            (number, name, if page == "reset" && !pages { "mailbox" } else { page })
        })
    }
}

/// A page with a message and a link to the start page.
#[derive(Template)]
#[template(path = "demo/message.html")]
struct Message<'a> {
    frame: Frame,
    tone: Tone,
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
    let tone = if status.is_success() { Tone::Success } else { Tone::Warning };
    page(status, &Message { frame: Frame::new(0, false), tone, title, line })
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
