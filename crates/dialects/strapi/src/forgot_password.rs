//! `POST [/api]/auth/forgot-password`: requests a reset link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{email::EmailAddress, request::Disclosure};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NAME, StrapiSettings,
    error::{Failure, Faults, StrapiError, UnknownFields},
};
use reset_http::{
    route::Call,
    wire::{JSON_UTF8, json},
};

/// A request for a reset link.
#[derive(ToSchema)]
#[schema(as = ForgotPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ForgotPasswordRequest {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

/// Confirmation that the request was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = ForgotPasswordResponse)]
pub(super) struct Accepted {
    /// Always `true`, whether or not an account has this address.
    #[schema(example = true, required = true)]
    ok: bool,
}

#[utoipa::path(post, path = "/auth/forgot-password", operation_id = "forgotPassword",
    tag = "UsersPermissions", summary = "Send the reset password email",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists. The operation is available without a prefix, as in Strapi v3, and under `/api`, as \
        since v4.", request_body(content = ForgotPasswordRequest),
    responses(
        (status = 200, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is invalid", body = Failure,
            example = json!({"code": 400, "message": "email must be a valid email", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "email must be a valid email", "details": {"errors": [{"path": ["email"], "message": "email must be a valid email", "name": "ValidationError"}]}}})),
        (status = 403, description = "The public role may not use this route", body = Failure,
            example = json!({"code": 403, "message": "Forbidden", "data": null, "error": {"status": 403, "name": "ForbiddenError", "message": "Forbidden", "details": {}}})),
        (status = 404, description = "Unknown path below this one", body = Failure,
            example = json!({"code": 404, "message": "Not Found", "data": null, "error": {"status": 404, "name": "NotFoundError", "message": "Not Found", "details": {}}})),
        (status = 429, description = "Too many reset requests from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"code": 429, "message": "Too many requests, please try again later.", "data": null, "error": {"status": 429, "name": "RateLimitError", "message": "Too many requests, please try again later.", "details": {}}})),
        (status = "default", description = "Any other error", body = Failure,
            example = json!({"code": 500, "message": "Internal Server Error", "data": null, "error": {"status": 500, "name": "InternalServerError", "message": "Internal Server Error", "details": {}}}))))]
pub(super) async fn run(strapi: Arc<StrapiSettings>, call: Call) -> Result<Response<Bytes>, StrapiError> {
    handle(&strapi, &call, UnknownFields::Refused).await
}

/// The same under v3's path, where clients send fields that v3 ignores, such as `url`.
pub(super) async fn run_without_prefix(
    strapi: Arc<StrapiSettings>,
    call: Call,
) -> Result<Response<Bytes>, StrapiError> {
    handle(&strapi, &call, UnknownFields::Ignored).await
}

/// Accepts the request.
pub(super) async fn handle(
    strapi: &StrapiSettings,
    call: &Call,
    unknown: UnknownFields,
) -> Result<Response<Bytes>, StrapiError> {
    strapi.require_public()?;
    let email = decode(call, unknown).await?;
    call.resets.request(call.reset_request(NAME, email, None, Disclosure::Never)).await?;
    Ok(json(StatusCode::OK, JSON_UTF8, &Accepted { ok: true }))
}

/// Decodes the body into the address, which is `Some` whenever the body is valid.
async fn decode(call: &Call, unknown: UnknownFields) -> Result<Option<EmailAddress>, StrapiError> {
    let body = call.object().await?;
    let mut faults = Faults::default();
    let email = faults.address(&body, "email");
    faults.only(&body, &["email"], unknown);
    faults.finish()?;
    Ok(email)
}
