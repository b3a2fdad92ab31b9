//! acme: a mailed link with a random token (docs/dialects.md).

mod client;
mod confirm;
mod error;
mod request;
mod settings;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::Keyring,
    password::Policy,
    secret::{Scope, TaggedHex},
};
use utoipa::OpenApi;

use self::error::AcmeError;
use reset_http::{
    module::DialectModule,
    redemption::{ParseError, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "acme";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The settings of the acme dialect.
#[derive(Clone)]
pub struct AcmeSettings {
    /// Path prefix of the operations. Default `/acme`.
    pub base_path: String,
    /// The page that the mailed link opens; the query parameter `token` is added.
    pub page_url: String,
    /// Lifetime of a token. Default 30 minutes.
    pub token_ttl: Duration,
    /// Keys that tag the tokens, so that a made-up token needs no database query.
    pub tags: Keyring,
    /// Policy for new passwords.
    pub policy: Policy,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "acme password reset", version = "1.0.0",
        description = "The password-reset operations of acme, as served by polyreset."),
    paths(request::run, confirm::run),
    tags((name = "Password reset", description = "Password reset by a mailed link"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: AcmeSettings) -> Dialect {
    let primary = IssuePolicy {
        format: Arc::new(settings.tokens()),
        scope: Scope::Global,
        lifetime: settings.token_ttl,
        delivery: Delivery::Link { page: settings.page_url.clone(), parameter: "token" },
    };
    let (client, traits) = (client::client(&settings), settings.traits());
    let tokens = settings.tokens();
    let link = RedemptionKind::Link {
        parameter: "token",
        refused: None,
        parse: Arc::new(move |text, _| tokens.parse(text).ok_or(ParseError::Unknown)),
    };
    let redemptions = vec![Redemption { dialect: NAME, policy: settings.policy, kind: link }];
    let base = settings.base_path.clone();
    let acme = Arc::new(settings);
    Dialect {
        owns: vec![base.clone()],
        rows: vec![
            (
                format!("{base}/request"),
                vec![Endpoint::new(Method::POST, EndpointKind::Trigger, &acme, request::run)],
            ),
            (
                format!("{base}/confirm"),
                vec![Endpoint::new(Method::POST, EndpointKind::Json, &acme, confirm::run)],
            ),
        ],
        policies: Some(IssuePolicies { dialect: NAME, primary, fallback: None }),
        base: BasePath { written: "/acme", served: base },
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(error::render), Document::openapi())
    }
}

impl AcmeSettings {
    fn tokens(&self) -> TaggedHex<32> {
        TaggedHex::new(self.tags.clone())
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        Traits {
            title: "acme",
            suits: "apps with their own reset page",
            steps: vec![("request", "requestReset"), ("reset", "confirmReset")],
            forms: vec!["64 hexadecimal digits"],
            exchanged: None,
            guesses: "256 random bits and a keyed tag".into(),
            policy: self.policy,
            other_fields: true,
            carries: "nothing".into(),
            unknown: None,
            dead: vec![AcmeError::InvalidToken.into()],
            forged: vec![AcmeError::InvalidToken.into()],
            blocked: AcmeError::InvalidToken.into(),
            changes: vec![Change::MIN_LENGTH],
        }
    }
}
