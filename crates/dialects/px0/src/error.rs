//! px0's error format: a status, and a body with one key, `error`.

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use utoipa::ToSchema;

use reset_http::{
    body::Undecodable,
    common_error::CommonError,
    wire::{JSON, json, retry_after},
};

/// The body of every error response.
#[derive(Serialize, ToSchema)]
#[schema(as = APIError)]
pub(super) struct ApiError {
    /// Human-readable error message.
    #[schema(example = "invalid credentials", required = true)]
    error: String,
}

/// The errors of px0's endpoints.
#[derive(Debug)]
pub(super) enum Px0Error {
    /// The body is not a JSON object, or a field has the wrong type.
    InvalidBody,
    EmailRequired,
    UserNotFound,
    FieldsRequired,
    Weak(Weakness),
    /// The password is built from the account's or the service's name.
    OwnName,
    InvalidCode,
    Common(CommonError),
}

impl From<Undecodable> for Px0Error {
    fn from(_: Undecodable) -> Self {
        Self::InvalidBody
    }
}

impl From<CommonError> for Px0Error {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for Px0Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Unknown => Self::UserNotFound,
            RequestError::Store(error) => failed(&error),
        }
    }
}

impl From<RedeemError> for Px0Error {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Invalid | RedeemError::Blocked => Self::InvalidCode,
            RedeemError::OwnName => Self::OwnName,
            RedeemError::Busy { retry_after } => Self::Common(CommonError::Busy { retry_after }),
            RedeemError::Hash(error) => failed(&error),
            RedeemError::Store(error) => failed(&error),
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Px0Error {
    Px0Error::Common(CommonError::failure(super::NAME, error))
}

impl From<Px0Error> for Response<Bytes> {
    fn from(error: Px0Error) -> Self {
        // The texts are those of px0's published contract and its server; see docs/dialects.md#px0.
        let (status, text) = match error {
            Px0Error::InvalidBody => (StatusCode::BAD_REQUEST, "invalid request body".into()),
            Px0Error::EmailRequired => (StatusCode::BAD_REQUEST, "email is required".into()),
            Px0Error::UserNotFound => (StatusCode::NOT_FOUND, "user not found".into()),
            Px0Error::FieldsRequired => {
                (StatusCode::BAD_REQUEST, "code and new_password are required".into())
            }
            Px0Error::Weak(weakness) => (StatusCode::BAD_REQUEST, weak(weakness)),
            Px0Error::OwnName => (
                StatusCode::BAD_REQUEST,
                "password must not be made of your name or email, or of ours".into(),
            ),
            Px0Error::InvalidCode => {
                (StatusCode::BAD_REQUEST, "invalid or expired password reset code".into())
            }
            Px0Error::Common(error) => return render(&error),
        };
        respond(status, text)
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

/// Renders the errors common to all dialects.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    match error {
        CommonError::NotFound { .. } => respond(StatusCode::NOT_FOUND, "not found".into()),
        CommonError::MethodNotAllowed { .. } => {
            respond(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".into())
        }
        CommonError::BodyTooLarge => {
            respond(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large".into())
        }
        CommonError::BodyUnreadable => respond(StatusCode::BAD_REQUEST, "invalid request body".into()),
        CommonError::BodyTooSlow => respond(StatusCode::REQUEST_TIMEOUT, "request body took too long".into()),
        CommonError::UnsupportedMediaType { .. } => {
            respond(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content type must be application/json".into())
        }
        CommonError::Failure => respond(StatusCode::INTERNAL_SERVER_ERROR, "internal error".into()),
        CommonError::TooMany { retry_after: wait } => retry_after(
            respond(StatusCode::TOO_MANY_REQUESTS, "too many requests, try again later".into()),
            *wait,
        ),
        CommonError::Busy { retry_after: wait } => {
            retry_after(respond(StatusCode::SERVICE_UNAVAILABLE, "server is busy, try again".into()), *wait)
        }
    }
}

fn respond(status: StatusCode, error: String) -> Response<Bytes> {
    json(status, JSON, &ApiError { error })
}
