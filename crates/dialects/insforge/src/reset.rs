//! `POST /api/auth/email/reset-password`: sets a new password with a token.

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

/// A reset token and the new password.
#[derive(ToSchema)]
#[schema(as = ResetPasswordRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetBody {
    /// The new password. It must satisfy the password policy, which the public configuration shows.
    #[schema(example = "newSecurePassword123")]
    new_password: String,
    /// The reset token, from a link or from the exchange of a code.
    #[schema(min_length = 1, example = "a1b2c3d4...")]
    otp: String,
}

/// Confirmation that the password was set.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Reset {
    /// Confirmation message.
    #[schema(example = "Password reset successfully", required = true)]
    message: &'static str,
}

#[utoipa::path(post, path = "/api/auth/email/reset-password", operation_id = "resetPassword",
    tag = "Client", summary = "Reset password with token",
    description = "Sets a new password with a reset token. If the deployment mails codes, the token comes from the \
        exchange of the code; if it mails links, the link passes the token to the client's page.",
    request_body(content = ResetBody),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, or the password violates the password policy; the token remains valid",
            body = ErrorResponse, examples(
                ("missing_fields" = (summary = "Missing fields",
                    value = json!({"error": "INVALID_INPUT", "message": "newPassword: Required, otp: Required", "statusCode": 400}))),
                ("weak_password" = (summary = "Password too short",
                    value = json!({"error": "INVALID_INPUT", "message": "Password must contain at least 8 characters long", "statusCode": 400}))))),
        (status = 401, description = "The token is unknown, expired or already used", body = ErrorResponse,
            example = json!({"error": "AUTH_UNAUTHORIZED", "message": "Invalid or expired verification token", "statusCode": 401})),
        (status = 429, description = "Too many invalid tokens from this client", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "Internal error; the token normally remains valid", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500})),
        (status = 503, description = "The server is overloaded; the token remains valid", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "SERVICE_UNAVAILABLE", "message": "Service is busy, please try again", "statusCode": 503}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (token, password) = decode_request(&insforge, &call).await?;
    let guess = call.acquire(LimitClass::Token).await?;
    let token = token.ok_or(InsForgeError::DeadToken)?;
    guess.judge(call.resets.redeem(NAME, &token, password, call.network(), call.locale()).await)?;
    Ok(json(StatusCode::OK, JSON_UTF8, &Reset { message: "Password reset successfully" }))
}

/// Decodes the body into the token, or `None` if its format or tag is wrong, and the password. The password policy is
/// checked before the token, so a weak password neither uses up a token nor reveals whether it is valid (R17).
async fn decode_request(
    insforge: &InsForgeSettings,
    call: &Call,
) -> Result<(Option<TicketSecret>, NewPassword), InsForgeError> {
    let body = decode(call).await?;
    let mut schema = Schema::of(&body);
    // As in InsForge, an empty password is a policy violation and an empty token a missing field.
    let password = schema.required("newPassword", "", Some);
    let token = schema.required("otp", "OTP/token is required", |text| (!text.is_empty()).then_some(text));
    let (Ok(password), Ok(token)) = (password, token) else { return Err(schema.invalid()) };
    let policy = insforge.policy;
    let password = policy.accept(password).map_err(|weakness| InsForgeError::Weak(weakness, policy))?;
    Ok((insforge.tokens().parse(token), password))
}
