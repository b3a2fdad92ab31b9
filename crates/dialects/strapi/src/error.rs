//! Strapi's error format: one body that serves both the documented `{code, message}` and the clients of v4 and later
//! (docs/dialects.md#strapi).

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    email::EmailAddress,
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::schema};

use crate::NAME;
use reset_http::{
    body::{Field, Object, Undecodable},
    common_error::{CommonError, Rejection},
    openapi::one_of,
    wire::{JSON_UTF8, json},
};

/// The body of every error response.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Failure {
    /// HTTP status.
    #[schema(format = Int32, example = 400, required = true)]
    code: u16,
    /// Human-readable error message.
    #[schema(example = "Incorrect code provided", required = true)]
    message: String,
    /// Always `null`.
    #[schema(value_type = Option<Object>, required = true)]
    data: Option<()>,
    #[schema(required = true)]
    error: FailureError,
}

/// The error in the format of Strapi v4 and later.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
struct FailureError {
    /// HTTP status.
    #[schema(format = Int32, example = 400, required = true)]
    status: u16,
    #[schema(schema_with = names, required = true)]
    name: &'static str,
    /// Human-readable error message.
    #[schema(example = "Incorrect code provided", required = true)]
    message: String,
    #[schema(required = true)]
    details: Details,
}

/// Details of an error.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ErrorDetails)]
struct Details {
    /// The invalid fields. Absent if the error does not concern fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Fault>,
}

/// An invalid field. Submitted values are never repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub(super) struct Fault {
    /// Name of the field; empty if the error concerns the whole body.
    #[schema(example = json!(["password"]), required = true)]
    pub(super) path: Vec<&'static str>,
    /// Human-readable error message.
    #[schema(example = "password is a required field", required = true)]
    message: String,
    #[schema(schema_with = fault_names, required = true)]
    name: &'static str,
}

/// Every error name.
const NAMES: [&str; 10] = [
    "ValidationError",
    "ForbiddenError",
    "NotFoundError",
    "MethodNotAllowedError",
    "PayloadTooLargeError",
    "RequestTimeoutError",
    "UnsupportedMediaTypeError",
    "InternalServerError",
    "RateLimitError",
    "ServiceUnavailableError",
];

fn names() -> schema::Object {
    one_of("Machine-readable error name.", &NAMES)
}

fn fault_names() -> schema::Object {
    one_of("Always `ValidationError`.", &["ValidationError"])
}

/// The errors of Strapi's endpoints.
#[derive(Debug)]
pub(super) enum StrapiError {
    InvalidBody,
    /// At least one field is invalid.
    Faults(Vec<Fault>),
    /// The password violates the policy; the text says how.
    Password(String),
    /// The passwords differ, and nothing else is wrong.
    Mismatch,
    /// The code is wrong, expired, used, or belongs to a blocked account; all get the same response (R18).
    IncorrectCode,
    /// The public role may not use the routes.
    Forbidden,
    Common(CommonError),
}

/// What becomes of fields that the operation does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownFields {
    /// They make the body invalid, as since v4.3.
    Refused,
    /// They are ignored, as in v3.
    Ignored,
}

/// Collects the invalid fields of a body, to report them together. Texts and order are those of Strapi 5, without the
/// submitted values in them.
#[derive(Default)]
pub(super) struct Faults {
    all: Vec<Fault>,
    /// Whether one of them is that the passwords differ.
    mismatch: bool,
}

/// The text for passwords that differ.
const MISMATCH: &str = "Passwords do not match";
/// Maximum length of a field name that an error repeats, in bytes.
const NAME_MAX: usize = 64;

impl Faults {
    /// Returns the string in the field `name`. If there is none, records a fault and returns an empty string.
    pub(super) fn text<'a>(&mut self, body: &'a Object, name: &'static str) -> &'a str {
        match body.field(name) {
            Field::Missing | Field::Text("") => self.add(vec![name], format!("{name} is a required field")),
            Field::Null => self.add(
                vec![name],
                format!(
                    "{name} must be a `string` type, but the final value was: `null`.\n If \"null\" is intended as an \
                     empty value be sure to mark the schema as `.nullable()`"
                ),
            ),
            Field::Other(_) => self.add(vec![name], format!("{name} must be a `string` type")),
            Field::Text(text) => return text,
        }
        ""
    }

    /// Records faults unless the field `name` repeats the field `of`. An empty text that differs is not reported as missing.
    pub(super) fn repeated(&mut self, body: &Object, name: &'static str, of: &str) {
        let (repeated, original) = (body.field(name), body.field(of));
        self.mismatch = match (repeated, original) {
            // The values of other types are not known.
            (Field::Missing, _) | (Field::Null, Field::Null) | (Field::Other(_), Field::Other(_)) => false,
            (repeated, original) => repeated != original,
        };
        if !(self.mismatch && repeated == Field::Text("")) {
            self.text(body, name);
        }
        if self.mismatch {
            self.add(vec![name], MISMATCH.to_owned());
        }
    }

    /// Records one fault, for the whole body, if it has fields that are not in `known` and refused. Call this last.
    pub(super) fn only(&mut self, body: &Object, known: &[&str], unknown: UnknownFields) {
        let others: Vec<&str> = body.names().filter(|name| !known.contains(name)).collect();
        if unknown == UnknownFields::Ignored || others.is_empty() {
            return;
        }
        // Names as programs have them. Any other text might be a value that was sent as a name by mistake.
        let is_name = |name: &&str| {
            let mut bytes = name.bytes();
            name.len() <= NAME_MAX && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let names =
            if others.iter().all(is_name) { format!(": {}", others.join(", ")) } else { String::new() };
        self.add(Vec::new(), format!("this field has unspecified keys{names}"));
    }

    /// Returns the address in the field `name`. If there is none, records a fault and returns `None`.
    pub(super) fn address(&mut self, body: &Object, name: &'static str) -> Option<EmailAddress> {
        let before = self.all.len();
        let email = EmailAddress::parse(self.text(body, name)).ok();
        if email.is_none() && self.all.len() == before {
            self.add(vec![name], format!("{name} must be a valid email"));
        }
        email
    }

    /// Returns all recorded faults as one error, if there are any.
    pub(super) fn finish(self) -> Result<(), StrapiError> {
        match self.all.len() {
            0 => Ok(()),
            1 if self.mismatch => Err(StrapiError::Mismatch),
            _ => Err(StrapiError::Faults(self.all)),
        }
    }

    fn add(&mut self, path: Vec<&'static str>, message: String) {
        self.all.push(Fault { path, message, name: "ValidationError" });
    }
}

impl From<Undecodable> for StrapiError {
    fn from(_: Undecodable) -> Self {
        Self::InvalidBody
    }
}

impl From<Weakness> for StrapiError {
    fn from(weakness: Weakness) -> Self {
        // Strapi's texts where it has them. It has no rule for character classes, so that text is px0's.
        let message = match weakness {
            Weakness::TooShort { min } => format!("password must be at least {min} characters"),
            Weakness::MissingClass => {
                "password must contain at least one uppercase letter, one lowercase letter, one digit, \
                 and one special character"
                    .into()
            }
            Weakness::TooLong { max_bytes } => format!("Password must be less than {} bytes", max_bytes + 1),
            Weakness::Nul => "password must not contain the NUL character".into(),
            Weakness::Common => "password is one of the most common ones".into(),
        };
        Self::Password(message)
    }
}

impl From<CommonError> for StrapiError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for StrapiError {
    fn from(error: RequestError) -> Self {
        Self::Common(CommonError::of_request(NAME, &error))
    }
}

impl From<RedeemError> for StrapiError {
    fn from(error: RedeemError) -> Self {
        match CommonError::unless_rejected(NAME, error) {
            Ok(Rejection::Invalid | Rejection::Blocked) => Self::IncorrectCode,
            Ok(Rejection::OwnName) => Self::Password(
                "password must not be built from your name or email, or from the name of this service".into(),
            ),
            Err(error) => Self::Common(error),
        }
    }
}

impl From<StrapiError> for Response<Bytes> {
    fn from(error: StrapiError) -> Self {
        // The texts are those of Strapi 5; `Invalid request body` is polyreset's own.
        let bad = |message: String, errors| {
            respond(StatusCode::BAD_REQUEST, message, "ValidationError", Details { errors })
        };
        match error {
            StrapiError::InvalidBody => bad("Invalid request body".into(), Vec::new()),
            StrapiError::Faults(faults) => {
                let message = match faults.as_slice() {
                    [only] => only.message.clone(),
                    several => format!("{} errors occurred", several.len()),
                };
                bad(message, faults)
            }
            StrapiError::Password(message) => {
                let fault =
                    Fault { path: vec!["password"], message: message.clone(), name: "ValidationError" };
                bad(message, vec![fault])
            }
            StrapiError::Mismatch => {
                let (path, message) = (vec!["passwordConfirmation"], MISMATCH.to_owned());
                bad(message.clone(), vec![Fault { path, message, name: "ValidationError" }])
            }
            StrapiError::IncorrectCode => bad("Incorrect code provided".into(), Vec::new()),
            StrapiError::Forbidden => plain(StatusCode::FORBIDDEN, "Forbidden", "ForbiddenError"),
            StrapiError::Common(error) => render(&error),
        }
    }
}

/// Renders the errors common to all dialects.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let (message, name) = match error {
        CommonError::NotFound { .. } => ("Not Found", "NotFoundError"),
        CommonError::MethodNotAllowed { .. } => ("Method Not Allowed", "MethodNotAllowedError"),
        CommonError::BodyTooLarge => ("Payload Too Large", "PayloadTooLargeError"),
        CommonError::BodyUnreadable => return StrapiError::InvalidBody.into(),
        CommonError::BodyTooSlow => ("Request Timeout", "RequestTimeoutError"),
        CommonError::UnsupportedMediaType { .. } => ("Unsupported Media Type", "UnsupportedMediaTypeError"),
        CommonError::Failure => ("Internal Server Error", "InternalServerError"),
        // The text and name of Strapi's own rate limiter.
        CommonError::TooMany { .. } => ("Too many requests, please try again later.", "RateLimitError"),
        CommonError::Busy { .. } => ("Service Unavailable", "ServiceUnavailableError"),
    };
    error.add_retry_after(plain(error.status(), message, name))
}

fn plain(status: StatusCode, message: &str, name: &'static str) -> Response<Bytes> {
    respond(status, message.to_owned(), name, Details::default())
}

fn respond(status: StatusCode, message: String, name: &'static str, details: Details) -> Response<Bytes> {
    let code = status.as_u16();
    let error = FailureError { status: code, name, message: message.clone(), details };
    json(status, JSON_UTF8, &Failure { code, message, data: None, error })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The documented names are those that responses have, and no others.
    #[test]
    fn every_error_has_a_documented_name_and_every_documented_name_occurs() {
        let common = CommonError::one_of_each();
        let errors = common
            .into_iter()
            .map(StrapiError::Common)
            .chain([StrapiError::Forbidden, StrapiError::Mismatch]);
        let occurring: std::collections::BTreeSet<String> = errors
            .map(|error| {
                let response = Response::from(error);
                let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
                body["error"]["name"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(occurring, NAMES.map(ToOwned::to_owned).into());
    }

    #[test]
    fn errors_of_a_limit_an_outage_and_an_own_name_have_these_bytes() {
        let too_many = CommonError::TooMany { retry_after: Duration::from_secs(60) };
        for (response, status, body) in [
            (
                render(&too_many),
                429,
                r#"{"code":429,"message":"Too many requests, please try again later.","data":null,"error":{"status":429,"name":"RateLimitError","message":"Too many requests, please try again later.","details":{}}}"#,
            ),
            (
                render(&CommonError::Failure),
                500,
                r#"{"code":500,"message":"Internal Server Error","data":null,"error":{"status":500,"name":"InternalServerError","message":"Internal Server Error","details":{}}}"#,
            ),
            (
                StrapiError::from(RedeemError::OwnName).into(),
                400,
                r#"{"code":400,"message":"password must not be built from your name or email, or from the name of this service","data":null,"error":{"status":400,"name":"ValidationError","message":"password must not be built from your name or email, or from the name of this service","details":{"errors":[{"path":["password"],"message":"password must not be built from your name or email, or from the name of this service","name":"ValidationError"}]}}}"#,
            ),
        ] {
            assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()));
        }
    }
}
