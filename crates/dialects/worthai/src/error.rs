//! worthai's two error formats: four keys for the errors of the auth service itself, and two keys for the errors that
//! all worthai services share (docs/dialects.md#worthai).

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use tracing::info;
use utoipa::{ToSchema, openapi::schema::Object};

use super::{NAME, WorthaiSettings, token::Defect};
use reset_http::{
    body::{self, Field, Undecodable},
    common_error::{CommonError, Rejection},
    openapi::one_of,
    wire::{JSON_UTF8, json},
};

/// The body of an error of the auth service.
#[derive(Serialize, ToSchema)]
pub(super) struct Failure {
    #[schema(schema_with = statuses, required = true)]
    status: &'static str,
    /// Human-readable error message.
    #[schema(example = "This reset password link has expired", required = true)]
    message: String,
    #[serde(rename = "errorCode")]
    #[schema(schema_with = codes, required = true)]
    error_code: &'static str,
    #[schema(required = true)]
    data: FailureData,
}

/// Details of an error.
#[derive(Serialize, ToSchema)]
struct FailureData {
    #[serde(rename = "errorName")]
    #[schema(schema_with = names, required = true)]
    error_name: &'static str,
}

/// The body of an error that all worthai services share.
#[derive(Serialize, ToSchema)]
pub(super) struct Shared {
    /// Human-readable error message.
    #[schema(example = "Unauthorized", required = true)]
    message: &'static str,
    #[serde(rename = "errorCode")]
    #[schema(schema_with = shared_codes, required = true)]
    error_code: &'static str,
}

/// Every error code and the name of its class.
const CODES: [(&str, &[&str]); 9] = [
    ("INVALID", &["SignInApiError", "ValidationMiddlewareError"]),
    ("UNKNOWN_ERROR", &["JsonWebTokenError", "InternalServerError"]),
    ("ERR_NOT_FOUND", &["NotFoundError"]),
    ("ERR_METHOD_NOT_ALLOWED", &["MethodNotAllowedError"]),
    ("ERR_PAYLOAD_TOO_LARGE", &["PayloadTooLargeError"]),
    ("ERR_REQUEST_TIMEOUT", &["RequestTimeoutError"]),
    ("ERR_UNSUPPORTED_MEDIA_TYPE", &["UnsupportedMediaTypeError"]),
    ("ERR_TOO_MANY_REQUESTS", &["RateLimitError"]),
    ("ERR_SERVICE_UNAVAILABLE", &["ServiceUnavailableError"]),
];

fn statuses() -> Object {
    one_of("`fail` for client errors, `error` for server errors.", &["fail", "error"])
}

fn codes() -> Object {
    one_of("Machine-readable error code.", &CODES.map(|(code, _)| code))
}

fn names() -> Object {
    let names: Vec<&str> = CODES.iter().flat_map(|(_, names)| *names).copied().collect();
    one_of("Name of the error class.", &names)
}

fn shared_codes() -> Object {
    one_of("Machine-readable error code.", &["ERR_UNAUTHORIZED", "ERR_FORBIDDEN"])
}

/// The errors of worthai's endpoints.
#[derive(Debug)]
pub(super) enum WorthaiError {
    Invalid(Invalid),
    /// The token is expired, used, superseded, or belongs to no account; all get the same response (R18).
    Expired,
    /// The token's signature is invalid, and the response follows the contract.
    InvalidSignature,
    /// The token was issued for another purpose.
    Unauthorized,
    /// The account is blocked.
    Forbidden,
    Common(CommonError),
}

/// Why a body is invalid. Error messages never repeat submitted values or keys (R36).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    NoObject,
    UnknownFields,
    Missing(&'static str),
    NotText(&'static str),
    Empty(&'static str),
    NoAddress(&'static str),
    Weak(&'static str, Weakness),
    OwnName(&'static str),
}

/// Returns the non-empty string in the field `name`.
pub(super) fn text<'a>(body: &'a body::Object, name: &'static str) -> Result<&'a str, Invalid> {
    match body.field(name) {
        Field::Missing => Err(Invalid::Missing(name)),
        Field::Null | Field::Other(_) => Err(Invalid::NotText(name)),
        Field::Text("") => Err(Invalid::Empty(name)),
        Field::Text(text) => Ok(text),
    }
}

impl From<Undecodable> for Invalid {
    fn from(_: Undecodable) -> Self {
        Self::NoObject
    }
}

impl From<Invalid> for WorthaiError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<CommonError> for WorthaiError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for WorthaiError {
    fn from(error: RequestError) -> Self {
        Self::Common(CommonError::of_request(NAME, &error))
    }
}

impl From<RedeemError> for WorthaiError {
    fn from(error: RedeemError) -> Self {
        match CommonError::unless_rejected(NAME, error) {
            Ok(Rejection::Invalid) => Self::Expired,
            Ok(Rejection::Blocked) => Self::Forbidden,
            Ok(Rejection::OwnName) => Self::Invalid(Invalid::OwnName("password")),
            Err(error) => Self::Common(error),
        }
    }
}

impl WorthaiError {
    /// Returns the error for a rejected token. A forged token is logged at `info` even if the contract requires a 500,
    /// because it is a client error (R72).
    pub(super) fn of(defect: Defect, settings: &WorthaiSettings) -> Self {
        match (defect, settings.forged) {
            (Defect::Forged, forged) => {
                info!(dialect.name = NAME, "reset token with an invalid signature rejected");
                match forged {
                    super::ForgedResponse::AsContracted => Self::InvalidSignature,
                    super::ForgedResponse::AsExpired => Self::Expired,
                }
            }
            (Defect::OtherPurpose, _) => Self::Unauthorized,
            (Defect::Dead, _) => Self::Expired,
        }
    }
}

impl From<WorthaiError> for Response<Bytes> {
    fn from(error: WorthaiError) -> Self {
        // Bodies as in worthai's published contract. The contract does not say when 401 and 403 apply; see
        // docs/dialects.md#worthai.
        match error {
            WorthaiError::Invalid(invalid) => validation(&invalid),
            WorthaiError::Expired => fail(
                StatusCode::BAD_REQUEST,
                "This reset password link has expired".into(),
                "INVALID",
                "SignInApiError",
            ),
            WorthaiError::InvalidSignature => fail(
                StatusCode::INTERNAL_SERVER_ERROR,
                "invalid signature".into(),
                "UNKNOWN_ERROR",
                "JsonWebTokenError",
            ),
            WorthaiError::Unauthorized => {
                shared(StatusCode::UNAUTHORIZED, "Unauthorized", "ERR_UNAUTHORIZED")
            }
            WorthaiError::Forbidden => shared(StatusCode::FORBIDDEN, "Forbidden", "ERR_FORBIDDEN"),
            WorthaiError::Common(error) => render(&error),
        }
    }
}

/// Renders a validation error in the format of worthai's `POST /customer/sign-in`, with the texts of the library Joi
/// (docs/dialects.md#worthai).
fn validation(invalid: &Invalid) -> Response<Bytes> {
    let message = match invalid {
        Invalid::NoObject => "\"body\" must be of type object".into(),
        Invalid::UnknownFields => "\"body\" has fields that are not allowed".into(),
        Invalid::Missing(name) => format!("\"{name}\" is required"),
        Invalid::NotText(name) => format!("\"{name}\" must be a string"),
        Invalid::Empty(name) => format!("\"{name}\" is not allowed to be empty"),
        Invalid::NoAddress(name) => format!("\"{name}\" must be a valid email"),
        Invalid::Weak(name, weakness) => format!("\"{name}\" {}", weak(*weakness)),
        Invalid::OwnName(name) => {
            format!("\"{name}\" must not be built from your name or email, or from the name of this service")
        }
    };
    fail(StatusCode::BAD_REQUEST, message, "INVALID", "ValidationMiddlewareError")
}

fn weak(weakness: Weakness) -> String {
    match weakness {
        Weakness::TooShort { min } => format!("length must be at least {min} characters long"),
        Weakness::MissingClass => {
            "must contain at least one uppercase letter, one lowercase letter, one digit, \
             and one special character"
                .into()
        }
        Weakness::TooLong { max_bytes } => {
            format!("length must be less than or equal to {max_bytes} bytes long")
        }
        Weakness::Nul => "must not contain the NUL character".into(),
        Weakness::Common => "is one of the most common passwords".into(),
    }
}

/// Renders the errors common to all dialects. worthai documents none of them, so they have its error format, with
/// codes like those of its shared errors.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let (message, code, name) = match error {
        CommonError::NotFound { .. } => ("Not Found", "ERR_NOT_FOUND", "NotFoundError"),
        CommonError::MethodNotAllowed { .. } => {
            ("Method Not Allowed", "ERR_METHOD_NOT_ALLOWED", "MethodNotAllowedError")
        }
        CommonError::BodyTooLarge => ("Payload Too Large", "ERR_PAYLOAD_TOO_LARGE", "PayloadTooLargeError"),
        CommonError::BodyUnreadable => return validation(&Invalid::NoObject),
        CommonError::BodyTooSlow => ("Request Timeout", "ERR_REQUEST_TIMEOUT", "RequestTimeoutError"),
        CommonError::UnsupportedMediaType { .. } => {
            ("Unsupported Media Type", "ERR_UNSUPPORTED_MEDIA_TYPE", "UnsupportedMediaTypeError")
        }
        CommonError::Failure => ("Internal Server Error", "UNKNOWN_ERROR", "InternalServerError"),
        CommonError::TooMany { .. } => ("Too many requests", "ERR_TOO_MANY_REQUESTS", "RateLimitError"),
        CommonError::Busy { .. } => {
            ("Service Unavailable", "ERR_SERVICE_UNAVAILABLE", "ServiceUnavailableError")
        }
    };
    error.add_retry_after(fail(error.status(), message.into(), code, name))
}

fn fail(
    code: StatusCode,
    message: String,
    error_code: &'static str,
    error_name: &'static str,
) -> Response<Bytes> {
    let status = if code.is_server_error() { "error" } else { "fail" };
    json(code, JSON_UTF8, &Failure { status, message, error_code, data: FailureData { error_name } })
}

fn shared(status: StatusCode, message: &'static str, error_code: &'static str) -> Response<Bytes> {
    json(status, JSON_UTF8, &Shared { message, error_code })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The documented codes are those that responses have, and no others.
    #[test]
    fn every_error_has_a_documented_code_and_every_documented_code_occurs() {
        let common = CommonError::one_of_each();
        let own =
            [WorthaiError::Expired, WorthaiError::InvalidSignature, WorthaiError::Invalid(Invalid::NoObject)];
        let errors = common.into_iter().map(WorthaiError::Common).chain(own);
        let mut occurring = std::collections::BTreeSet::new();
        for error in errors {
            let response = Response::from(error);
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            let text = |pointer: &str| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            occurring.insert((text("/errorCode"), text("/data/errorName")));
        }
        let documented = CODES
            .iter()
            .flat_map(|(code, names)| names.iter().map(|name| ((*code).to_owned(), (*name).to_owned())));
        assert_eq!(occurring, documented.collect());
    }

    #[test]
    fn errors_of_a_limit_an_outage_and_an_own_name_have_these_bytes() {
        let too_many = CommonError::TooMany { retry_after: Duration::from_secs(60) };
        for (response, status, body) in [
            (
                render(&too_many),
                429,
                r#"{"status":"fail","message":"Too many requests","errorCode":"ERR_TOO_MANY_REQUESTS","data":{"errorName":"RateLimitError"}}"#,
            ),
            (
                render(&CommonError::Failure),
                500,
                r#"{"status":"error","message":"Internal Server Error","errorCode":"UNKNOWN_ERROR","data":{"errorName":"InternalServerError"}}"#,
            ),
            (
                WorthaiError::from(RedeemError::OwnName).into(),
                400,
                r#"{"status":"fail","message":"\"password\" must not be built from your name or email, or from the name of this service","errorCode":"INVALID","data":{"errorName":"ValidationMiddlewareError"}}"#,
            ),
        ] {
            assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()));
        }
    }
}
