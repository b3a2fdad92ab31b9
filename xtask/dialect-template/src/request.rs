//! `POST <base>/request`: requests a reset link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{email::EmailAddress, request::Disclosure};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    AcmeSettings, NAME,
    error::{AcmeError, Failure},
};
use reset_http::{
    body::{Field, Object},
    route::Call,
    wire::{JSON, json},
};

/// A request for a reset link.
#[derive(ToSchema)]
#[schema(as = ResetRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct RequestBody {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

/// Confirmation that the request was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetAccepted)]
pub(super) struct Accepted {
    /// Always `true`, whether or not an account exists.
    #[schema(example = true, required = true)]
    accepted: bool,
}

#[utoipa::path(post, path = "/acme/request", operation_id = "requestReset", tag = "Password reset",
    summary = "Request a reset",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists.",
    request_body(content = RequestBody),
    responses(
        (status = 202, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is invalid", body = Failure,
            example = json!({"error": "email is required"})),
        (status = 429, description = "Too many reset requests from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "Too many requests"})),
        (status = 500, description = "Internal error; the request was not accepted", body = Failure,
            example = json!({"error": "Internal error"}))))]
pub(super) async fn run(_: Arc<AcmeSettings>, call: Call) -> Result<Response<Bytes>, AcmeError> {
    let email = Some(decode(&call)?);
    call.resets.request(call.reset_request(NAME, email, None, Disclosure::Never)).await?;
    Ok(json(StatusCode::ACCEPTED, JSON, &Accepted { accepted: true }))
}

fn decode(call: &Call) -> Result<EmailAddress, AcmeError> {
    match Object::decode(call.request.body())?.field("email") {
        Field::Text(text) => EmailAddress::parse(text).map_err(|_| AcmeError::InvalidEmail),
        _ => Err(AcmeError::Missing("email")),
    }
}
