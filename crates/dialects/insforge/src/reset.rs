//! `POST /api/auth/email/reset-password`: a token sets a new password.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{password::NewPassword, secret::TicketSecret};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    InsForgeSettings, NAME,
    error::{ErrorResponse, InsForgeError},
    schema::{Schema, decode},
};
use reset_http::{
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON_UTF8, json},
};

/// A token and the password to set.
#[derive(ToSchema)]
#[schema(as = ResetPasswordRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetBody {
    /// The new password; it has to satisfy the rules that the public configuration shows.
    #[schema(example = "newSecurePassword123")]
    new_password: String,
    /// The token: from the link, or what the code was exchanged for.
    #[schema(min_length = 1, example = "a1b2c3d4...")]
    otp: String,
}

/// That the password is the new one.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Reset {
    /// That the password was set.
    #[schema(example = "Password reset successfully", required = true)]
    message: &'static str,
}

#[utoipa::path(post, path = "/api/auth/email/reset-password", operation_id = "resetPassword",
    tag = "Client", summary = "Reset password with token",
    description = "Sets a new password by a token. Where codes are mailed, the token is what the code was \
        exchanged for; where links are mailed, it is the one that the link handed to the client's page.",
    request_body(content = ResetBody),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, or the password breaks a rule; the token is unspent",
            body = ErrorResponse, examples(
                ("missing_fields" = (summary = "Nothing submitted",
                    value = json!({"error": "INVALID_INPUT", "message": "newPassword: Required, otp: Required", "statusCode": 400}))),
                ("weak_password" = (summary = "Password too short",
                    value = json!({"error": "INVALID_INPUT", "message": "Password must contain at least 8 characters long", "statusCode": 400}))))),
        (status = 401, description = "The token is unknown, expired or used", body = ErrorResponse,
            example = json!({"error": "AUTH_UNAUTHORIZED", "message": "Invalid or expired verification token", "statusCode": 401})),
        (status = 429, description = "Too many wrong secrets from this address", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "The server failed; the token is unspent", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500})),
        (status = 503, description = "The server is busy; the token is unspent", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "SERVICE_UNAVAILABLE", "message": "Service is busy, please try again", "statusCode": 503}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (token, password) = decode_request(&insforge, &call)?;
    let guess = call.acquire(LimitClass::Token).await?;
    let token = token.ok_or(InsForgeError::DeadToken)?;
    guess.judge(call.resets.redeem(NAME, &token, password, call.network()).await)?;
    Ok(json(StatusCode::OK, JSON_UTF8, &Reset { message: "Password reset successfully" }))
}

/// The token, if it has the form of one, and the password, once it satisfies the rules: format, then rules,
/// then token, so that a weak password neither costs a token nor tells a good one from a bad one (R17).
fn decode_request(
    insforge: &InsForgeSettings,
    call: &Call,
) -> Result<(Option<TicketSecret>, NewPassword), InsForgeError> {
    let body = decode(call.request.body())?;
    let mut schema = Schema::of(&body);
    // An empty password is a weak one, an empty token a missing one (dialects.md 4.5).
    let password = schema.required("newPassword", "", Some);
    let token = schema.required("otp", "OTP/token is required", |text| (!text.is_empty()).then_some(text));
    let (Ok(password), Ok(token)) = (password, token) else { return Err(schema.invalid()) };
    let policy = insforge.policy;
    let password = policy.accept(password).map_err(|weakness| InsForgeError::Weak(weakness, policy))?;
    Ok((insforge.tokens().parse(token), password))
}
