//! `POST [/api]/auth/reset-password`: sets a new password with the code of a mailed link.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{account::Account, password::NewPassword, secret::TicketSecret, time::Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NAME, StrapiSettings,
    error::{Failure, Faults, StrapiError, UnknownFields},
};
use reset_http::{
    jwt,
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON_UTF8, iso, json},
};

/// A reset code, and the new password twice.
#[derive(ToSchema)]
#[schema(as = ResetPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetPasswordRequest {
    /// The code from the reset link.
    code: String,
    /// The new password.
    password: String,
    /// The new password again.
    #[schema(rename = "passwordConfirmation")]
    password_confirmation: String,
}

/// The account, and a session token if the deployment issues one.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Reset {
    /// A session token for the account. Absent if the deployment issues none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    jwt: Option<String>,
    #[schema(required = true)]
    user: User,
}

/// The account as it was before the password was set.
#[derive(Serialize, ToSchema)]
struct User {
    #[schema(required = true)]
    id: Id,
    /// Identifier of the account's document in Strapi 5. Absent unless the deployment maps its column.
    #[serde(rename = "documentId", skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    document_id: Option<String>,
    /// Login name; the email address if the account has none.
    #[schema(required = true)]
    username: String,
    /// Email address of the account, as stored.
    #[schema(format = Email, example = "user@example.com", required = true)]
    email: String,
    /// Always `local`: the account signs in with a password.
    #[schema(example = "local", required = true)]
    provider: &'static str,
    /// Whether the email address has been confirmed.
    #[schema(required = true)]
    confirmed: bool,
    /// Always `false`: a blocked account cannot reset.
    #[schema(example = false, required = true)]
    blocked: bool,
    /// Time at which the account was created.
    #[serde(rename = "createdAt")]
    #[schema(format = DateTime, required = true)]
    created_at: String,
    /// Time at which the account last changed.
    #[serde(rename = "updatedAt")]
    #[schema(format = DateTime, required = true)]
    updated_at: String,
}

/// Identifier of an account: a number if it is one, as in Strapi's own tables, otherwise a string.
#[derive(Serialize, ToSchema)]
#[schema(as = UserId, example = 1)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

/// The claims of the session token, exactly those that Strapi writes.
#[derive(Serialize)]
struct Session {
    id: Id,
    iat: i64,
    exp: i64,
}

#[utoipa::path(post, path = "/auth/reset-password", operation_id = "resetPassword",
    tag = "UsersPermissions", summary = "Reset user password with a code (resetToken)",
    description = "Sets a new password with the code from a reset link. The operation is available without a prefix, \
        as in Strapi v3, and under `/api`, as since v4.", request_body(content = ResetPasswordRequest),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, the passwords do not match, the password violates the password policy, or the code is invalid or expired",
            body = Failure, examples(
                ("missing_password" = (summary = "Missing password",
                    value = json!({"code": 400, "message": "password is a required field", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "password is a required field", "details": {"errors": [{"path": ["password"], "message": "password is a required field", "name": "ValidationError"}]}}}))),
                ("mismatch" = (summary = "Passwords do not match",
                    value = json!({"code": 400, "message": "Passwords do not match", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "Passwords do not match", "details": {}}}))),
                ("incorrect_code" = (summary = "Invalid or expired code",
                    value = json!({"code": 400, "message": "Incorrect code provided", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "Incorrect code provided", "details": {}}}))))),
        (status = 403, description = "The public role may not use this route", body = Failure,
            example = json!({"code": 403, "message": "Forbidden", "data": null, "error": {"status": 403, "name": "ForbiddenError", "message": "Forbidden", "details": {}}})),
        (status = 404, description = "Unknown path below this one", body = Failure,
            example = json!({"code": 404, "message": "Not Found", "data": null, "error": {"status": 404, "name": "NotFoundError", "message": "Not Found", "details": {}}})),
        (status = 429, description = "Too many invalid codes from this client", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"code": 429, "message": "Too many requests, please try again later.", "data": null, "error": {"status": 429, "name": "RateLimitError", "message": "Too many requests, please try again later.", "details": {}}})),
        (status = "default", description = "Any other error; the code normally remains valid", body = Failure,
            example = json!({"code": 500, "message": "Internal Server Error", "data": null, "error": {"status": 500, "name": "InternalServerError", "message": "Internal Server Error", "details": {}}}))))]
pub(super) async fn run(strapi: Arc<StrapiSettings>, call: Call) -> Result<Response<Bytes>, StrapiError> {
    let (jwt, account) = handle(&strapi, &call, UnknownFields::Refused).await?;
    Ok(respond(jwt, account))
}

/// The same under v3's path, where unknown fields are ignored.
pub(super) async fn run_without_prefix(
    strapi: Arc<StrapiSettings>,
    call: Call,
) -> Result<Response<Bytes>, StrapiError> {
    let (jwt, account) = handle(&strapi, &call, UnknownFields::Ignored).await?;
    Ok(respond(jwt, account))
}

fn respond(jwt: Option<String>, account: Account) -> Response<Bytes> {
    json(StatusCode::OK, JSON_UTF8, &Reset { jwt, user: User::of(account) })
}

/// Sets the password. Returns the session token, if the deployment issues one, and the account as it was before.
pub(super) async fn handle(
    strapi: &StrapiSettings,
    call: &Call,
    unknown: UnknownFields,
) -> Result<(Option<String>, Account), StrapiError> {
    strapi.require_public()?;
    let (code, password) = decode(strapi, call, unknown).await?;
    let guess = call.acquire(LimitClass::Token).await?;
    let code = code.ok_or(StrapiError::IncorrectCode)?;
    let account =
        guess.judge(call.resets.redeem(NAME, &code, password, call.network(), call.locale()).await)?;
    let now = call.resets.adapters().clock.now();
    Ok((strapi.issue_jwt.then(|| strapi.session(&account, now)), account))
}

/// Decodes the body into the code, or `None` if its format or tag is wrong, and the password. The password policy is
/// checked before the code, so its errors reveal nothing about the code (R17).
async fn decode(
    strapi: &StrapiSettings,
    call: &Call,
    unknown: UnknownFields,
) -> Result<(Option<TicketSecret>, NewPassword), StrapiError> {
    let body = call.object().await?;
    let mut faults = Faults::default();
    let [confirmation, password, code] =
        ["passwordConfirmation", "password", "code"].map(|name| faults.text(&body, name));
    faults.only(&body, &["passwordConfirmation", "password", "code"], unknown);
    faults.finish()?;
    if password != confirmation {
        return Err(StrapiError::Mismatch);
    }
    let password = strapi.policy.accept(password)?;
    Ok((strapi.codes().parse(code), password))
}

impl StrapiSettings {
    /// Signs a session token as Strapi would. The account is not blocked, because it has just completed a reset.
    fn session(&self, account: &Account, now: Timestamp) -> String {
        let (iat, exp) = (now.as_secs(), now.plus(self.jwt_ttl).as_secs());
        jwt::sign(&self.jwt_key, "JWT", &Session { id: Id::of(account), iat, exp }).to_string()
    }
}

impl Id {
    /// Returns a number only for the canonical form: `007` and `7` are different accounts.
    pub(super) fn of(account: &Account) -> Self {
        let text = account.id.as_str();
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl User {
    fn of(account: Account) -> Self {
        Self {
            id: Id::of(&account),
            document_id: account.document_id,
            username: account.username.unwrap_or_else(|| account.email.clone()),
            email: account.email,
            provider: "local",
            confirmed: account.confirmed,
            blocked: account.blocked,
            created_at: iso(account.created_at),
            updated_at: iso(account.updated_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reset_core::account::AccountId;

    #[test]
    fn document_id_follows_the_id_if_the_table_has_one() {
        let at = Timestamp::from_millis(0);
        let account = |document_id: Option<&str>| Account {
            id: AccountId::new("7"),
            email: "ann@example.org".into(),
            username: None,
            name: None,
            locale: None,
            document_id: document_id.map(Into::into),
            confirmed: true,
            blocked: false,
            hash_form: None,
            epoch: 0,
            created_at: at,
            updated_at: at,
        };
        let written = |document_id| serde_json::to_string(&User::of(account(document_id))).unwrap();
        assert!(written(Some("k3b1x0")).starts_with(r#"{"id":7,"documentId":"k3b1x0","username":"#));
        assert!(written(None).starts_with(r#"{"id":7,"username":"#));
    }
}
