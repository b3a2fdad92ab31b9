//! `POST /api/auth/email/send-reset-password`: mail a code or a link to an account.

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

/// Whose password is to be reset, and where a link is to lead.
#[derive(ToSchema)]
#[schema(as = SendResetPasswordRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct SendRequest {
    /// Address of the account.
    #[schema(format = Email, example = "user@example.com")]
    email: String,
    /// Page that the link leads to: absolute, and on the allow-list. Required where links are mailed. Where codes
    /// are, it is where a link leads that is mailed in the place of a code.
    #[schema(nullable = false, format = "uri", example = "https://app.example.com/reset-password")]
    redirect_to: Option<String>,
}

/// That the request was accepted, and no more.
#[derive(Serialize, ToSchema)]
#[schema(as = SendResetPasswordResponse)]
pub(super) struct Sent {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// That a mail is under way if there is an account.
    #[schema(
        required = true,
        example = "If your email is registered, we have sent you a password reset code. Please check your inbox."
    )]
    message: &'static str,
}

#[utoipa::path(post, path = "/api/auth/email/send-reset-password", operation_id = "sendResetPassword",
    tag = "Client", summary = "Send a reset code or link",
    description = "Mails a code or a link, as the deployment has chosen, to the account with this address. \
        The answer is the same whether or not there is one.",
    request_body(content = SendRequest),
    responses(
        (status = 202, description = "Accepted; a mail is under way if there is an account", body = Sent),
        (status = 400, description = "A field is missing or malformed, or the target is not allowed",
            body = ErrorResponse, examples(
                ("missing_email" = (summary = "No address",
                    value = json!({"error": "INVALID_INPUT", "message": "email: Required", "statusCode": 400}))),
                ("missing_target" = (summary = "Links are mailed, and no target is named",
                    value = json!({"error": "INVALID_INPUT", "message": "redirectTo is required when link-based password reset is enabled", "statusCode": 400}))),
                ("target_not_allowed" = (summary = "The target is not on the allow-list",
                    value = json!({"error": "INVALID_INPUT", "message": "redirectTo is not in the allowed redirect URLs", "statusCode": 400, "nextActions": "Please add this URL to the allowed redirect URLs in the authentication configuration."}))))),
        (status = 429, description = "Too many resets asked for from this address", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "The server failed; nothing was accepted", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let (email, target) = decode_request(&insforge, &call)?;
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

/// The address, and the target. Where codes are mailed, a target must be some URL (dialects.md 4.2), and one that is
/// not allowed is forgotten.
fn decode_request(
    insforge: &InsForgeSettings,
    call: &Call,
) -> Result<(EmailAddress, Option<Target>), InsForgeError> {
    let body = decode(call.request.body())?;
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
