//! `POST /v1/auth/password-reset/reset`: sets a new password with a code.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    password::NewPassword,
    secret::{LongCode, SixDigits, TicketSecret},
    ticket::TicketKind,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NAME, Px0Settings,
    error::{ApiError, Px0Error},
};
use reset_http::{
    body::{Field, Object},
    rate_limit::LimitClass,
    redemption::normalize_code,
    route::Call,
    wire::{JSON, json},
};

/// A reset code and the new password.
#[derive(ToSchema)]
#[schema(as = ResetPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetBody {
    /// The reset code from the email.
    #[schema(example = "123456")]
    code: String,
    /// The new password.
    #[schema(min_length = 8, example = "NewSecretPassword123!")]
    new_password: String,
}

/// Confirmation that the password was set.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Reset {
    /// Confirmation message.
    #[schema(example = "password reset successfully", required = true)]
    message: &'static str,
    /// Email address of the account, as stored.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

#[utoipa::path(post, path = "/v1/auth/password-reset/reset", operation_id = "resetPassword",
    tag = "Auth", summary = "Reset Password",
    description = "Sets a new password with a reset code. The code alone identifies the account.",
    request_body(content = ResetBody),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, the password violates the password policy, or the code is invalid or expired",
            body = ApiError, examples(
                ("missing_fields" = (summary = "Missing code or password",
                    value = json!({"error": "code and new_password are required"}))),
                ("short_password" = (summary = "Password too short",
                    value = json!({"error": "password must be at least 8 characters"}))),
                ("weak_password" = (summary = "Password lacks a character class",
                    value = json!({"error": "password must contain at least one uppercase letter, one lowercase letter, one digit, and one special character"}))),
                ("invalid_code" = (summary = "Invalid or expired code",
                    value = json!({"error": "invalid or expired password reset code"}))))),
        (status = 429, description = "Too many invalid codes from this client", body = ApiError,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "too many requests, try again later"})),
        (status = 500, description = "Internal error; the code normally remains valid", body = ApiError,
            example = json!({"error": "internal error"}))))]
pub(super) async fn run(px0: Arc<Px0Settings>, call: Call) -> Result<Response<Bytes>, Px0Error> {
    let (code, password) = decode(&px0, &call)?;
    // Invalid short codes do not count against the limit for long codes (R47, R50).
    let short = code.as_ref().is_some_and(|code| code.kind() == TicketKind::Code);
    let guess = call.acquire(if short { LimitClass::OpenCode } else { LimitClass::Token }).await?;
    let code = code.ok_or(Px0Error::InvalidCode)?;
    let account =
        guess.judge(call.resets.redeem(NAME, &code, password, call.network(), call.locale()).await)?;
    Ok(json(StatusCode::OK, JSON, &Reset { message: "password reset successfully", email: account.email }))
}

/// Decodes the body into the code, or `None` if it is malformed, and the password. The password policy is checked
/// first, as in px0's contract, so a weak password never uses up the code.
fn decode(px0: &Px0Settings, call: &Call) -> Result<(Option<TicketSecret>, NewPassword), Px0Error> {
    let body = Object::decode(call.request.body())?;
    let text = |name| match body.field(name) {
        Field::Missing | Field::Null | Field::Text("") => Ok(None),
        Field::Text(text) => Ok(Some(text)),
        Field::Other(_) => Err(Px0Error::InvalidBody),
    };
    let (Some(code), Some(password)) = (text("code")?, text("new_password")?) else {
        return Err(Px0Error::FieldsRequired);
    };
    let password = px0.policy.accept(password).map_err(Px0Error::Weak)?;
    // People type codes here too, into the form of a client.
    let code = normalize_code(code);
    Ok((SixDigits::parse(&code).or_else(|| LongCode::parse(&code)), password))
}
