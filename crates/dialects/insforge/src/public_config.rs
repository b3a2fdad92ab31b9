//! `GET /api/auth/public-config`: how clients learn what is mailed and which passwords are accepted.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{InsForgeSettings, Method, error::InsForgeError};
use reset_http::{
    route::Call,
    wire::{JSON_UTF8, json},
};

// InsForge's keys in its order (dialects.md 4.9).
/// What clients may know of the deployment. Only the password's rules and the reset's method are ours to
/// say; sign-up and sign-in are not served here.
#[derive(Serialize, ToSchema)]
#[schema(as = PublicAuthConfig)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the contract's keys, one to one")]
pub(super) struct PublicConfig {
    /// Foreign sign-in services; none.
    #[schema(example = json!([]))]
    o_auth_providers: Vec<String>,
    /// Foreign sign-in services that the deployment defined; none.
    #[schema(example = json!([]))]
    custom_o_auth_providers: Vec<String>,
    /// Whether an address must be confirmed before signing in.
    require_email_verification: bool,
    /// Least length of a password.
    #[schema(example = 8)]
    password_min_length: usize,
    /// Whether a password needs a digit.
    require_number: bool,
    /// Whether a password needs a lower-case letter.
    require_lowercase: bool,
    /// Whether a password needs an upper-case letter.
    require_uppercase: bool,
    /// Whether a password needs some other character.
    require_special_char: bool,
    /// How addresses are confirmed: `code` or `link`.
    #[schema(required = true, example = "code")]
    verify_email_method: &'static str,
    /// What a reset mails: `code` or `link`.
    #[schema(required = true, example = "code")]
    reset_password_method: &'static str,
    /// Whether sign-up is closed.
    disable_signup: bool,
}

#[utoipa::path(get, path = "/api/auth/public-config", operation_id = "publicConfig",
    tag = "Client", summary = "Read the public configuration",
    description = "Tells clients whether a reset mails a code or a link, and the rules for a new password.",
    responses((status = 200, description = "The public configuration", body = PublicConfig)))]
pub(super) async fn run(insforge: Arc<InsForgeSettings>, _: Call) -> Result<Response<Bytes>, InsForgeError> {
    let policy = insforge.policy;
    let config = PublicConfig {
        o_auth_providers: Vec::new(),
        custom_o_auth_providers: Vec::new(),
        require_email_verification: false,
        password_min_length: policy.min,
        require_number: policy.four_classes,
        require_lowercase: policy.four_classes,
        require_uppercase: policy.four_classes,
        require_special_char: policy.four_classes,
        verify_email_method: Method::Code.name(),
        reset_password_method: insforge.method.name(),
        disable_signup: false,
    };
    Ok(json(StatusCode::OK, JSON_UTF8, &config))
}
