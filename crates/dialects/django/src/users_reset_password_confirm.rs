//! `POST <base>/users/reset_password_confirm/` of Djoser: sets a new password with the uid and the token of a link.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use reset_http::route::Call;
use utoipa::ToSchema;

use super::{
    DjangoSettings,
    confirmation::{Library, confirm},
    error::{BadRequest, Detail, DjangoError},
    fields::{Fields, account, decode, strip},
    no_content,
};

/// The texts of Djoser.
pub(super) const LIBRARY: Library = Library {
    invalid_uid: "Invalid user id or user doesn't exist.",
    invalid_token: "Invalid token for given user.",
    password: "new_password",
};

/// The uid and the token of a reset link, and the new password.
#[derive(ToSchema)]
#[schema(as = PasswordResetConfirmRetype)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct PasswordResetConfirmRetype {
    /// The uid from the reset link: the account's id in URL-safe Base64.
    uid: String,
    /// The token from the reset link.
    token: String,
    /// The new password.
    new_password: String,
    /// The new password again. Required if the deployment says so, and otherwise ignored.
    #[schema(required = false)]
    re_new_password: String,
}

#[utoipa::path(post, path = "/users/reset_password_confirm/", operation_id = "usersResetPasswordConfirm",
    tag = "Django", summary = "Set a new password (Djoser)",
    description = "Sets a new password with the uid and the token from a reset link. Without its last slash, the path \
        is redirected with 301.",
    request_body(content((PasswordResetConfirmRetype = "application/json"),
        (PasswordResetConfirmRetype = "application/x-www-form-urlencoded"),
        (PasswordResetConfirmRetype = "multipart/form-data"))),
    responses(
        (status = 204, description = "The password was set"),
        (status = 400, description = "A field is missing, the passwords do not match, the password violates the password policy, or the uid or the token is invalid",
            body = BadRequest, examples(
                ("invalid_token" = (summary = "Invalid, expired or used token",
                    value = json!({"token": ["Invalid token for given user."]}))),
                ("invalid_uid" = (summary = "Malformed uid",
                    value = json!({"uid": ["Invalid user id or user doesn't exist."]}))),
                ("short_password" = (summary = "Password too short",
                    value = json!({"new_password": ["This password is too short. It must contain at least 8 characters."]}))))),
        (status = 429, description = "Too many invalid tokens from this client", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"detail": "Request was throttled. Expected available in 60 seconds."})),
        (status = 500, description = "Internal error; the token normally remains valid", body = Detail,
            example = json!({"detail": "A server error occurred."}))))]
pub(super) async fn run(django: Arc<DjangoSettings>, call: Call) -> Result<Response<Bytes>, DjangoError> {
    let body = decode(&call).await?;
    let mut fields = Fields::of(&body);
    // Djoser uses these two as sent; it trims them only to find out whether they are blank.
    let [uid, token] = ["uid", "token"].map(|name| fields.text(name, usize::MAX));
    let password = strip(fields.text("new_password", usize::MAX));
    let again = if django.retype { strip(fields.text("re_new_password", usize::MAX)) } else { password };
    fields.finish()?;
    let accepted = django.policy.accept(password).map_err(|weakness| LIBRARY.weak(weakness))?;
    if again != password {
        return Err(DjangoError::of("non_field_errors", "The two password fields didn't match."));
    }
    let account = account(uid).ok_or_else(|| LIBRARY.uid_error())?;
    confirm(&django, &call, &LIBRARY, (account, token), accepted).await?;
    Ok(no_content())
}
