//! `POST <base>/forgot-password`: mail a link to an account, if there is one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{email::EmailAddress, request::Disclosure};
use serde::Serialize;
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

/// Whose password is to be reset.
#[derive(ToSchema)]
#[schema(as = ForgotPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ForgotPasswordRequest {
    /// Address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ForgotPasswordResponse)]
pub(super) struct Accepted {
    /// Always `success`.
    #[schema(example = "success", required = true)]
    status: &'static str,
    /// The same for every address, known or not.
    #[schema(
        example = "A link to reset your password has been sent to the registered email",
        required = true
    )]
    message: &'static str,
}

#[utoipa::path(post, path = "/forgot-password", operation_id = "forgotPassword", tag = "Sign In",
    summary = "Forgot Password",
    description = "Mails a reset link to the account with this address. The answer is the same for every address.", request_body(content = ForgotPasswordRequest),
    responses(
        (status = 200, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is not what is asked for", body = Failure, examples(
            ("missing_email" = (summary = "No address",
                value = json!({"status": "fail", "message": "\"email\" is required", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))),
            ("invalid_email" = (summary = "Not an address",
                value = json!({"status": "fail", "message": "\"email\" must be a valid email", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))))),
        (status = 429, description = "Too many resets asked for from this address", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"status": "fail", "message": "Too many requests", "errorCode": "ERR_TOO_MANY_REQUESTS", "data": {"errorName": "RateLimitError"}})),
        (status = 500, description = "The server failed; nothing was accepted", body = Failure,
            example = json!({"status": "error", "message": "Internal Server Error", "errorCode": "UNKNOWN_ERROR", "data": {"errorName": "InternalServerError"}}))))]
pub(super) async fn run(_: Arc<WorthaiSettings>, call: Call) -> Result<Response<Bytes>, WorthaiError> {
    let email = Some(decode(&call)?);
    call.resets.request(call.reset_request(NAME, email, None, Disclosure::Never)).await?;
    // dialects.md 2.1: the sibling page's own text.
    let message = "A link to reset your password has been sent to the registered email";
    Ok(json(StatusCode::OK, JSON_UTF8, &Accepted { status: "success", message }))
}

fn decode(call: &Call) -> Result<EmailAddress, Invalid> {
    let body = Object::decode(call.request.body())?;
    let email = EmailAddress::parse(text(&body, "email")?).map_err(|_| Invalid::NoAddress("email"))?;
    if body.has_other_than(&["email"]) { Err(Invalid::UnknownFields) } else { Ok(email) }
}
