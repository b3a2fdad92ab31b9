//! worthai: a link by mail whose token is a JWT (dialects.md 2).
//!
//! The token must be validly signed before anything is looked up, and its `jti` must be a live ticket: the
//! signature alone would let it be replayed until it expires (R67).

mod client;
mod error;
mod forgot_password;
mod reset_password;
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
    redemption::{ParseError, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "worthai";

/// What a deployment decides about worthai.
#[derive(Clone)]
pub struct WorthaiSettings {
    /// Path under which the two operations are served. Default `/auth/api/v1`, the publisher's own.
    pub base_path: String,
    /// The page that the mailed link opens; `?reset_token=` is added.
    pub page_url: String,
    /// How long a token lives. Default 30 minutes.
    pub token_ttl: Duration,
    /// Keys of the tokens' signature (HS256).
    pub jwt_keys: Keyring,
    /// What a forged or malformed token is told.
    pub forged: Forged,
    /// Rules for a new password.
    pub policy: Policy,
}

/// What a forged or malformed token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// 500 `invalid signature`, as the seed says (profile `compatible`).
    AsContracted,
    /// 400, like an expired one (profile `hardened`).
    AsExpired,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "worthai password reset", version = "1.0.0",
        description = "The password-reset operations of the worthai Auth Service, as polyreset answers them."),
    servers((url = "https://api.joinworth.com/auth/api/v1", description = "worthai's own production server")),
    paths(forgot_password::run, reset_password::run),
    tags((name = "Sign In", description = "Password reset by a mailed link"))
)]
struct Document;

/// The dialect's rows, envelope, mails and document.
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
        name: NAME,
        owns: vec![base.clone()],
        lenient: false,
        errors: ErrorRenderer::Fixed(error::render),
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
        document: Document::openapi(),
        document_base: base,
        client: Some(client),
        traits: Some(traits),
        redemptions,
    }
}

impl WorthaiSettings {
    fn tokens(&self) -> ResetToken {
        ResetToken::new(self.jwt_keys.clone(), self.token_ttl)
    }

    /// What a chooser needs to know.
    fn traits(&self) -> Traits {
        let forged = match self.forged {
            Forged::AsContracted => WorthaiError::InvalidSignature,
            Forged::AsExpired => WorthaiError::Expired,
        };
        Traits {
            title: "worthai",
            suits: "web apps with a page of their own, behind a base path of their own",
            steps: vec![("ask", "forgotPassword"), ("reset", "resetPassword")],
            forms: vec!["a JWT, HS256"],
            exchanged: None,
            guesses: "the signature".into(),
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
                    hardened: "`400`, as an expired one",
                },
                Change::MIN_LENGTH,
            ],
        }
    }
}
