//! `POST /v1/auth/password-reset/trigger`: requests a reset code by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::email::EmailAddress;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NAME, Px0Settings,
    error::{ApiError, Px0Error},
};
use reset_http::{
    body::{Field, Object},
    route::Call,
    wire::{JSON, json},
};

/// A request for a reset code.
#[derive(ToSchema)]
#[schema(as = TriggerPasswordResetRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct TriggerRequest {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

/// Confirmation that the request was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = TriggerPasswordResetResponse)]
pub(super) struct Triggered {
    /// Confirmation message.
    #[schema(example = "password reset email sent successfully", required = true)]
    message: &'static str,
}

#[utoipa::path(post, path = "/v1/auth/password-reset/trigger", operation_id = "triggerPasswordReset",
    tag = "Auth", summary = "Trigger Password Reset",
    description = "Sends a reset code by email to the account with this address.",
    request_body(content = TriggerRequest),
    responses(
        (status = 200, description = "The request was accepted, and the code is sent by email", body = Triggered),
        (status = 400, description = "The email address is missing", body = ApiError,
            example = json!({"error": "email is required"})),
        (status = 404, description = "No account has this email address. Returned only if the deployment discloses this; otherwise 200", body = ApiError,
            example = json!({"error": "user not found"})),
        (status = 429, description = "Too many reset requests from this client", body = ApiError,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "too many requests, try again later"})),
        (status = 500, description = "Internal error; the request was not accepted", body = ApiError,
            example = json!({"error": "internal error"}))))]
pub(super) async fn run(px0: Arc<Px0Settings>, call: Call) -> Result<Response<Bytes>, Px0Error> {
    let email = decode(&call)?;
    call.resets.request(call.reset_request(NAME, email, None, px0.disclosure())).await?;
    Ok(json(StatusCode::OK, JSON, &Triggered { message: "password reset email sent successfully" }))
}

/// Decodes the body into the address, or `None` if it is malformed: px0's contract has no error for malformed
/// addresses, so they are treated as unknown (R22).
fn decode(call: &Call) -> Result<Option<EmailAddress>, Px0Error> {
    match Object::decode(call.request.body())?.field("email") {
        Field::Missing | Field::Null | Field::Text("") => Err(Px0Error::EmailRequired),
        Field::Text(text) => Ok(EmailAddress::parse(text).ok()),
        Field::Other(_) => Err(Px0Error::InvalidBody),
    }
}
