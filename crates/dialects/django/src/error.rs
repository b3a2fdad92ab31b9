//! The errors of Django REST Framework, with the texts of the framework, of Django and of the two libraries.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use reset_core::error::RequestError;
use reset_http::{
    common_error::CommonError,
    wire::{JSON, json, reply, whole_seconds},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::NAME;

/// Methods of every path, on every response of the views.
const ALLOW: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// An error that concerns the whole request.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
pub(super) struct Detail {
    /// Human-readable error message.
    #[schema(example = "Request was throttled. Expected available in 60 seconds.", required = true)]
    detail: String,
}

/// The body of a 400.
#[derive(ToSchema)]
#[schema(as = BadRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents the two formats of one response")]
pub(super) enum BadRequest {
    /// Error messages by field; `non_field_errors` are those of the whole body.
    Fields(BTreeMap<String, Vec<String>>),
    /// The body could not be read.
    Detail(Detail),
}

/// Error messages by field, in the order of the fields.
#[derive(Debug, Default)]
pub(super) struct FieldErrors(Map<String, Value>);

impl FieldErrors {
    /// Records the messages of one field.
    pub(super) fn add(&mut self, name: &'static str, messages: Vec<String>) {
        self.0.insert(name.to_owned(), messages.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The errors of the endpoints.
#[derive(Debug)]
pub(super) enum DjangoError {
    /// The body could not be read.
    Unreadable(&'static str),
    /// At least one field is invalid.
    Fields(FieldErrors),
    Common(CommonError),
}

impl DjangoError {
    /// Returns an error with one message about one field.
    pub(super) fn of(field: &'static str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, vec![message.into()]);
        Self::Fields(errors)
    }
}

impl From<CommonError> for DjangoError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for DjangoError {
    fn from(error: RequestError) -> Self {
        Self::Common(CommonError::of_request(NAME, &error))
    }
}

impl From<DjangoError> for Response<Bytes> {
    fn from(error: DjangoError) -> Self {
        match error {
            DjangoError::Unreadable(detail) => respond(StatusCode::BAD_REQUEST, detail),
            DjangoError::Fields(errors) => allowing(json(StatusCode::BAD_REQUEST, JSON, &errors.0)),
            DjangoError::Common(error) => render(&error),
        }
    }
}

/// Returns the renderer of the errors common to all dialects, which redirects to `paths` from their spellings without
/// the last slash: with 301 and no body, whatever the method is, as Django does where an application does not serve
/// both spellings (`APPEND_SLASH`).
pub(super) fn renderer(
    paths: Vec<String>,
) -> impl Fn(&CommonError, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static {
    move |error, _| match error {
        CommonError::NotFound { path, query } if paths.contains(&format!("{path}/")) => {
            append_slash(path, query.as_deref()).unwrap_or_else(|| render(error))
        }
        error => render(error),
    }
}

/// Redirects to `path` with a slash at its end; `None` if the query is not ASCII.
fn append_slash(path: &str, query: Option<&str>) -> Option<Response<Bytes>> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::from_str(&format!("{path}/{query}")).ok()?;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = reply(StatusCode::MOVED_PERMANENTLY, html, Bytes::new());
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// Renders the errors common to all dialects.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let detail = match error {
        CommonError::NotFound { .. } => "Not found.".into(),
        CommonError::MethodNotAllowed { method } => format!("Method \"{method}\" not allowed."),
        CommonError::UnsupportedMediaType { content_type } => {
            format!("Unsupported media type \"{content_type}\" in request.")
        }
        CommonError::BodyUnreadable => "Malformed request.".into(),
        // The framework has no texts for these three.
        CommonError::BodyTooLarge => "Request body is too large.".into(),
        CommonError::BodyTooSlow => "Request body took too long.".into(),
        CommonError::Busy { .. } => "Service temporarily unavailable, try again later.".into(),
        CommonError::TooMany { retry_after } => {
            let seconds = whole_seconds(*retry_after);
            let unit = if seconds == 1 { "second" } else { "seconds" };
            format!("Request was throttled. Expected available in {seconds} {unit}.")
        }
        CommonError::Failure => "A server error occurred.".into(),
    };
    let mut response = respond(error.status(), detail);
    if matches!(error, CommonError::NotFound { .. }) {
        response.headers_mut().remove(header::ALLOW);
    }
    error.add_retry_after(response)
}

/// Returns a response with a `detail`, as the framework's errors and the successes of dj-rest-auth have it.
pub(super) fn respond(status: StatusCode, detail: impl Into<String>) -> Response<Bytes> {
    allowing(json(status, JSON, &Detail { detail: detail.into() }))
}

/// Adds the methods of the path, which the framework names in every response of a view.
pub(super) fn allowing(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(header::ALLOW, ALLOW);
    response
}
