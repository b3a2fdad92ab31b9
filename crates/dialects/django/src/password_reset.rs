//! `POST <base>/password/reset/` of dj-rest-auth: requests a reset link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::request::Disclosure;
use reset_http::route::Call;
use utoipa::ToSchema;

use super::{
    DjangoSettings, NAME,
    error::{BadRequest, Detail, DjangoError, respond},
    fields::{Fields, decode},
};

/// A request for a reset link.
#[derive(ToSchema)]
#[schema(as = PasswordReset)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct PasswordReset {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

/// Confirmation of an accepted request.
#[derive(ToSchema)]
#[schema(as = RestAuthDetail)]
#[expect(dead_code, reason = "documents the response, which has the format of an error")]
pub(super) struct Accepted {
    /// Human-readable message; the same whether or not an account exists.
    #[schema(example = "Password reset e-mail has been sent.", required = true)]
    detail: String,
}

#[utoipa::path(post, path = "/password/reset/", operation_id = "passwordReset", tag = "Django",
    summary = "Request a password reset (dj-rest-auth)",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists. The path is served with and without its last slash.",
    request_body(content((PasswordReset = "application/json"), (PasswordReset = "application/x-www-form-urlencoded"),
        (PasswordReset = "multipart/form-data"))),
    responses(
        (status = 200, description = "The request was accepted", body = Accepted),
        (status = 400, description = "The body is invalid", body = BadRequest, examples(
            ("missing_email" = (summary = "Missing email address",
                value = json!({"email": ["This field is required."]}))),
            ("invalid_email" = (summary = "Invalid email address",
                value = json!({"email": ["Enter a valid email address."]}))))),
        (status = 429, description = "Too many reset requests from this client", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"detail": "Request was throttled. Expected available in 60 seconds."})),
        (status = 500, description = "Internal error; the request was not accepted", body = Detail,
            example = json!({"detail": "A server error occurred."}))))]
pub(super) async fn run(_: Arc<DjangoSettings>, call: Call) -> Result<Response<Bytes>, DjangoError> {
    request(&call).await?;
    Ok(respond(StatusCode::OK, "Password reset e-mail has been sent."))
}

/// Reads the address and requests a reset, as both libraries do.
pub(super) async fn request(call: &Call) -> Result<(), DjangoError> {
    let body = decode(call).await?;
    let mut fields = Fields::of(&body);
    let email = fields.address("email");
    fields.finish()?;
    Ok(call.resets.request(call.reset_request(NAME, email, None, Disclosure::Never)).await?)
}
