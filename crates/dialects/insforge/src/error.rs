//! InsForge's error format: a name, a message, the status, and sometimes a hint.

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    error::{ExchangeError, RedeemError, RequestError, StoreError},
    password::{Policy, Weakness},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::schema::Object};

use crate::NAME;
use reset_http::{
    common_error::{CommonError, Rejection},
    openapi::one_of,
    wire::{JSON_UTF8, json},
};

/// Message for a rejected link or token. Expired, used and unknown ones are not distinguished (R18).
pub(super) const DEAD_TOKEN: &str = "Invalid or expired verification token";

/// Maximum length of a path that a 404 quotes.
const QUOTED_MAX: usize = 256;

/// The body of every error response.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorResponse)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorResponse {
    #[schema(schema_with = names, required = true)]
    error: &'static str,
    /// Human-readable error message.
    #[schema(example = "email: Required")]
    message: String,
    /// HTTP status.
    #[schema(example = 400)]
    status_code: u16,
    /// Advice on how to fix the error, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Please ensure your request body contains valid JSON")]
    next_actions: Option<&'static str>,
}

/// Every error name.
const NAMES: [&str; 10] = [
    "INVALID_INPUT",
    "AUTH_UNAUTHORIZED",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "PAYLOAD_TOO_LARGE",
    "REQUEST_TIMEOUT",
    "UNSUPPORTED_MEDIA_TYPE",
    "INTERNAL_ERROR",
    "TOO_MANY_REQUESTS",
    "SERVICE_UNAVAILABLE",
];

fn names() -> Object {
    one_of("Machine-readable error name.", &NAMES)
}

/// The errors of InsForge's endpoints.
#[derive(Debug)]
pub(super) enum InsForgeError {
    /// The body is not JSON with exactly one interpretation.
    Undecodable,
    /// The body violates the schema.
    Issues(String),
    /// The deployment mails links, and the request names no redirect target.
    TargetMissing,
    /// The redirect target is not on the allow-list, or no longer is.
    TargetNotAllowed,
    /// The ticket has no redirect target: an exchanged token was opened as a link.
    NoTarget,
    /// No ticket matches the link's token.
    UnknownLink,
    /// The password violates the password policy.
    Weak(Weakness, Policy),
    /// The code cannot be exchanged.
    DeadCode,
    /// The token is not valid.
    DeadToken,
    Common(CommonError),
}

impl From<CommonError> for InsForgeError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for InsForgeError {
    fn from(error: RequestError) -> Self {
        Self::Common(CommonError::of_request(NAME, &error))
    }
}

impl From<ExchangeError> for InsForgeError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Invalid => Self::DeadCode,
            ExchangeError::Busy { retry_after } => Self::Common(CommonError::Busy { retry_after }),
            ExchangeError::Store(error) => Self::Common(CommonError::failure(NAME, &error)),
        }
    }
}

impl From<RedeemError> for InsForgeError {
    fn from(error: RedeemError) -> Self {
        match CommonError::unless_rejected(NAME, error) {
            // The contract has no error for blocked accounts.
            Ok(Rejection::Invalid | Rejection::Blocked) => Self::DeadToken,
            Ok(Rejection::OwnName) => Self::Issues(
                "Password must not be built from your name or email, or from the name of this service".into(),
            ),
            Err(error) => Self::Common(error),
        }
    }
}

impl From<StoreError> for InsForgeError {
    fn from(error: StoreError) -> Self {
        Self::Common(CommonError::of_store(NAME, &error))
    }
}

impl From<InsForgeError> for Response<Bytes> {
    fn from(error: InsForgeError) -> Self {
        // The texts are InsForge's, without the submitted `redirectTo` (R36). InsForge's document defines the 401
        // without a body; `AUTH_UNAUTHORIZED` is the name that InsForge uses in its other 401s.
        match error {
            InsForgeError::Undecodable => respond(
                StatusCode::BAD_REQUEST,
                "INVALID_INPUT",
                "The request body is not valid JSON",
                Some("Please ensure your request body contains valid JSON"),
            ),
            InsForgeError::Issues(text) => invalid(text),
            InsForgeError::TargetMissing => {
                invalid("redirectTo is required when link-based password reset is enabled")
            }
            InsForgeError::TargetNotAllowed => respond(
                StatusCode::BAD_REQUEST,
                "INVALID_INPUT",
                "redirectTo is not in the allowed redirect URLs",
                Some("Please add this URL to the allowed redirect URLs in the authentication configuration."),
            ),
            InsForgeError::NoTarget => invalid("No redirect target configured for this reset link"),
            InsForgeError::UnknownLink => invalid(DEAD_TOKEN),
            InsForgeError::Weak(weakness, policy) => invalid(weak(weakness, policy)),
            InsForgeError::DeadCode => unauthorized("Invalid or expired verification code"),
            InsForgeError::DeadToken => unauthorized(DEAD_TOKEN),
            InsForgeError::Common(error) => render(&error),
        }
    }
}

/// Returns InsForge's message, which lists all of its rules whichever is violated. InsForge has no rules on maximum
/// length, NUL and common passwords; those texts are polyreset's own.
fn weak(weakness: Weakness, policy: Policy) -> String {
    match weakness {
        Weakness::TooShort { .. } | Weakness::MissingClass => {
            let classes = if policy.four_classes {
                ", at least one number, at least one lowercase letter, at least one uppercase letter, \
                 at least one special character"
            } else {
                ""
            };
            format!("Password must contain at least {} characters long{classes}", policy.min)
        }
        Weakness::TooLong { max_bytes } => format!("Password must contain at most {max_bytes} bytes"),
        Weakness::Nul => "Password must not contain the NUL character".into(),
        Weakness::Common => "Password is one of the most common ones".into(),
    }
}

/// Renders the errors common to all dialects. InsForge's server has only the 404 and the 500; the other names follow
/// their pattern.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    const DOCUMENTATION: Option<&str> = Some("Please check the API documentation for available endpoints");
    let (name, message, hint) = match error {
        CommonError::NotFound { path, .. } => ("NOT_FOUND", not_found(path), DOCUMENTATION),
        CommonError::MethodNotAllowed { .. } => {
            ("METHOD_NOT_ALLOWED", "Method not allowed for this endpoint".into(), DOCUMENTATION)
        }
        CommonError::BodyTooLarge => ("PAYLOAD_TOO_LARGE", "The request body is too large".into(), None),
        CommonError::BodyUnreadable => ("INVALID_INPUT", "The request body could not be read".into(), None),
        CommonError::BodyTooSlow => ("REQUEST_TIMEOUT", "The request body took too long".into(), None),
        CommonError::UnsupportedMediaType { .. } => {
            ("UNSUPPORTED_MEDIA_TYPE", "The request body must be application/json".into(), None)
        }
        CommonError::Failure => ("INTERNAL_ERROR", "Internal server error".into(), None),
        CommonError::TooMany { .. } => {
            ("TOO_MANY_REQUESTS", "Too many requests, please try again later".into(), None)
        }
        CommonError::Busy { .. } => ("SERVICE_UNAVAILABLE", "Service is busy, please try again".into(), None),
    };
    error.add_retry_after(respond(error.status(), name, message, hint))
}

/// Returns the 404 message. It quotes the path only if it is short and of plain characters (R36).
fn not_found(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
    if path.len() <= QUOTED_MAX && path.bytes().all(plain) {
        format!("Endpoint {path} not found")
    } else {
        "Endpoint not found".into()
    }
}

fn invalid(message: impl Into<String>) -> Response<Bytes> {
    respond(StatusCode::BAD_REQUEST, "INVALID_INPUT", message, None)
}

fn unauthorized(message: &str) -> Response<Bytes> {
    respond(StatusCode::UNAUTHORIZED, "AUTH_UNAUTHORIZED", message, None)
}

fn respond(
    status: StatusCode,
    error: &'static str,
    message: impl Into<String>,
    next_actions: Option<&'static str>,
) -> Response<Bytes> {
    let body = ErrorResponse { error, message: message.into(), status_code: status.as_u16(), next_actions };
    json(status, JSON_UTF8, &body)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header;

    use super::*;

    fn text(response: impl Into<Response<Bytes>>) -> String {
        String::from_utf8(response.into().into_body().to_vec()).unwrap()
    }

    fn unknown_path(path: &str) -> String {
        text(render(&CommonError::NotFound { path: path.into(), query: None }))
    }

    /// The documented names are those that responses have, and no others.
    #[test]
    fn every_error_has_a_documented_name_and_every_documented_name_occurs() {
        let common = CommonError::one_of_each();
        let errors = common.into_iter().map(InsForgeError::Common).chain([InsForgeError::DeadCode]);
        let occurring: std::collections::BTreeSet<String> = errors
            .map(|error| {
                let body: serde_json::Value = serde_json::from_str(&text(error)).unwrap();
                body["error"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(occurring, NAMES.map(ToOwned::to_owned).into());
    }

    #[test]
    fn errors_match_insforges_bytes() {
        for (error, expected) in [
            (
                InsForgeError::Undecodable,
                r#"{"error":"INVALID_INPUT","message":"The request body is not valid JSON","statusCode":400,"nextActions":"Please ensure your request body contains valid JSON"}"#,
            ),
            (
                InsForgeError::Issues("email: Required".into()),
                r#"{"error":"INVALID_INPUT","message":"email: Required","statusCode":400}"#,
            ),
            (
                InsForgeError::TargetMissing,
                r#"{"error":"INVALID_INPUT","message":"redirectTo is required when link-based password reset is enabled","statusCode":400}"#,
            ),
            (
                InsForgeError::TargetNotAllowed,
                r#"{"error":"INVALID_INPUT","message":"redirectTo is not in the allowed redirect URLs","statusCode":400,"nextActions":"Please add this URL to the allowed redirect URLs in the authentication configuration."}"#,
            ),
            (
                InsForgeError::NoTarget,
                r#"{"error":"INVALID_INPUT","message":"No redirect target configured for this reset link","statusCode":400}"#,
            ),
            (
                InsForgeError::UnknownLink,
                r#"{"error":"INVALID_INPUT","message":"Invalid or expired verification token","statusCode":400}"#,
            ),
            (
                InsForgeError::DeadCode,
                r#"{"error":"AUTH_UNAUTHORIZED","message":"Invalid or expired verification code","statusCode":401}"#,
            ),
            (
                InsForgeError::DeadToken,
                r#"{"error":"AUTH_UNAUTHORIZED","message":"Invalid or expired verification token","statusCode":401}"#,
            ),
            (
                InsForgeError::Common(CommonError::Failure),
                r#"{"error":"INTERNAL_ERROR","message":"Internal server error","statusCode":500}"#,
            ),
            (
                InsForgeError::Common(CommonError::TooMany { retry_after: Duration::from_secs(60) }),
                r#"{"error":"TOO_MANY_REQUESTS","message":"Too many requests, please try again later","statusCode":429}"#,
            ),
            (
                RedeemError::OwnName.into(),
                r#"{"error":"INVALID_INPUT","message":"Password must not be built from your name or email, or from the name of this service","statusCode":400}"#,
            ),
            (
                InsForgeError::Common(CommonError::MethodNotAllowed { method: "PUT".into() }),
                r#"{"error":"METHOD_NOT_ALLOWED","message":"Method not allowed for this endpoint","statusCode":405,"nextActions":"Please check the API documentation for available endpoints"}"#,
            ),
            (
                InsForgeError::Common(CommonError::BodyTooLarge),
                r#"{"error":"PAYLOAD_TOO_LARGE","message":"The request body is too large","statusCode":413}"#,
            ),
            (
                InsForgeError::Common(CommonError::BodyUnreadable),
                r#"{"error":"INVALID_INPUT","message":"The request body could not be read","statusCode":400}"#,
            ),
            (
                InsForgeError::Common(CommonError::UnsupportedMediaType {
                    content_type: "text/plain".into(),
                }),
                r#"{"error":"UNSUPPORTED_MEDIA_TYPE","message":"The request body must be application/json","statusCode":415}"#,
            ),
        ] {
            assert_eq!(text(error), expected);
        }
    }

    #[test]
    fn weak_password_message_lists_all_active_rules() {
        let plain = Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: 72 };
        let classes = Policy { four_classes: true, ..plain };
        let of = |weakness, policy| weak(weakness, policy);
        assert_eq!(
            of(Weakness::TooShort { min: 8 }, plain),
            "Password must contain at least 8 characters long"
        );
        let all = "Password must contain at least 8 characters long, at least one number, at least one lowercase letter, at least one uppercase letter, at least one special character";
        assert_eq!(of(Weakness::TooShort { min: 8 }, classes), all);
        assert_eq!(of(Weakness::MissingClass, classes), all);
        assert_eq!(of(Weakness::TooLong { max_bytes: 72 }, plain), "Password must contain at most 72 bytes");
        assert_eq!(of(Weakness::Nul, plain), "Password must not contain the NUL character");
    }

    #[test]
    fn unknown_path_is_quoted_only_if_short_and_plain() {
        let hint = r#","statusCode":404,"nextActions":"Please check the API documentation for available endpoints"}"#;
        let quoted = r#"{"error":"NOT_FOUND","message":"Endpoint /api/auth/email/nope not found""#;
        assert_eq!(unknown_path("/api/auth/email/nope"), format!("{quoted}{hint}"));
        let unquoted = format!(r#"{{"error":"NOT_FOUND","message":"Endpoint not found"{hint}"#);
        let long = "/".repeat(257);
        for path in ["/<script>", "/a\"b", "/a b", "/ä", "/a\nb", "/a\0", &long] {
            assert_eq!(unknown_path(path), unquoted, "{path:?}");
        }
    }

    #[test]
    fn busy_response_has_retry_after() {
        let busy = render(&CommonError::Busy { retry_after: Duration::from_millis(1_200) });
        assert_eq!(
            (busy.status(), &busy.headers()[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &"2".parse().unwrap())
        );
        assert_eq!(
            text(busy),
            r#"{"error":"SERVICE_UNAVAILABLE","message":"Service is busy, please try again","statusCode":503}"#
        );
    }
}
