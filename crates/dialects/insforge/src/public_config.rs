//! `GET /api/auth/public-config`: tells clients whether codes or links are mailed, and the password policy.

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

/// The keys whose values follow from the settings of this deployment.
pub(super) const DECIDED: &[&str] = &[
    "passwordMinLength",
    "requireNumber",
    "requireLowercase",
    "requireUppercase",
    "requireSpecialChar",
    "resetPasswordMethod",
];

// InsForge's keys in its order.
/// The public authentication settings. The password policy and the reset method are those of this deployment. The other values
/// are those of the InsForge server behind it (`upstream_url`); without one they are constant, because sign-up and sign-in
/// are not served here.
#[derive(Serialize, ToSchema)]
#[schema(as = PublicAuthConfig)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the contract's keys, one to one")]
pub(super) struct PublicConfig {
    /// External sign-in providers; empty without an InsForge server.
    #[schema(example = json!([]))]
    o_auth_providers: Vec<String>,
    /// Custom external sign-in providers; empty without an InsForge server.
    #[schema(example = json!([]))]
    custom_o_auth_providers: Vec<String>,
    /// Whether an email address must be verified before sign-in; `false` without an InsForge server.
    require_email_verification: bool,
    /// Minimum password length in characters.
    #[schema(example = 8)]
    password_min_length: usize,
    /// Whether a password must contain a digit.
    require_number: bool,
    /// Whether a password must contain a lowercase letter.
    require_lowercase: bool,
    /// Whether a password must contain an uppercase letter.
    require_uppercase: bool,
    /// Whether a password must contain a special character.
    require_special_char: bool,
    /// How email addresses are verified; `code` without an InsForge server.
    #[schema(required = true, example = "code")]
    verify_email_method: &'static str,
    /// How passwords are reset: `code` or `link`.
    #[schema(required = true, example = "code")]
    reset_password_method: &'static str,
    /// Whether sign-up is disabled; `false` without an InsForge server.
    disable_signup: bool,
}

#[utoipa::path(get, path = "/api/auth/public-config", operation_id = "publicConfig",
    tag = "Client", summary = "Get the public configuration",
    description = "Returns whether resets use a code or a link, and the password policy.",
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
