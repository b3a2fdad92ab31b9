//! `POST [/api]/auth/reset-password`: the code of a mailed link sets a new password.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{account::Account, password::NewPassword, secret::TicketSecret, time::Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NAME, StrapiSettings,
    error::{Failure, Faults, StrapiError},
};
use reset_http::{
    body::Object,
    jwt,
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON_UTF8, iso, json},
};

/// A code and, twice, the password to set.
#[derive(ToSchema)]
#[schema(as = ResetPasswordRequest)]
#[expect(dead_code, reason = "documents the body; it is read by the strict decoder")]
pub(super) struct ResetPasswordRequest {
    /// The code from the mailed link.
    code: String,
    /// The new password.
    password: String,
    /// The same again.
    #[schema(rename = "passwordConfirmation")]
    password_confirmation: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ResetPasswordResponse)]
pub(super) struct Reset {
    /// A session token for the account, where the deployment issues one.
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
    /// Login name; the address where the table has none.
    #[schema(required = true)]
    username: String,
    /// Address of the account, as stored.
    #[schema(format = Email, example = "user@example.com", required = true)]
    email: String,
    /// Always `local`: who resets a password has one.
    #[schema(example = "local", required = true)]
    provider: &'static str,
    /// Whether the address was ever confirmed.
    #[schema(required = true)]
    confirmed: bool,
    /// Always `false`: a blocked account cannot reset.
    #[schema(example = false, required = true)]
    blocked: bool,
    /// When the account was made.
    #[serde(rename = "createdAt")]
    #[schema(format = DateTime, required = true)]
    created_at: String,
    /// When the account last changed.
    #[serde(rename = "updatedAt")]
    #[schema(format = DateTime, required = true)]
    updated_at: String,
}

/// An account's key: a number where it is one, as in every table of Strapi's, and else a text.
#[derive(Serialize, ToSchema)]
#[schema(as = UserId, example = 1)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

/// Exactly the claims that Strapi itself writes (dialects.md 3.6).
#[derive(Serialize)]
struct Session {
    id: Id,
    iat: i64,
    exp: i64,
}

#[utoipa::path(post, path = "/auth/reset-password", operation_id = "resetPassword",
    tag = "UsersPermissions", summary = "Reset user password with a code (resetToken)",
    description = "Sets a new password by the code of a mailed link. Strapi serves it without prefix up to v3, \
        and under `/api` since v4; both are served here.", request_body(content = ResetPasswordRequest),
    responses(
        (status = 200, description = "The password was set", body = Reset),
        (status = 400, description = "A field is missing, the passwords differ, the new one is too weak, or the code is not valid",
            body = Failure, examples(
                ("missing_password" = (summary = "Missing password",
                    value = json!({"code": 400, "message": "password is a required field", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "password is a required field", "details": {"errors": [{"path": ["password"], "message": "password is a required field", "name": "ValidationError"}]}}}))),
                ("mismatch" = (summary = "The passwords differ",
                    value = json!({"code": 400, "message": "Passwords do not match", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "Passwords do not match", "details": {}}}))),
                ("incorrect_code" = (summary = "The code is not valid",
                    value = json!({"code": 400, "message": "Incorrect code provided", "data": null, "error": {"status": 400, "name": "ValidationError", "message": "Incorrect code provided", "details": {}}}))))),
        (status = 403, description = "The public role may not use this route", body = Failure,
            example = json!({"code": 403, "message": "Forbidden", "data": null, "error": {"status": 403, "name": "ForbiddenError", "message": "Forbidden", "details": {}}})),
        (status = 404, description = "No such path below this one", body = Failure,
            example = json!({"code": 404, "message": "Not Found", "data": null, "error": {"status": 404, "name": "NotFoundError", "message": "Not Found", "details": {}}})),
        (status = 429, description = "Too many wrong secrets from this address", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"code": 429, "message": "Too many requests, please try again later.", "data": null, "error": {"status": 429, "name": "RateLimitError", "message": "Too many requests, please try again later.", "details": {}}})),
        (status = "default", description = "Anything else that went wrong; the code is unspent", body = Failure,
            example = json!({"code": 500, "message": "Internal Server Error", "data": null, "error": {"status": 500, "name": "InternalServerError", "message": "Internal Server Error", "details": {}}}))))]
pub(super) async fn run(strapi: Arc<StrapiSettings>, call: Call) -> Result<Response<Bytes>, StrapiError> {
    strapi.admit()?;
    let (code, password) = decode(&strapi, &call)?;
    let guess = call.acquire(LimitClass::Token).await?;
    let code = code.ok_or(StrapiError::IncorrectCode)?;
    let account = guess.judge(call.resets.redeem(NAME, &code, password, call.network()).await)?;
    let now = call.resets.adapters().clock.now();
    let jwt = strapi.issue_jwt.then(|| strapi.session(&account, now));
    Ok(json(StatusCode::OK, JSON_UTF8, &Reset { jwt, user: User::of(account) }))
}

/// The code, if it has the form and the tag of one, and the password, once it satisfies the rules: it is
/// judged before the code is looked at, so its rules tell nothing about a code (R17).
fn decode(strapi: &StrapiSettings, call: &Call) -> Result<(Option<TicketSecret>, NewPassword), StrapiError> {
    let body = Object::decode(call.request.body())?;
    let mut faults = Faults::default();
    let [confirmation, password, code] =
        ["passwordConfirmation", "password", "code"].map(|name| faults.text(&body, name));
    faults.only(&body, &["passwordConfirmation", "password", "code"]);
    faults.settle()?;
    if password != confirmation {
        return Err(StrapiError::Mismatch);
    }
    let password = strapi.policy.accept(password)?;
    Ok((strapi.codes().parse(code), password))
}

impl StrapiSettings {
    /// A session token as Strapi would issue it. Its account is not blocked: it has just reset.
    fn session(&self, account: &Account, now: Timestamp) -> String {
        let (iat, exp) = (now.as_secs(), now.plus(self.jwt_ttl).as_secs());
        jwt::sign(&self.jwt_key, "JWT", &Session { id: Id::of(account), iat, exp }).to_string()
    }
}

impl Id {
    /// Only the canonical form is a number: `007` and `7` are two accounts.
    fn of(account: &Account) -> Self {
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
