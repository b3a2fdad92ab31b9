//! `POST <base>/password/reset/confirm/` of dj-rest-auth: sets a new password with the uid and the token of a link.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_http::route::Call;
use utoipa::ToSchema;

use super::{
    DjangoSettings,
    confirmation::{Library, confirm},
    error::{BadRequest, Detail, DjangoError, respond},
    fields::{Fields, account, decode, strip},
};

/// Maximum length of a password in characters: the library takes no longer ones.
const MAX: usize = 128;

/// The texts of dj-rest-auth.
pub(super) const LIBRARY: Library =
    Library { invalid_uid: "Invalid value", invalid_token: "Invalid value", password: "new_password2" };

/// The uid and the token of a reset link, and the new password twice.
#[derive(ToSchema)]
#[schema(as = PasswordResetConfirm)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct PasswordResetConfirm {
    /// The new password.
    #[schema(max_length = 128)]
    new_password1: String,
    /// The new password again.
    #[schema(max_length = 128)]
    new_password2: String,
    /// The uid from the reset link: the account's id in URL-safe Base64.
    uid: String,
    /// The token from the reset link.
    token: String,
}

/// Confirmation that the password was set.
#[derive(ToSchema)]
#[schema(as = RestAuthConfirmDetail)]
#[expect(dead_code, reason = "documents the response, which has the format of an error")]
pub(super) struct Changed {
    /// Confirmation message.
    #[schema(example = "Password has been reset with the new password.", required = true)]
    detail: String,
}

#[utoipa::path(post, path = "/password/reset/confirm/", operation_id = "passwordResetConfirm", tag = "Django",
    summary = "Set a new password (dj-rest-auth)",
    description = "Sets a new password with the uid and the token from a reset link. The path is served with and \
        without its last slash.",
    request_body(content((PasswordResetConfirm = "application/json"),
        (PasswordResetConfirm = "application/x-www-form-urlencoded"), (PasswordResetConfirm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The password was set", body = Changed),
        (status = 400, description = "A field is missing, the passwords do not match, the password violates the password policy, or the uid or the token is invalid",
            body = BadRequest, examples(
                ("invalid_token" = (summary = "Invalid, expired or used token",
                    value = json!({"token": ["Invalid value"]}))),
                ("mismatch" = (summary = "Passwords do not match",
                    value = json!({"new_password2": ["The two password fields didn\u{2019}t match."]}))),
                ("short_password" = (summary = "Password too short",
                    value = json!({"new_password2": ["This password is too short. It must contain at least 8 characters."]}))))),
        (status = 429, description = "Too many invalid tokens from this client", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"detail": "Request was throttled. Expected available in 60 seconds."})),
        (status = 500, description = "Internal error; the token normally remains valid", body = Detail,
            example = json!({"detail": "A server error occurred."}))))]
pub(super) async fn run(django: Arc<DjangoSettings>, call: Call) -> Result<Response<Bytes>, DjangoError> {
    let body = decode(&call).await?;
    let mut fields = Fields::of(&body);
    let [first, second] = ["new_password1", "new_password2"].map(|name| strip(fields.text(name, MAX)));
    let [uid, token] = ["uid", "token"].map(|name| strip(fields.text(name, usize::MAX)));
    fields.finish()?;
    let account = account(uid).ok_or_else(|| LIBRARY.uid_error())?;
    if first != second {
        return Err(DjangoError::of(LIBRARY.password, "The two password fields didn’t match."));
    }
    let password = django.policy.accept(second).map_err(|weakness| LIBRARY.weak(weakness))?;
    confirm(&django, &call, &LIBRARY, (account, token), password).await?;
    Ok(respond(StatusCode::OK, "Password has been reset with the new password."))
}
