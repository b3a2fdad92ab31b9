//! px0: a six-digit code by mail, and the code alone names the account (dialects.md 1).
//!
//! Its contract tells strangers whether an address has an account (404); `disclose_unknown` keeps or closes
//! that.

mod error;
mod reset;
mod trigger;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    error::RedeemError,
    password::Policy,
    recipe::{Carriage, Crowded, Recipe, Recipes},
    request::Disclosure,
    secret::{LongCode, Scope, Shape, SixDigits},
};
use utoipa::OpenApi;

use self::error::Error;
use crate::{
    comparison::{Change, Traits},
    pages::door::{Door, Entrance, Unread},
    route::{Dialect, Endpoint, Refuse, Role},
};

/// Name of the dialect.
pub(crate) const NAME: &str = "px0";

/// What a deployment decides about px0.
#[derive(Clone, Debug)]
pub struct Settings {
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
    /// Six digits while fewer than `most_live` of them are live, else twelve characters and a check
    /// character. Every guess is tried against all live codes, so their number is what an attacker plays
    /// with (security.md B1).
    SixDigits {
        /// Most live codes of six digits; `None` for no cap.
        most_live: Option<u64>,
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
pub fn dialect(settings: Settings) -> Dialect {
    let recipes = Recipes {
        dialect: NAME,
        usual: match settings.codes {
            Codes::SixDigits { .. } => recipe(SixDigits, settings.code_ttl),
            Codes::Long => recipe(LongCode, settings.code_ttl),
        },
        crowded: match settings.codes {
            Codes::SixDigits { most_live: Some(most_live) } => {
                Some(Crowded { most_live: Some(most_live), recipe: recipe(LongCode, settings.code_ttl) })
            }
            Codes::SixDigits { most_live: None } | Codes::Long => None,
        },
    };
    let traits = settings.traits();
    let code = Entrance::Code(Arc::new(|text, _| {
        SixDigits::open(text).or_else(|| LongCode::open(text)).ok_or(Unread::Unknown)
    }));
    let doors = vec![Door { dialect: NAME, policy: settings.policy, entrance: code }];
    let px0 = Arc::new(settings);
    Dialect {
        name: NAME,
        owns: vec!["/v1/auth".into()],
        lenient: true,
        refuse: Refuse::Alike(error::refuse),
        rows: vec![
            (
                "/v1/auth/password-reset/trigger".into(),
                vec![Endpoint::new(Method::POST, Role::Trigger, &px0, trigger::run)],
            ),
            (
                "/v1/auth/password-reset/reset".into(),
                vec![Endpoint::new(Method::POST, Role::Json, &px0, reset::run)],
            ),
        ],
        recipes: Some(recipes),
        document: Document::openapi(),
        document_base: String::new(),
        traits: Some(traits),
        doors,
    }
}

impl Settings {
    fn disclosure(&self) -> Disclosure {
        if self.disclose_unknown { Disclosure::AsContracted } else { Disclosure::Never }
    }

    /// What a chooser needs to know.
    fn traits(&self) -> Traits {
        const LONG: &str = "12 characters and a check character";
        let (forms, guesses) = match self.codes {
            Codes::SixDigits { most_live: Some(most) } => (
                vec!["6 digits", LONG],
                format!(
                    "at most {most} codes of 6 digits live at a time, and a budget of wrong ones for everybody \
                     together; beyond either long ones"
                ),
            ),
            Codes::SixDigits { most_live: None } => (vec!["6 digits"], "nothing: for load tests".into()),
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
            unknown: self.disclose_unknown.then(|| Error::UserNotFound.into()),
            dead: vec![Error::from(RedeemError::Invalid).into()],
            forged: vec![Error::InvalidCode.into()],
            blocked: Error::from(RedeemError::Blocked).into(),
            changes: vec![
                change("404 to an unknown address", Some("px0.disclose_unknown"), "`true`", "`false`"),
                change("life of a px0 code", Some("px0.code_ttl"), "`15m`", "`10m`"),
                change("px0 code", None, "6 digits while few are live", "`XXXX-XXXX-XXXX-C` always"),
                change("px0 password", None, "four classes", "no classes"),
                Change::MIN_LENGTH,
            ],
        }
    }
}

fn recipe(shape: impl Shape + 'static, life: Duration) -> Recipe {
    Recipe { shape: Arc::new(shape), scope: Scope::Global, life, carriage: Carriage::Code }
}
