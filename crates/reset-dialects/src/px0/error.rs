//! px0's envelope: one key, `error`, and a status.

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    body::Undecodable,
    refusal::Refusal,
    wire::{JSON, json, retry_after},
};

/// Body of every failure.
#[derive(Serialize, ToSchema)]
#[schema(as = APIError)]
pub(super) struct ApiError {
    /// What is wrong, for people.
    #[schema(example = "invalid credentials", required = true)]
    error: String,
}

/// Everything that an endpoint of px0 can refuse.
#[derive(Debug)]
pub(super) enum Error {
    /// No JSON object, or a field of the wrong type.
    InvalidBody,
    EmailRequired,
    UserNotFound,
    FieldsRequired,
    Weak(Weakness),
    /// The password is made of names that anybody knows.
    OwnName,
    InvalidCode,
    Refused(Refusal),
}

impl From<Undecodable> for Error {
    fn from(_: Undecodable) -> Self {
        Self::InvalidBody
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Unknown => Self::UserNotFound,
            RequestError::Store(error) => failed(&error),
        }
    }
}

impl From<RedeemError> for Error {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Invalid | RedeemError::Blocked => Self::InvalidCode,
            RedeemError::OwnName => Self::OwnName,
            RedeemError::Busy { retry_after } => Self::Refused(Refusal::Busy { retry_after }),
            RedeemError::Hash(error) => failed(&error),
            RedeemError::Store(error) => failed(&error),
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::Refused(Refusal::failure(super::NAME, error))
}

impl From<Error> for Response<Bytes> {
    fn from(error: Error) -> Self {
        // Texts: the two px0 seeds; `invalid request body` and the limits: dialects.md 1.2, 1.3.
        let (status, text) = match error {
            Error::InvalidBody => (StatusCode::BAD_REQUEST, "invalid request body".into()),
            Error::EmailRequired => (StatusCode::BAD_REQUEST, "email is required".into()),
            Error::UserNotFound => (StatusCode::NOT_FOUND, "user not found".into()),
            Error::FieldsRequired => (StatusCode::BAD_REQUEST, "code and new_password are required".into()),
            Error::Weak(weakness) => (StatusCode::BAD_REQUEST, weak(weakness)),
            Error::OwnName => (
                StatusCode::BAD_REQUEST,
                "password must not be made of your name or email, or of ours".into(),
            ),
            Error::InvalidCode => (StatusCode::BAD_REQUEST, "invalid or expired password reset code".into()),
            Error::Refused(refusal) => return refuse(&refusal),
        };
        say(status, text)
    }
}

fn weak(weakness: Weakness) -> String {
    match weakness {
        Weakness::TooShort { min } => format!("password must be at least {min} characters"),
        Weakness::MissingClass => {
            "password must contain at least one uppercase letter, one lowercase letter, one digit, \
             and one special character"
                .into()
        }
        Weakness::TooLong { max_bytes } => format!("password must be at most {max_bytes} bytes"),
        Weakness::Nul => "password must not contain the NUL character".into(),
        Weakness::Common => "password is one of the most common ones".into(),
    }
}

/// What never reached an endpoint.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    match refusal {
        Refusal::NotFound { .. } => say(StatusCode::NOT_FOUND, "not found".into()),
        Refusal::MethodNotAllowed => say(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".into()),
        Refusal::BodyTooLarge => say(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large".into()),
        Refusal::BodyUnreadable => say(StatusCode::BAD_REQUEST, "invalid request body".into()),
        Refusal::BodyTooSlow => say(StatusCode::REQUEST_TIMEOUT, "request body took too long".into()),
        Refusal::NotJson => {
            say(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content type must be application/json".into())
        }
        Refusal::Failure => say(StatusCode::INTERNAL_SERVER_ERROR, "internal error".into()),
        Refusal::TooMany { retry_after: wait } => retry_after(
            say(StatusCode::TOO_MANY_REQUESTS, "too many requests, try again later".into()),
            *wait,
        ),
        Refusal::Busy { retry_after: wait } => {
            retry_after(say(StatusCode::SERVICE_UNAVAILABLE, "server is busy, try again".into()), *wait)
        }
    }
}

fn say(status: StatusCode, error: String) -> Response<Bytes> {
    json(status, JSON, &ApiError { error })
}
