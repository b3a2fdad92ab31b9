//! px0's error format: a status, and a body with one key, `error`.

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
            RequestError::Busy { .. } | RequestError::Store(_) => {
                Self::Common(CommonError::of_request(NAME, &error))
            }
        }
    }
}

impl From<RedeemError> for Px0Error {
    fn from(error: RedeemError) -> Self {
        match CommonError::unless_rejected(NAME, error) {
            Ok(Rejection::Invalid | Rejection::Blocked) => Self::InvalidCode,
            Ok(Rejection::OwnName) => Self::OwnName,
            Err(error) => Self::Common(error),
        }
    }
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
                "password must not be built from your name or email, or from the name of this service".into(),
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
    let text = match error {
        CommonError::NotFound { .. } => "not found",
        CommonError::MethodNotAllowed { .. } => "method not allowed",
        CommonError::BodyTooLarge => "request body is too large",
        CommonError::BodyUnreadable => "invalid request body",
        CommonError::BodyTooSlow => "request body took too long",
        CommonError::UnsupportedMediaType { .. } => "content type must be application/json",
        CommonError::Failure => "internal error",
        CommonError::TooMany { .. } => "too many requests, try again later",
        CommonError::Busy { .. } => "server is busy, try again",
    };
    error.add_retry_after(respond(error.status(), text.into()))
}

fn respond(status: StatusCode, error: String) -> Response<Bytes> {
    json(status, JSON, &ApiError { error })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_of_a_limit_an_outage_and_an_own_name_have_these_bytes() {
        let too_many = CommonError::TooMany { retry_after: Duration::from_secs(60) };
        for (response, status, body) in [
            (render(&too_many), 429, r#"{"error":"too many requests, try again later"}"#),
            (render(&CommonError::Failure), 500, r#"{"error":"internal error"}"#),
            (
                Px0Error::from(RedeemError::OwnName).into(),
                400,
                r#"{"error":"password must not be built from your name or email, or from the name of this service"}"#,
            ),
        ] {
            assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()));
        }
    }
}
