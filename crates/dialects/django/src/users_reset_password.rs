//! `POST <base>/users/reset_password/` of Djoser: requests a reset link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use reset_http::route::Call;
use utoipa::ToSchema;

use super::{
    DjangoSettings,
    error::{BadRequest, Detail, DjangoError},
    no_content, password_reset,
};

/// A request for a reset link.
#[derive(ToSchema)]
#[schema(as = SendEmailReset)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct SendEmailReset {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
}

#[utoipa::path(post, path = "/users/reset_password/", operation_id = "usersResetPassword", tag = "Django",
    summary = "Request a password reset (Djoser)",
    description = "Sends a reset link by email to the account with this address. The response is the same whether or \
        not an account exists. Without its last slash, the path is redirected with 301.",
    request_body(content((SendEmailReset = "application/json"), (SendEmailReset = "application/x-www-form-urlencoded"),
        (SendEmailReset = "multipart/form-data"))),
    responses(
        (status = 204, description = "The request was accepted"),
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
    password_reset::request(&call).await?;
    Ok(no_content())
}
