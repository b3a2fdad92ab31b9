//! `POST /api/auth/email/exchange-reset-password-token`: exchanges a code for a token.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    email::EmailAddress,
    exchange::Exchange,
    secret::{SixDigits, TicketSecret},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    InsForgeSettings, NAME,
    error::{ErrorResponse, InsForgeError},
    schema::{Schema, decode},
};
use reset_http::{
    rate_limit::LimitClass,
    redemption::normalize_code,
    route::Call,
    wire::{JSON_UTF8, iso, json},
};

/// A reset code and the email address of its account.
#[derive(ToSchema)]
#[schema(as = ExchangeResetPasswordTokenRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ExchangeRequest {
    /// Email address that the code was sent to.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
    /// The six-digit code from the email.
    #[schema(pattern = r"^\d{6}$", example = "123456")]
    code: String,
}

/// The reset token that replaces the code.
#[derive(Serialize, ToSchema)]
#[schema(as = ExchangeResetPasswordTokenResponse)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exchanged<'a> {
    /// The reset token, 64 hexadecimal digits, to send as `otp` when setting the password.
    #[schema(
        pattern = "^[0-9a-f]{64}$",
        required = true,
        example = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
    )]
    token: &'a str,
    /// Expiry time of the token.
    #[schema(format = DateTime, example = "2026-01-02T03:04:05.678Z")]
    expires_at: String,
}

#[utoipa::path(post, path = "/api/auth/email/exchange-reset-password-token",
    operation_id = "exchangeResetPasswordToken", tag = "Client", summary = "Exchange a reset code for a token",
    description = "Exchanges a reset code for a reset token, which then sets the password. A code works once and allows \
        only a few attempts; every attempt counts.",
    request_body(content = ExchangeRequest),
    responses(
        (status = 200, description = "The code was exchanged for a token", body = Exchanged),
        (status = 400, description = "A field is missing or malformed", body = ErrorResponse, examples(
            ("missing_fields" = (summary = "Missing fields",
                value = json!({"error": "INVALID_INPUT", "message": "email: Required, code: Required", "statusCode": 400}))),
            ("malformed_code" = (summary = "Malformed code",
                value = json!({"error": "INVALID_INPUT", "message": "code: Reset password code must be a 6-digit numeric code", "statusCode": 400}))))),
        (status = 401, description = "The code is wrong, expired or already used, its attempts are exhausted, or the account does not exist",
            body = ErrorResponse,
            example = json!({"error": "AUTH_UNAUTHORIZED", "message": "Invalid or expired verification code", "statusCode": 401})),
        (status = 429, description = "Too many invalid codes from this client", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "Internal error; the code normally remains valid", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (email, code) = decode_request(&call).await?;
    let exchange = Exchange {
        dialect: NAME,
        email: &email,
        code: &code,
        max_attempts: insforge.max_attempts,
        format: &insforge.tokens(),
        lifetime: insforge.token_ttl,
        network: call.network(),
    };
    let guess = call.acquire(LimitClass::AddressCode).await?;
    let exchanged = guess.judge(call.resets.exchange(exchange).await)?;
    let (token, expires_at) = (exchanged.token.reveal(), iso(exchanged.expires_at));
    Ok(json(StatusCode::OK, JSON_UTF8, &Exchanged { token, expires_at }))
}

async fn decode_request(call: &Call) -> Result<(EmailAddress, TicketSecret), InsForgeError> {
    let body = decode(call).await?;
    let mut schema = Schema::of(&body);
    let email = schema.required("email", "Invalid email format", |text| EmailAddress::parse(text).ok());
    // People type codes here too, into the form of a client.
    let code = schema.required("code", "Reset password code must be a 6-digit numeric code", |typed| {
        SixDigits::parse(&normalize_code(typed))
    });
    let (Ok(email), Ok(code)) = (email, code) else { return Err(schema.invalid()) };
    Ok((email, code))
}
