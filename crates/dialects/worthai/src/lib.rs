//! worthai: a link by mail whose token is a JWT (docs/dialects.md#worthai).
//!
//! The signature is verified before any database query. The `jti` must then belong to a live ticket, because a token
//! with only a valid signature could be replayed until it expires (R67).
//!
//! ```text
//! POST /auth/api/v1/forgot-password  {"email": "user@example.com"}                        200, mails <page>?reset_token=<JWT>
//! POST /auth/api/v1/reset-password   {"reset_token": "<JWT>", "password": "…"}            200
//! ```

mod client;
mod error;
mod forgot_password;
mod reset_password;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    error::RedeemError,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::Keyring,
    password::Policy,
    secret::Scope,
};
use utoipa::OpenApi;

use self::{
    error::WorthaiError,
    token::{Defect, ResetToken},
};
use reset_http::{
    module::DialectModule,
    redemption::{ParseError, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "worthai";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The settings of the worthai dialect.
#[derive(Clone)]
pub struct WorthaiSettings {
    /// Base path of the two operations. Default `/auth/api/v1`, as in worthai.
    pub base_path: String,
    /// The page that the mailed link opens; the query parameter `reset_token` is added.
    pub page_url: String,
    /// Lifetime of a token. Default 30 minutes.
    pub token_ttl: Duration,
    /// Keys that sign the tokens (HS256).
    pub jwt_keys: Keyring,
    /// The response to a forged or malformed token.
    pub forged: ForgedResponse,
    /// Policy for new passwords.
    pub policy: Policy,
}

/// The response to a forged or malformed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgedResponse {
    /// 500 `invalid signature`, as in the contract (profile `compatible`).
    AsContracted,
    /// 400, as for an expired token (profile `hardened`).
    AsExpired,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "worthai password reset", version = "1.0.0",
        description = "The password-reset operations of the worthai Auth Service, as served by polyreset."),
    servers((url = "https://api.joinworth.com/auth/api/v1", description = "Production server of worthai")),
    paths(forgot_password::run, reset_password::run),
    tags((name = "Sign In", description = "Password reset by a mailed link"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: WorthaiSettings) -> Dialect {
    let primary = IssuePolicy {
        format: Arc::new(settings.tokens()),
        scope: Scope::Global,
        lifetime: settings.token_ttl,
        delivery: Delivery::Link { page: settings.page_url.clone(), parameter: "reset_token" },
    };
    let base = settings.base_path.clone();
    let (client, traits) = (client::client(&settings), settings.traits());
    let tokens = settings.tokens();
    let link = RedemptionKind::Link {
        parameter: "reset_token",
        refused: None,
        parse: Arc::new(move |text, now| {
            tokens.parse(text, now).map_err(|defect| match defect {
                Defect::Dead => ParseError::Expired,
                Defect::Forged | Defect::OtherPurpose => ParseError::Unknown,
            })
        }),
    };
    let redemptions = vec![Redemption { dialect: NAME, policy: settings.policy, kind: link }];
    let worthai = Arc::new(settings);
    Dialect {
        owns: vec![base.clone()],
        rows: vec![
            (
                format!("{base}/forgot-password"),
                vec![Endpoint::new(Method::POST, EndpointKind::Trigger, &worthai, forgot_password::run)],
            ),
            (
                format!("{base}/reset-password"),
                vec![Endpoint::new(Method::POST, EndpointKind::Json, &worthai, reset_password::run)],
            ),
        ],
        policies: Some(IssuePolicies { dialect: NAME, primary, fallback: None }),
        base: BasePath { written: "", served: base },
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(error::render), Document::openapi())
    }
}

impl WorthaiSettings {
    fn tokens(&self) -> ResetToken {
        ResetToken::new(self.jwt_keys.clone(), self.token_ttl)
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        let forged = match self.forged {
            ForgedResponse::AsContracted => WorthaiError::InvalidSignature,
            ForgedResponse::AsExpired => WorthaiError::Expired,
        };
        Traits {
            title: "worthai",
            suits: "web apps with their own reset page, and APIs under a base path of your choice",
            steps: vec![("request", "forgotPassword"), ("reset", "resetPassword")],
            forms: vec!["a JWT, HS256"],
            exchanged: None,
            guesses: "the token's signature".into(),
            policy: self.policy,
            other_fields: false,
            carries: "nothing".into(),
            unknown: None,
            dead: vec![WorthaiError::from(RedeemError::Invalid).into()],
            forged: vec![forged.into()],
            blocked: WorthaiError::from(RedeemError::Blocked).into(),
            changes: vec![
                Change {
                    what: "forged worthai token",
                    setting: None,
                    compatible: "`500` invalid signature",
                    hardened: "`400`, as for an expired token",
                },
                Change::MIN_LENGTH,
            ],
        }
    }
}
