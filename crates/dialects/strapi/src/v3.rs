//! The wire format of Strapi v3.6 under `/auth`: its errors, and its account in the response to a reset.
//!
//! v3 reports every mistake as a list of lists, of which its clients read `message[0].messages[0]`. Its user has
//! `created_at` and `updated_at`. It also has the user's role, which the users table of this deployment does not tell.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::account::Account;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::{
    StrapiSettings,
    error::{StrapiError, UnknownFields},
    forgot_password::{self, Accepted, ForgotPasswordRequest},
    reset_password::{self, Id, ResetPasswordRequest},
};
use reset_http::{
    common_error::CommonError,
    route::Call,
    wire::{JSON_UTF8, iso, json},
};

/// The operations without a prefix in this format.
#[derive(OpenApi)]
#[openapi(paths(forgot_password, reset_password))]
pub(super) struct Document;

/// The body of an error response that a field or the code caused.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorV3)]
struct Failure {
    /// HTTP status.
    #[serde(rename = "statusCode")]
    #[schema(example = 400, required = true)]
    status_code: u16,
    /// Name of the status.
    #[schema(example = "Bad Request", required = true)]
    error: &'static str,
    /// One list with one message.
    #[schema(required = true)]
    message: [Messages; 1],
    /// The same as `message`.
    #[schema(required = true)]
    data: [Messages; 1],
}

/// A list of messages with one entry.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = MessagesV3)]
struct Messages {
    #[schema(required = true)]
    messages: [Message; 1],
}

/// A message with an id, by which clients translate it.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = MessageV3)]
struct Message {
    #[schema(example = "Auth.form.error.code.provide", required = true)]
    id: &'static str,
    #[schema(example = "Incorrect code provided.", required = true)]
    message: String,
}

/// The body of the response to a client over a limit: without status and name, as v3's rate limiter sends it.
#[derive(Serialize)]
struct OverLimit {
    message: [Messages; 1],
}

/// The body of every other error response.
#[derive(Serialize, ToSchema)]
#[schema(as = OtherErrorV3)]
struct OtherFailure {
    /// HTTP status.
    #[serde(rename = "statusCode")]
    #[schema(example = 403, required = true)]
    status_code: u16,
    /// Name of the status.
    #[schema(example = "Forbidden", required = true)]
    error: &'static str,
    /// Human-readable error message.
    #[schema(example = "Forbidden", required = true)]
    message: &'static str,
}

/// The account, and a session token if the deployment issues one.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponseV3)]
struct Reset {
    /// A session token for the account. Absent if the deployment issues none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    jwt: Option<String>,
    #[schema(required = true)]
    user: User,
}

/// The account as it was before the password was set.
#[derive(Serialize, ToSchema)]
#[schema(as = UserV3)]
struct User {
    #[schema(required = true)]
    id: Id,
    /// Login name; the email address if the account has none.
    #[schema(required = true)]
    username: String,
    /// Email address of the account, as stored.
    #[schema(format = Email, example = "user@example.com", required = true)]
    email: String,
    /// Always `local`: the account signs in with a password.
    #[schema(example = "local", required = true)]
    provider: &'static str,
    /// Whether the email address has been confirmed.
    #[schema(required = true)]
    confirmed: bool,
    /// Always `false`: a blocked account cannot reset.
    #[schema(example = false, required = true)]
    blocked: bool,
    /// Time at which the account was created.
    #[schema(format = DateTime, required = true)]
    created_at: String,
    /// Time at which the account last changed.
    #[schema(format = DateTime, required = true)]
    updated_at: String,
}

/// An error in the format of v3.
pub(super) struct V3Error(StrapiError);

impl From<StrapiError> for V3Error {
    fn from(error: StrapiError) -> Self {
        Self(error)
    }
}

#[utoipa::path(post, path = "/auth/forgot-password", operation_id = "forgotPassword",
    tag = "UsersPermissions", summary = "Send the reset password email",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists. Unknown fields such as `url` are ignored.",
    request_body(content = ForgotPasswordRequest),
    responses(
        (status = 200, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is invalid", body = Failure,
            example = json!({"statusCode": 400, "error": "Bad Request", "message": [{"messages": [{"id": "Auth.form.error.email.format", "message": "Please provide a valid email address."}]}], "data": [{"messages": [{"id": "Auth.form.error.email.format", "message": "Please provide a valid email address."}]}]})),
        (status = 403, description = "The public role may not use this route", body = OtherFailure,
            example = json!({"statusCode": 403, "error": "Forbidden", "message": "Forbidden"})),
        (status = "default", description = "Any other error", body = OtherFailure,
            example = json!({"statusCode": 500, "error": "Internal Server Error", "message": "An internal server error occurred"}))))]
pub(super) async fn forgot_password(
    strapi: Arc<StrapiSettings>,
    call: Call,
) -> Result<Response<Bytes>, V3Error> {
    Ok(forgot_password::handle(&strapi, &call, UnknownFields::Ignored).await?)
}

#[utoipa::path(post, path = "/auth/reset-password", operation_id = "resetPassword",
    tag = "UsersPermissions", summary = "Reset user password with a code (resetToken)",
    description = "Sets a new password with the code from a reset link. Unknown fields are ignored.",
    request_body(content = ResetPasswordRequest),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, the passwords do not match, the password violates the password policy, or the code is invalid or expired",
            body = Failure,
            example = json!({"statusCode": 400, "error": "Bad Request", "message": [{"messages": [{"id": "Auth.form.error.code.provide", "message": "Incorrect code provided."}]}], "data": [{"messages": [{"id": "Auth.form.error.code.provide", "message": "Incorrect code provided."}]}]})),
        (status = 403, description = "The public role may not use this route", body = OtherFailure,
            example = json!({"statusCode": 403, "error": "Forbidden", "message": "Forbidden"})),
        (status = "default", description = "Any other error; the code normally remains valid", body = OtherFailure,
            example = json!({"statusCode": 500, "error": "Internal Server Error", "message": "An internal server error occurred"}))))]
pub(super) async fn reset_password(
    strapi: Arc<StrapiSettings>,
    call: Call,
) -> Result<Response<Bytes>, V3Error> {
    let (jwt, account) = reset_password::handle(&strapi, &call, UnknownFields::Ignored).await?;
    Ok(json(StatusCode::OK, JSON_UTF8, &Reset { jwt, user: User::of(account) }))
}

impl User {
    fn of(account: Account) -> Self {
        Self {
            id: Id::of(&account),
            username: account.username.unwrap_or_else(|| account.email.clone()),
            email: account.email,
            provider: "local",
            confirmed: account.confirmed,
            blocked: account.blocked,
            created_at: iso(account.created_at),
            updated_at: iso(account.updated_at),
        }
    }
}

impl From<V3Error> for Response<Bytes> {
    fn from(V3Error(error): V3Error) -> Self {
        let (id, message) = match error {
            StrapiError::InvalidBody => {
                ("Auth.form.error.params.provide", "Incorrect params provided.".to_owned())
            }
            StrapiError::Faults(faults) => match faults.first().map(|fault| fault.path.as_slice()) {
                Some(["email"]) => {
                    ("Auth.form.error.email.format", "Please provide a valid email address.".to_owned())
                }
                _ => ("Auth.form.error.params.provide", "Incorrect params provided.".to_owned()),
            },
            StrapiError::Mismatch => {
                ("Auth.form.error.password.matching", "Passwords do not match.".to_owned())
            }
            StrapiError::IncorrectCode => {
                ("Auth.form.error.code.provide", "Incorrect code provided.".to_owned())
            }
            // v3 has no rules for passwords, so the id is polyreset's own.
            StrapiError::Password(message) => ("Auth.form.error.password.policy", message),
            StrapiError::Forbidden => return other(StatusCode::FORBIDDEN, "Forbidden"),
            StrapiError::Common(error) => return render(&error),
        };
        let message = messages(id, message);
        let data = message.clone();
        let failure = Failure { status_code: 400, error: "Bad Request", message, data };
        json(StatusCode::BAD_REQUEST, JSON_UTF8, &failure)
    }
}

fn messages(id: &'static str, message: String) -> [Messages; 1] {
    [Messages { messages: [Message { id, message }] }]
}

/// Renders the errors common to all dialects.
pub(super) fn render(error: &CommonError) -> Response<Bytes> {
    let response = match error {
        CommonError::TooMany { .. } => {
            // The text and shape of v3's own rate limiter.
            let text = "Too many attempts, please try again in a minute.".to_owned();
            json(
                error.status(),
                JSON_UTF8,
                &OverLimit { message: messages("Auth.form.error.ratelimit", text) },
            )
        }
        CommonError::BodyUnreadable => return V3Error(StrapiError::InvalidBody).into(),
        CommonError::Failure => other(error.status(), "An internal server error occurred"),
        _ => other(error.status(), error.status().canonical_reason().unwrap_or_default()),
    };
    error.add_retry_after(response)
}

fn other(status: StatusCode, message: &'static str) -> Response<Bytes> {
    let error = status.canonical_reason().unwrap_or_default();
    json(status, JSON_UTF8, &OtherFailure { status_code: status.as_u16(), error, message })
}
