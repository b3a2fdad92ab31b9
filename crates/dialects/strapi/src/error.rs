//! Strapi's envelope: one body that satisfies the seed's `{code, message}` and the clients of v4 and later
//! (dialects.md, part I).

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    email::EmailAddress,
    error::{RedeemError, RequestError},
    password::Weakness,
};
use serde::Serialize;
use utoipa::ToSchema;

use reset_http::{
    body::{Field, Object, Undecodable},
    common_error::CommonError,
    wire::{JSON_UTF8, json, retry_after},
};

/// Body of every failure.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Failure {
    /// The status.
    #[schema(format = Int32, example = 400, required = true)]
    code: u16,
    /// What is wrong, for people.
    #[schema(example = "Incorrect code provided", required = true)]
    message: String,
    /// Always `null`.
    #[schema(value_type = Option<Object>, required = true)]
    data: Option<()>,
    #[schema(required = true)]
    error: FailureError,
}

/// The same in the form of v4.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
struct FailureError {
    /// The status.
    #[schema(format = Int32, example = 400, required = true)]
    status: u16,
    /// What is wrong, for programs.
    #[schema(example = "ValidationError", required = true)]
    name: &'static str,
    /// What is wrong, for people.
    #[schema(example = "Incorrect code provided", required = true)]
    message: String,
    #[schema(required = true)]
    details: Details,
}

/// What is wrong with which field, where fields are at fault.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ErrorDetails)]
struct Details {
    /// One for each fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Fault>,
}

/// One field at fault. The value that was sent is never repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub(super) struct Fault {
    /// The field's name; empty when the body as a whole is at fault.
    #[schema(example = json!(["password"]), required = true)]
    path: Vec<&'static str>,
    /// What is wrong, for people.
    #[schema(example = "password is a required field", required = true)]
    message: String,
    /// Always `ValidationError`.
    #[schema(example = "ValidationError", required = true)]
    name: &'static str,
}

/// Everything that an endpoint of Strapi can render.
#[derive(Debug)]
pub(super) enum StrapiError {
    InvalidBody,
    /// At least one field at fault.
    Faults(Vec<Fault>),
    Mismatch,
    /// Wrong, expired, used, or of a blocked account: one answer for all (R18).
    IncorrectCode,
    /// The public role may not use the routes.
    Forbidden,
    Common(CommonError),
}

/// The faults of a body, gathered field by field and told all at once, as v4 does.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// The text of the field `name`; empty, and a fault, when there is none.
    pub(super) fn text<'a>(&mut self, body: &'a Object, name: &'static str) -> &'a str {
        match body.field(name) {
            Field::Missing | Field::Text("") => self.add(vec![name], format!("{name} is a required field")),
            Field::Null | Field::Other(_) => self.add(vec![name], format!("{name} must be a `string` type")),
            Field::Text(text) => return text,
        }
        ""
    }

    /// Fields beyond `known` are a fault of the whole body, told last.
    pub(super) fn only(&mut self, body: &Object, known: &[&str]) {
        if body.has_other_than(known) {
            self.add(Vec::new(), "this field has unspecified keys".into());
        }
    }

    /// The address in the field `name`; nothing, and a fault, when there is none.
    pub(super) fn address(&mut self, body: &Object, name: &'static str) -> Option<EmailAddress> {
        let known = self.0.len();
        let email = EmailAddress::parse(self.text(body, name)).ok();
        if email.is_none() && self.0.len() == known {
            self.add(vec![name], format!("{name} must be a valid email"));
        }
        email
    }

    /// Nothing, or everything that was found.
    pub(super) fn settle(self) -> Result<(), StrapiError> {
        if self.0.is_empty() { Ok(()) } else { Err(StrapiError::Faults(self.0)) }
    }

    fn add(&mut self, path: Vec<&'static str>, message: String) {
        self.0.push(Fault { path, message, name: "ValidationError" });
    }
}

impl StrapiError {
    /// One field at fault.
    pub(super) fn of(field: &'static str, message: String) -> Self {
        Self::Faults(vec![Fault { path: vec![field], message, name: "ValidationError" }])
    }
}

impl From<Undecodable> for StrapiError {
    fn from(_: Undecodable) -> Self {
        Self::InvalidBody
    }
}

impl From<Weakness> for StrapiError {
    fn from(weakness: Weakness) -> Self {
        // dialects.md 3.5; the classes in the words of px0's seed.
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
        Self::of("password", message)
    }
}

impl From<CommonError> for StrapiError {
    fn from(error: CommonError) -> Self {
        Self::Common(error)
    }
}

impl From<RequestError> for StrapiError {
    fn from(error: RequestError) -> Self {
        match error {
            // Only said where a contract discloses it; this one does not.
            RequestError::Unknown => failed(&error),
            RequestError::Store(error) => failed(&error),
        }
    }
}

impl From<RedeemError> for StrapiError {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Invalid | RedeemError::Blocked => Self::IncorrectCode,
            RedeemError::OwnName => {
                Self::of("password", "password must not be made of your name or email, or of ours".into())
            }
            RedeemError::Busy { retry_after } => Self::Common(CommonError::Busy { retry_after }),
            RedeemError::Hash(error) => failed(&error),
            RedeemError::Store(error) => failed(&error),
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> StrapiError {
    StrapiError::Common(CommonError::failure(super::NAME, error))
}

impl From<StrapiError> for Response<Bytes> {
    fn from(error: StrapiError) -> Self {
        // Texts: dialects.md 3.3 to 3.5, column v4; the body that cannot be read is ours.
        let bad = |message: String, errors| {
            say(StatusCode::BAD_REQUEST, message, "ValidationError", Details { errors })
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
            StrapiError::Mismatch => bad("Passwords do not match".into(), Vec::new()),
            StrapiError::IncorrectCode => bad("Incorrect code provided".into(), Vec::new()),
            StrapiError::Forbidden => plain(StatusCode::FORBIDDEN, "Forbidden", "ForbiddenError"),
            StrapiError::Common(error) => render(&error),
        }
    }
}

/// What never reached an endpoint.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    match error {
        CommonError::NotFound { .. } => plain(StatusCode::NOT_FOUND, "Not Found", "NotFoundError"),
        CommonError::MethodNotAllowed => {
            plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", "MethodNotAllowedError")
        }
        CommonError::BodyTooLarge => {
            plain(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large", "PayloadTooLargeError")
        }
        CommonError::BodyUnreadable => StrapiError::InvalidBody.into(),
        CommonError::BodyTooSlow => {
            plain(StatusCode::REQUEST_TIMEOUT, "Request Timeout", "RequestTimeoutError")
        }
        CommonError::NotJson => {
            plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", "UnsupportedMediaTypeError")
        }
        CommonError::Failure => {
            plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", "InternalServerError")
        }
        // dialects.md 3: Strapi's own limiter.
        CommonError::TooMany { retry_after: wait } => retry_after(
            plain(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests, please try again later.",
                "RateLimitError",
            ),
            *wait,
        ),
        CommonError::Busy { retry_after: wait } => {
            let busy =
                plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", "ServiceUnavailableError");
            retry_after(busy, *wait)
        }
    }
}

fn plain(status: StatusCode, message: &str, name: &'static str) -> Response<Bytes> {
    say(status, message.to_owned(), name, Details::default())
}

fn say(status: StatusCode, message: String, name: &'static str, details: Details) -> Response<Bytes> {
    let code = status.as_u16();
    let error = FailureError { status: code, name, message: message.clone(), details };
    json(status, JSON_UTF8, &Failure { code, message, data: None, error })
}
