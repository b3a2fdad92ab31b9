//! `POST <base>/confirm`: sets a new password with the token of a mailed link.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{password::NewPassword, secret::TicketSecret};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    AcmeSettings, NAME,
    error::{AcmeError, Failure},
};
use reset_http::{
    body::{Field, Object},
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON, json},
};

/// A reset token and the new password.
#[derive(ToSchema)]
#[schema(as = ResetConfirmation)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ConfirmBody {
    /// The token from the reset link.
    token: String,
    /// The new password.
    password: String,
}

/// Confirmation that the password was set.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetDone)]
pub(super) struct Changed {
    /// Always `true`.
    #[schema(example = true, required = true)]
    changed: bool,
}

#[utoipa::path(post, path = "/acme/confirm", operation_id = "confirmReset", tag = "Password reset",
    summary = "Set a new password", description = "Sets a new password with the token of a reset link.",
    request_body(content = ConfirmBody),
    responses(
        (status = 200, description = "The password was set", body = Changed),
        (status = 400, description = "A field is missing, the password violates the password policy, or the token is invalid or expired",
            body = Failure, example = json!({"error": "Invalid or expired token"})),
        (status = 429, description = "Too many invalid tokens from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "Too many requests"})),
        (status = 500, description = "Internal error; the token normally remains valid", body = Failure,
            example = json!({"error": "Internal error"}))))]
pub(super) async fn run(acme: Arc<AcmeSettings>, call: Call) -> Result<Response<Bytes>, AcmeError> {
    let (token, password) = decode(&acme, &call)?;
    let guess = call.acquire(LimitClass::Token).await?;
    let token = token.ok_or(AcmeError::InvalidToken)?;
    guess.judge(call.resets.redeem(NAME, &token, password, call.network(), call.locale()).await)?;
    Ok(json(StatusCode::OK, JSON, &Changed { changed: true }))
}

/// Decodes the body into the token, or `None` if it is malformed, and the password. The password policy is checked first,
/// so its errors reveal nothing about the token (R17).
fn decode(acme: &AcmeSettings, call: &Call) -> Result<(Option<TicketSecret>, NewPassword), AcmeError> {
    let body = Object::decode(call.request.body())?;
    let text = |name| match body.field(name) {
        Field::Text(text) if !text.is_empty() => Ok(text),
        _ => Err(AcmeError::Missing(name)),
    };
    let (token, password) = (text("token")?, text("password")?);
    let password = acme.policy.accept(password).map_err(AcmeError::Weak)?;
    Ok((acme.tokens().parse(token), password))
}
