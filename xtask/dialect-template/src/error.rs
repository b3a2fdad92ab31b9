//! acme's error format: a status, and a body with one key, `error`.

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::NAME;
use reset_http::{
    body::Undecodable,
    common_error::{CommonError, Rejection},
    wire::{JSON, json},
};

/// The body of every error response.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Failure {
    /// Human-readable error message.
    #[schema(example = "Invalid or expired token", required = true)]
    error: String,
}

/// The errors of acme's endpoints.
#[derive(Debug)]
pub(super) enum AcmeError {
    /// The body is not a JSON object.
    InvalidBody,
    /// A field is missing or not a string.
    Missing(&'static str),
    /// The field is no email address.
    InvalidEmail,
    Weak(Weakness),
    /// The password is built from the account's or the service's name.
    OwnName,
    InvalidToken,
    Common(CommonError),
}

impl From<Undecodable> for AcmeError {
    fn from(_: Undecodable) -> Self {
        Self::InvalidBody
    }
}

impl From<CommonError> for AcmeError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for AcmeError {
    fn from(error: RequestError) -> Self {
        Self::Common(CommonError::of_request(NAME, &error))
    }
}

impl From<RedeemError> for AcmeError {
    fn from(error: RedeemError) -> Self {
        match CommonError::unless_rejected(NAME, error) {
            Ok(Rejection::Invalid | Rejection::Blocked) => Self::InvalidToken,
            Ok(Rejection::OwnName) => Self::OwnName,
            Err(error) => Self::Common(error),
        }
    }
}

impl From<AcmeError> for Response<Bytes> {
    fn from(error: AcmeError) -> Self {
        let text = match error {
            AcmeError::InvalidBody => "The body is not a JSON object".into(),
            AcmeError::Missing(field) => format!("{field} is required"),
            AcmeError::InvalidEmail => "email is not an address".into(),
            AcmeError::Weak(weakness) => weak(weakness),
            AcmeError::OwnName => "password must not be built from your name or email".into(),
            AcmeError::InvalidToken => "Invalid or expired token".into(),
            AcmeError::Common(error) => return render(&error),
        };
        respond(StatusCode::BAD_REQUEST, text)
    }
}

fn weak(weakness: Weakness) -> String {
    match weakness {
        Weakness::TooShort { min } => format!("password must have at least {min} characters"),
        Weakness::MissingClass => "password must mix letters, digits and special characters".into(),
        Weakness::TooLong { max_bytes } => format!("password must have at most {max_bytes} bytes"),
        Weakness::Nul => "password must not contain the NUL character".into(),
        Weakness::Common => "password is one of the most common ones".into(),
    }
}

/// Renders the errors common to all dialects.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let text = match error {
        CommonError::NotFound { .. } => "Not found",
        CommonError::MethodNotAllowed { .. } => "Method not allowed",
        CommonError::BodyTooLarge => "The body is too large",
        CommonError::BodyUnreadable => "The body could not be read",
        CommonError::BodyTooSlow => "The body took too long",
        CommonError::UnsupportedMediaType { .. } => "The body must be application/json",
        CommonError::Failure => "Internal error",
        CommonError::TooMany { .. } => "Too many requests",
        CommonError::Busy { .. } => "The server is busy",
    };
    error.add_retry_after(respond(error.status(), text.into()))
}

fn respond(status: StatusCode, error: String) -> Response<Bytes> {
    json(status, JSON, &Failure { error })
}
