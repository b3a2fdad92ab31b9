//! px0: a six-digit code by mail, which alone identifies the account (docs/dialects.md#px0).
//!
//! Its contract requires a 404 for an address without an account, which discloses who has one. The setting
//! `disclose_unknown` turns this on or off.
//!
//! ```text
//! POST /v1/auth/password-reset/trigger  {"email": "user@example.com"}                     200, mails 123456
//! POST /v1/auth/password-reset/reset    {"code": "123456", "new_password": "…"}           200
//! ```

mod client;
mod error;
mod reset;
mod settings;
mod trigger;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    error::RedeemError,
    issue_policy::{Delivery, FallbackPolicy, IssuePolicies, IssuePolicy},
    password::Policy,
    request::Disclosure,
    secret::{LongCode, Scope, SecretFormat, SixDigits},
};
use utoipa::OpenApi;

use self::error::Px0Error;
use reset_http::{
    module::DialectModule,
    redemption::{ParseError, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "px0";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The settings of the px0 dialect.
#[derive(Clone, Debug)]
pub struct Px0Settings {
    /// Path prefix of the operations. Default `/v1/auth`.
    pub base_path: String,
    /// Whether an unknown address gets the contract's 404. Default: yes in profile `compatible`, no in `hardened`.
    pub disclose_unknown: bool,
    /// Lifetime of a code. Default 15 minutes, as in px0.
    pub code_ttl: Duration,
    /// Format of the codes.
    pub codes: Codes,
    /// Policy for new passwords.
    pub policy: Policy,
}

/// Format of the codes that are mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Six digits while fewer than `max_live` such codes are live, otherwise twelve characters and a check character.
    /// Every guess is compared with all live codes, so the chance of a hit grows with their number.
    SixDigits {
        /// Maximum number of live six-digit codes; `None` for no limit.
        max_live: Option<u64>,
    },
    /// Always twelve characters and a check character.
    Long,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "px0 password reset", version = "1.0.0",
        description = "The password-reset operations of the px0 API, as served by polyreset."),
    servers((url = "http://localhost:3000", description = "Local development server of px0")),
    paths(trigger::run, reset::run),
    tags((name = "Auth", description = "Password reset by a mailed code"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: Px0Settings) -> Dialect {
    let policies = IssuePolicies {
        dialect: NAME,
        primary: match settings.codes {
            Codes::SixDigits { .. } => policy(SixDigits, settings.code_ttl),
            Codes::Long => policy(LongCode, settings.code_ttl),
        },
        fallback: match settings.codes {
            Codes::SixDigits { max_live: Some(max_live) } => {
                Some(FallbackPolicy { max_live: Some(max_live), policy: policy(LongCode, settings.code_ttl) })
            }
            Codes::SixDigits { max_live: None } | Codes::Long => None,
        },
    };
    let (client, traits) = (client::client(&settings), settings.traits());
    let code = RedemptionKind::Code(Arc::new(|text, _| {
        SixDigits::parse(text).or_else(|| LongCode::parse(text)).ok_or(ParseError::Unknown)
    }));
    let redemptions = vec![Redemption { dialect: NAME, policy: settings.policy, kind: code }];
    let base = settings.base_path.clone();
    let px0 = Arc::new(settings);
    Dialect {
        owns: vec![base.clone()],
        lenient: true,
        rows: vec![
            (
                format!("{base}/password-reset/trigger"),
                vec![Endpoint::new(Method::POST, EndpointKind::Trigger, &px0, trigger::run)],
            ),
            (
                format!("{base}/password-reset/reset"),
                vec![Endpoint::new(Method::POST, EndpointKind::Json, &px0, reset::run)],
            ),
        ],
        policies: Some(policies),
        base: BasePath { written: "/v1/auth", served: base },
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(error::render), Document::openapi())
    }
}

impl Px0Settings {
    fn disclosure(&self) -> Disclosure {
        if self.disclose_unknown { Disclosure::AsContracted } else { Disclosure::Never }
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        const LONG: &str = "12 characters and a check character";
        let (forms, guesses) = match self.codes {
            Codes::SixDigits { max_live: Some(max_live) } => (
                vec!["6 digits", LONG],
                format!(
                    "at most {max_live} live codes of 6 digits, and a budget of wrong codes shared by all clients; \
                     beyond either limit, long codes are mailed"
                ),
            ),
            Codes::SixDigits { max_live: None } => {
                (vec!["6 digits"], "no protection: for load tests only".into())
            }
            Codes::Long => (vec![LONG], "codes too long to guess".into()),
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "px0",
            suits: "apps where users type a code that alone identifies the account",
            steps: vec![("request", "triggerPasswordReset"), ("reset", "resetPassword")],
            forms,
            exchanged: None,
            guesses,
            policy: self.policy,
            other_fields: true,
            carries: "the account's stored address".into(),
            unknown: self.disclose_unknown.then(|| Px0Error::UserNotFound.into()),
            dead: vec![Px0Error::from(RedeemError::Invalid).into()],
            forged: vec![Px0Error::InvalidCode.into()],
            blocked: Px0Error::from(RedeemError::Blocked).into(),
            changes: vec![
                change("404 for an unknown address", Some("px0.disclose_unknown"), "`true`", "`false`"),
                change("lifetime of a px0 code", Some("px0.code_ttl"), "`15m`", "`10m`"),
                change("px0 code", None, "6 digits while few are live", "always `XXXX-XXXX-XXXX-C`"),
                change(
                    "px0 password",
                    None,
                    "four character classes required",
                    "no character classes required",
                ),
                Change::MIN_LENGTH,
            ],
        }
    }
}

fn policy(format: impl SecretFormat + 'static, lifetime: Duration) -> IssuePolicy {
    IssuePolicy { format: Arc::new(format), scope: Scope::Global, lifetime, delivery: Delivery::Code }
}
