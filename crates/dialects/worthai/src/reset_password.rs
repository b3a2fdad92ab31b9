//! `POST <base>/reset-password`: sets a new password with the token of a mailed link.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::password::NewPassword;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    NAME, WorthaiSettings,
    error::{Failure, Invalid, Shared, WorthaiError, text},
};
use reset_http::{
    body::Object,
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON_UTF8, json},
};

/// A reset token and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetPasswordRequest {
    /// The new password.
    password: String,
    /// The token from the reset link.
    reset_token: String,
}

/// Confirmation that the password was set.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Changed {
    /// Always `success`.
    #[schema(example = "success", required = true)]
    status: &'static str,
    /// Confirmation message.
    #[schema(example = "Password Changed successfully", required = true)]
    message: &'static str,
}

#[utoipa::path(post, path = "/reset-password", operation_id = "resetPassword", tag = "Sign In",
    summary = "Reset Password", description = "Sets a new password with the token from a reset link.", request_body(content = ResetPasswordRequest),
    responses(
        (status = 200, description = "The password was set", body = Changed),
        (status = 400, description = "The body is invalid, the password violates the password policy, or the token is expired, used or superseded",
            body = Failure, examples(
                ("expired" = (summary = "Expired, used or superseded token",
                    value = json!({"status": "fail", "message": "This reset password link has expired", "errorCode": "INVALID", "data": {"errorName": "SignInApiError"}}))),
                ("missing_password" = (summary = "Missing password",
                    value = json!({"status": "fail", "message": "\"password\" is required", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))),
                ("short_password" = (summary = "Password too short",
                    value = json!({"status": "fail", "message": "\"password\" length must be at least 8 characters long", "errorCode": "INVALID", "data": {"errorName": "ValidationMiddlewareError"}}))))),
        (status = 401, description = "The token was issued for another purpose", body = Shared,
            example = json!({"message": "Unauthorized", "errorCode": "ERR_UNAUTHORIZED"})),
        (status = 403, description = "The account is blocked", body = Shared,
            example = json!({"message": "Forbidden", "errorCode": "ERR_FORBIDDEN"})),
        (status = 429, description = "Too many invalid tokens from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"status": "fail", "message": "Too many requests", "errorCode": "ERR_TOO_MANY_REQUESTS", "data": {"errorName": "RateLimitError"}})),
        (status = 500, description = "The token's signature is invalid, or an internal error occurred; a valid token normally remains valid",
            body = Failure, examples(
                ("invalid_signature" = (summary = "Forged or malformed token",
                    value = json!({"status": "error", "message": "invalid signature", "errorCode": "UNKNOWN_ERROR", "data": {"errorName": "JsonWebTokenError"}}))),
                ("failure" = (summary = "Internal error",
                    value = json!({"status": "error", "message": "Internal Server Error", "errorCode": "UNKNOWN_ERROR", "data": {"errorName": "InternalServerError"}})))))))]
pub(super) async fn run(worthai: Arc<WorthaiSettings>, call: Call) -> Result<Response<Bytes>, WorthaiError> {
    let (token, password) = decode(&worthai, &call)?;
    let guess = call.acquire(LimitClass::Token).await?;
    let now = call.resets.adapters().clock.now();
    let secret = worthai.tokens().parse(&token, now).map_err(|defect| WorthaiError::of(defect, &worthai))?;
    guess.judge(call.resets.redeem(NAME, &secret, password, call.network(), call.locale()).await)?;
    let message = "Password Changed successfully";
    Ok(json(StatusCode::OK, JSON_UTF8, &Changed { status: "success", message }))
}

/// Decodes the body into the token and the password. The password policy is checked before the token, so its errors
/// reveal nothing about the token (R17).
fn decode(worthai: &WorthaiSettings, call: &Call) -> Result<(Zeroizing<String>, NewPassword), WorthaiError> {
    let body = Object::decode(call.request.body()).map_err(Invalid::from)?;
    let (password, token) = (text(&body, "password")?, text(&body, "reset_token")?);
    if body.has_other_than(&["password", "reset_token"]) {
        return Err(Invalid::UnknownFields.into());
    }
    let password = worthai.policy.accept(password).map_err(|weakness| Invalid::Weak("password", weakness))?;
    Ok((Zeroizing::new(token.to_owned()), password))
}
