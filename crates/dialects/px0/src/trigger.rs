//! `POST /v1/auth/password-reset/trigger`: mail a code to an account.

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

/// Whose password is to be reset.
#[derive(ToSchema)]
#[schema(as = TriggerPasswordResetRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct TriggerRequest {
    /// Address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TriggerPasswordResetResponse)]
pub(super) struct Triggered {
    /// That the mail is under way.
    #[schema(example = "password reset email sent successfully", required = true)]
    message: &'static str,
}

#[utoipa::path(post, path = "/v1/auth/password-reset/trigger", operation_id = "triggerPasswordReset",
    tag = "Auth", summary = "Trigger Password Reset",
    description = "Mails a reset code to the account with this address.",
    request_body(content = TriggerRequest),
    responses(
        (status = 200, description = "The code is under way", body = Triggered),
        (status = 400, description = "No address given", body = ApiError,
            example = json!({"error": "email is required"})),
        (status = 404, description = "No account has this address", body = ApiError,
            example = json!({"error": "user not found"})),
        (status = 429, description = "Too many resets asked for from this address", body = ApiError,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "too many requests, try again later"})),
        (status = 500, description = "The server failed; nothing was accepted", body = ApiError,
            example = json!({"error": "internal error"}))))]
pub(super) async fn run(px0: Arc<Px0Settings>, call: Call) -> Result<Response<Bytes>, Px0Error> {
    let email = decode(&call)?;
    call.resets.request(call.reset_request(NAME, email, None, px0.disclosure())).await?;
    Ok(json(StatusCode::OK, JSON, &Triggered { message: "password reset email sent successfully" }))
}

/// The address, or nothing for a text that no account can have as its address: px0 has no word for
/// malformed ones, they are unknown users (R22).
fn decode(call: &Call) -> Result<Option<EmailAddress>, Px0Error> {
    match Object::decode(call.request.body())?.field("email") {
        Field::Missing | Field::Null | Field::Text("") => Err(Px0Error::EmailRequired),
        Field::Text(text) => Ok(EmailAddress::parse(text).ok()),
        Field::Other(_) => Err(Px0Error::InvalidBody),
    }
}
