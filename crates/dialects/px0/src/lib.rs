//! px0: a six-digit code by mail, and the code alone names the account (dialects.md 1).
//!
//! Its contract tells strangers whether an address has an account (404); `disclose_unknown` keeps or closes
//! that.

mod client;
mod error;
mod reset;
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
    redemption::{ParseError, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "px0";

/// What a deployment decides about px0.
#[derive(Clone, Debug)]
pub struct Px0Settings {
    /// Whether an unknown address gets the contract's 404. Default: in profile `compatible`.
    pub disclose_unknown: bool,
    /// How long a code lives. Default 15 minutes (px0's own).
    pub code_ttl: Duration,
    /// Which codes are mailed.
    pub codes: Codes,
    /// Rules for a new password.
    pub policy: Policy,
}

/// Which codes are mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Six digits while fewer than `max_live` of them are live, else twelve characters and a check
    /// character. Every guess is tried against all live codes, so their number is what an attacker plays
    /// with (security.md B1).
    SixDigits {
        /// Most live codes of six digits; `None` for no cap.
        max_live: Option<u64>,
    },
    /// Twelve characters and a check character, always.
    Long,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "px0 password reset", version = "1.0.0",
        description = "The password-reset operations of the px0 API, as polyreset answers them."),
    servers((url = "http://localhost:3000", description = "px0's own local server")),
    paths(trigger::run, reset::run),
    tags((name = "Auth", description = "Password reset by a mailed code"))
)]
struct Document;

/// The dialect's rows, envelope, mails and document.
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
    let px0 = Arc::new(settings);
    Dialect {
        name: NAME,
        owns: vec!["/v1/auth".into()],
        lenient: true,
        errors: ErrorRenderer::Fixed(error::render),
        rows: vec![
            (
                "/v1/auth/password-reset/trigger".into(),
                vec![Endpoint::new(Method::POST, EndpointKind::Trigger, &px0, trigger::run)],
            ),
            (
                "/v1/auth/password-reset/reset".into(),
                vec![Endpoint::new(Method::POST, EndpointKind::Json, &px0, reset::run)],
            ),
        ],
        policies: Some(policies),
        document: Document::openapi(),
        document_base: String::new(),
        client: Some(client),
        traits: Some(traits),
        redemptions,
    }
}

impl Px0Settings {
    fn disclosure(&self) -> Disclosure {
        if self.disclose_unknown { Disclosure::AsContracted } else { Disclosure::Never }
    }

    /// What a chooser needs to know.
    fn traits(&self) -> Traits {
        const LONG: &str = "12 characters and a check character";
        let (forms, guesses) = match self.codes {
            Codes::SixDigits { max_live: Some(most) } => (
                vec!["6 digits", LONG],
                format!(
                    "at most {most} codes of 6 digits live at a time, and a budget of wrong ones for everybody \
                     together; beyond either long ones"
                ),
            ),
            Codes::SixDigits { max_live: None } => (vec!["6 digits"], "nothing: for load tests".into()),
            Codes::Long => (vec![LONG], "codes too long to guess".into()),
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "px0",
            suits: "apps that let people type a code, and ask for nothing but the code",
            steps: vec![("ask", "triggerPasswordReset"), ("reset", "resetPassword")],
            forms,
            exchanged: None,
            guesses,
            policy: self.policy,
            other_fields: true,
            carries: "the stored address".into(),
            unknown: self.disclose_unknown.then(|| Px0Error::UserNotFound.into()),
            dead: vec![Px0Error::from(RedeemError::Invalid).into()],
            forged: vec![Px0Error::InvalidCode.into()],
            blocked: Px0Error::from(RedeemError::Blocked).into(),
            changes: vec![
                change("404 to an unknown address", Some("px0.disclose_unknown"), "`true`", "`false`"),
                change("lifetime of a px0 code", Some("px0.code_ttl"), "`15m`", "`10m`"),
                change("px0 code", None, "6 digits while few are live", "`XXXX-XXXX-XXXX-C` always"),
                change("px0 password", None, "four classes", "no classes"),
                Change::MIN_LENGTH,
            ],
        }
    }
}

fn policy(format: impl SecretFormat + 'static, lifetime: Duration) -> IssuePolicy {
    IssuePolicy { format: Arc::new(format), scope: Scope::Global, lifetime, delivery: Delivery::Code }
}
