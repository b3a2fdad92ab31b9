//! `POST /api/auth/email/exchange-reset-password-token`: a code becomes a token.

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
    route::Call,
    wire::{JSON_UTF8, iso, json},
};

/// A code, and whose it is.
#[derive(ToSchema)]
#[schema(as = ExchangeResetPasswordTokenRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ExchangeRequest {
    /// Address that the code was mailed to.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
    /// The six digits from the mail.
    #[schema(pattern = r"^\d{6}$", example = "123456")]
    code: String,
}

/// The token that took the code's place.
#[derive(Serialize, ToSchema)]
#[schema(as = ExchangeResetPasswordTokenResponse)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exchanged<'a> {
    /// The token, for `otp` of the reset: 64 hexadecimal digits.
    #[schema(
        pattern = "^[0-9a-f]{64}$",
        required = true,
        example = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
    )]
    token: &'a str,
    /// When the token ends.
    #[schema(format = DateTime, example = "2026-01-02T03:04:05.678Z")]
    expires_at: String,
}

#[utoipa::path(post, path = "/api/auth/email/exchange-reset-password-token",
    operation_id = "exchangeResetPasswordToken", tag = "Client", summary = "Exchange a reset code for a token",
    description = "Spends the code that was mailed and answers a token, which then sets the password. \
        A code can be guessed at a few times only; every try counts.",
    request_body(content = ExchangeRequest),
    responses(
        (status = 200, description = "The token that took the code's place", body = Exchanged),
        (status = 400, description = "A field is missing or malformed", body = ErrorResponse, examples(
            ("missing_fields" = (summary = "Nothing submitted",
                value = json!({"error": "INVALID_INPUT", "message": "email: Required, code: Required", "statusCode": 400}))),
            ("malformed_code" = (summary = "Not six digits",
                value = json!({"error": "INVALID_INPUT", "message": "code: Reset password code must be a 6-digit numeric code", "statusCode": 400}))))),
        (status = 401, description = "The code is wrong, expired, used or guessed at too often, or there is no such account",
            body = ErrorResponse,
            example = json!({"error": "AUTH_UNAUTHORIZED", "message": "Invalid or expired verification code", "statusCode": 401})),
        (status = 429, description = "Too many wrong secrets from this address", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "The server failed; the code is unspent", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (email, code) = decode_request(&call)?;
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

fn decode_request(call: &Call) -> Result<(EmailAddress, TicketSecret), InsForgeError> {
    let body = decode(call.request.body())?;
    let mut schema = Schema::of(&body);
    let email = schema.required("email", "Invalid email format", |text| EmailAddress::parse(text).ok());
    let code =
        schema.required("code", "Reset password code must be a 6-digit numeric code", SixDigits::parse);
    let (Ok(email), Ok(code)) = (email, code) else { return Err(schema.invalid()) };
    Ok((email, code))
}
