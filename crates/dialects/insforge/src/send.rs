//! `POST /api/auth/email/send-reset-password`: requests a reset code or link by mail.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{email::EmailAddress, request::Disclosure};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::{
    InsForgeSettings, Method, NAME,
    error::{ErrorResponse, InsForgeError},
    redirect::Target,
    schema::{Schema, decode},
};
use reset_http::{
    route::Call,
    wire::{JSON_UTF8, json},
};

/// A request for a reset code or link.
#[derive(ToSchema)]
#[schema(as = SendResetPasswordRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct SendRequest {
    /// Email address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
    /// The page that the link redirects to: an absolute URL on the allow-list. Required if the deployment mails links.
    /// If it mails codes, the target applies to links that are mailed instead of a code.
    #[schema(nullable = false, format = "uri", example = "https://app.example.com/reset-password")]
    redirect_to: Option<String>,
}

/// Confirmation that the request was accepted. It does not reveal whether an account exists.
#[derive(Serialize, ToSchema)]
#[schema(as = SendResetPasswordResponse)]
pub(super) struct Sent {
    /// Always `true`.
    #[schema(example = true)]
    success: bool,
    /// Confirmation message.
    #[schema(
        required = true,
        example = "If your email is registered, we have sent you a password reset code. Please check your inbox."
    )]
    message: &'static str,
}

#[utoipa::path(post, path = "/api/auth/email/send-reset-password", operation_id = "sendResetPassword",
    tag = "Client", summary = "Send a reset code or link",
    description = "Sends a reset code or a reset link, depending on the deployment, by email to the account with this \
        address. The response is the same whether or not an account exists.",
    request_body(content = SendRequest),
    responses(
        (status = 202, description = "The request was accepted; an email is sent if an account exists", body = Sent),
        (status = 400, description = "A field is missing or malformed, or the redirect target is not allowed",
            body = ErrorResponse, examples(
                ("missing_email" = (summary = "Missing email address",
                    value = json!({"error": "INVALID_INPUT", "message": "email: Required", "statusCode": 400}))),
                ("missing_target" = (summary = "Missing redirect target, with links",
                    value = json!({"error": "INVALID_INPUT", "message": "redirectTo is required when link-based password reset is enabled", "statusCode": 400}))),
                ("target_not_allowed" = (summary = "Redirect target not allowed",
                    value = json!({"error": "INVALID_INPUT", "message": "redirectTo is not in the allowed redirect URLs", "statusCode": 400, "nextActions": "Please add this URL to the allowed redirect URLs in the authentication configuration."}))))),
        (status = 429, description = "Too many reset requests from this client", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "Internal error; the request was not accepted", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (email, target) = decode_request(&insforge, &call).await?;
    let redirect_to = target.map(|target| target.as_str().to_owned());
    call.resets.request(call.reset_request(NAME, Some(email), redirect_to, Disclosure::Never)).await?;
    let message = match insforge.method {
        Method::Code => {
            "If your email is registered, we have sent you a password reset code. Please check your inbox."
        }
        Method::Link => {
            "If your email is registered, we have sent you a password reset link. Please check your inbox."
        }
    };
    Ok(json(StatusCode::ACCEPTED, JSON_UTF8, &Sent { success: true, message }))
}

/// Decodes the body into the address and the redirect target. With method `code`, the target only has to be a URL, and
/// a target that is not on the allow-list is ignored.
async fn decode_request(
    insforge: &InsForgeSettings,
    call: &Call,
) -> Result<(EmailAddress, Option<Target>), InsForgeError> {
    let body = decode(call).await?;
    let mut schema = Schema::of(&body);
    let email = schema.required("email", "Invalid email format", |text| EmailAddress::parse(text).ok());
    let target =
        schema.optional("redirectTo", "Invalid url", |text| Url::parse(text).is_ok().then_some(text));
    let (Ok(email), Ok(target)) = (email, target) else { return Err(schema.invalid()) };
    match insforge.method {
        Method::Code => Ok((email, target.and_then(|text| insforge.allowed.admit(text)))),
        Method::Link => {
            let text = target.ok_or(InsForgeError::TargetMissing)?;
            Ok((email, Some(insforge.allowed.admit(text).ok_or(InsForgeError::TargetNotAllowed)?)))
        }
    }
}
