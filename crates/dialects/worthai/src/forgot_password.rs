//! `POST <base>/forgot-password`: requests a reset link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{email::EmailAddress, request::Disclosure};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    NAME, WorthaiSettings,
    error::{Failure, Invalid, WorthaiError, text},
};
use reset_http::{
    body::Object,
    route::Call,
    wire::{JSON_UTF8, json},
};

/// A request for a reset link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForgotPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ForgotPasswordRequest {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

/// Confirmation that the request was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = ForgotPasswordResponse)]
pub(super) struct Accepted {
    /// Always `success`.
    #[schema(example = "success", required = true)]
    status: &'static str,
    /// Confirmation message; the same whether or not an account exists.
    #[schema(
        example = "A link to reset your password has been sent to the registered email",
        required = true
    )]
    message: &'static str,
}

#[utoipa::path(post, path = "/forgot-password", operation_id = "forgotPassword", tag = "Sign In",
    summary = "Forgot Password",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists.", request_body(content = ForgotPasswordRequest),
    responses(
        (status = 200, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is invalid", body = Failure, examples(
            ("missing_email" = (summary = "Missing email address",
                value = json!({"status": "fail", "message": "\"email\" is required", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))),
            ("invalid_email" = (summary = "Invalid email address",
                value = json!({"status": "fail", "message": "\"email\" must be a valid email", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))))),
        (status = 429, description = "Too many reset requests from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"status": "fail", "message": "Too many requests", "errorCode": "ERR_TOO_MANY_REQUESTS", "data": {"errorName": "RateLimitError"}})),
        (status = 500, description = "Internal error; the request was not accepted", body = Failure,
            example = json!({"status": "error", "message": "Internal Server Error", "errorCode": "UNKNOWN_ERROR", "data": {"errorName": "InternalServerError"}}))))]
pub(super) async fn run(_: Arc<WorthaiSettings>, call: Call) -> Result<Response<Bytes>, WorthaiError> {
    let email = Some(decode(&call)?);
    call.resets.request(call.reset_request(NAME, email, None, Disclosure::Never)).await?;
    // The text that worthai documents for its sibling operation `forgot-password-init`.
    let message = "A link to reset your password has been sent to the registered email";
    Ok(json(StatusCode::OK, JSON_UTF8, &Accepted { status: "success", message }))
}

fn decode(call: &Call) -> Result<EmailAddress, Invalid> {
    let body = Object::decode(call.request.body())?;
    let email = EmailAddress::parse(text(&body, "email")?).map_err(|_| Invalid::NoAddress("email"))?;
    if body.has_other_than(&["email"]) { Err(Invalid::UnknownFields) } else { Ok(email) }
}
