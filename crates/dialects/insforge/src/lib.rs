//! InsForge: a six-digit code that is exchanged for a token, or a link (dialects.md 4).
//!
//! Where InsForge's own server leaves a redemption parse, it is closed here inside the same wire fields: an empty
//! allow-list allows nothing, a dead link is never shown as ready, and no answer repeats what was submitted.

mod client;
mod error;
mod exchange;
mod link;
mod public_config;
mod redirect;
mod reset;
mod schema;
mod send;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use reset_core::{
    error::{ExchangeError, RedeemError},
    issue_policy::{Delivery, FallbackPolicy, IssuePolicies, IssuePolicy},
    keys::Keyring,
    password::Policy,
    secret::{Scope, SixDigits, TaggedHex},
};
use utoipa::OpenApi;

use self::error::InsForgeError;
pub use self::redirect::AllowList;
use reset_http::{
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "insforge";

/// Path of the page that a mailed link opens.
const LINK: &str = "/api/auth/email/reset-password-link";

/// Path of our own page, which sets a password by the token in its query.
const OWN_PAGE: &str = "/reset";

/// What a deployment decides about InsForge.
#[derive(Clone)]
pub struct InsForgeSettings {
    /// What is mailed. Default a code; a link in profile `hardened`.
    pub method: Method,
    /// Origin of the mailed links: the deployment's `public_url`.
    pub public_url: String,
    /// Where a link may lead. An empty list allows nothing (R33).
    pub allowed: AllowList,
    /// How long a code lives. Default 15 minutes.
    pub code_ttl: Duration,
    /// How long a link, or the token that a code became, lives. Default 1 hour.
    pub token_ttl: Duration,
    /// Most guesses for one code. Default 3 (InsForge's own).
    pub max_attempts: u32,
    /// Whether our own pages are served, where a link leads that nobody chose a target for. Default true. Without them
    /// no link takes the place of a code.
    pub pages: bool,
    /// Keys of the tags at the end of the tokens.
    pub tags: Keyring,
    /// Rules for a new password.
    pub policy: Policy,
}

/// What is mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Six digits, to be exchanged for a token.
    Code,
    /// A link to the client's own page.
    Link,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "InsForge password reset", version = "2.0.0",
        description = "The password-reset operations of the InsForge API, as polyreset answers them."),
    paths(send::run, exchange::run, link::run, reset::run, public_config::run),
    tags((name = "Client", description = "Password reset by a mailed code or link"))
)]
struct Document;

/// The dialect's rows, envelope, mails and document.
pub fn dialect(settings: InsForgeSettings) -> Dialect {
    let policies = settings.policies();
    let (client, traits) = (client::client(&settings), settings.traits());
    let redemptions = settings.redemptions();
    let insforge = Arc::new(settings);
    Dialect {
        name: NAME,
        owns: vec!["/api/auth/email".into(), "/api/auth/public-config".into()],
        lenient: true,
        errors: ErrorRenderer::Fixed(error::render),
        rows: vec![
            (
                "/api/auth/email/send-reset-password".into(),
                vec![Endpoint::new(http::Method::POST, EndpointKind::Trigger, &insforge, send::run)],
            ),
            (
                "/api/auth/email/exchange-reset-password-token".into(),
                vec![Endpoint::new(http::Method::POST, EndpointKind::Json, &insforge, exchange::run)],
            ),
            (LINK.into(), vec![Endpoint::new(http::Method::GET, EndpointKind::Read, &insforge, link::run)]),
            (
                "/api/auth/email/reset-password".into(),
                vec![Endpoint::new(http::Method::POST, EndpointKind::Json, &insforge, reset::run)],
            ),
            (
                "/api/auth/public-config".into(),
                vec![Endpoint::new(http::Method::GET, EndpointKind::Read, &insforge, public_config::run)],
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

impl InsForgeSettings {
    /// The target that a link may lead to, as it is stored; nothing for one that is not on the allow-list.
    pub fn target(&self, url: &str) -> Option<String> {
        self.allowed.admit(url).map(|target| target.as_str().to_owned())
    }

    /// How tickets are made and mailed. A code is one account's own, a link's token is the whole dialect's. While the
    /// budgets of wrong codes are spent, a link takes the code's place: nobody is locked out by a guesser (R50,
    /// security.md B4).
    fn policies(&self) -> IssuePolicies {
        let link = IssuePolicy {
            format: Arc::new(self.tokens()),
            scope: Scope::Global,
            lifetime: self.token_ttl,
            delivery: self.link(),
        };
        match self.method {
            Method::Code => {
                let (format, lifetime) = (Arc::new(SixDigits), self.code_ttl);
                let primary =
                    IssuePolicy { format, scope: Scope::Account, lifetime, delivery: Delivery::Code };
                let fallback = self.pages.then_some(FallbackPolicy { max_live: None, policy: link });
                IssuePolicies { dialect: NAME, primary, fallback }
            }
            Method::Link => IssuePolicies { dialect: NAME, primary: link, fallback: None },
        }
    }

    /// A target for examples: one that the allow-list allows, else the hosted page.
    fn example_target(&self) -> String {
        let page = || format!("{}{OWN_PAGE}", self.public_url.trim_end_matches('/'));
        self.allowed.example().unwrap_or_else(page)
    }

    /// A link leads to the target of its ask. Where codes are mailed an ask needs none, and then the link leads to our
    /// own page.
    fn link(&self) -> Delivery {
        let (origin, parameter) = (self.public_url.trim_end_matches('/'), "token");
        let page = format!("{origin}{LINK}");
        match self.method {
            Method::Code => {
                Delivery::LinkViaRedirect { page, otherwise: format!("{origin}{OWN_PAGE}"), parameter }
            }
            Method::Link => Delivery::Link { page, parameter },
        }
    }

    /// How its secrets come to our page: tokens by links, whether mailed or exchanged, and codes where they are mailed.
    fn redemptions(&self) -> Vec<Redemption> {
        let tokens = self.tokens();
        let parse: ParseSecret = Arc::new(move |text, _| tokens.parse(text).ok_or(ParseError::Unknown));
        let link =
            RedemptionKind::Link { parameter: "token", parse, refused: Some(("insforge_status", "error")) };
        let code = RedemptionKind::Exchange {
            parse: Arc::new(|text, _| SixDigits::parse(text).ok_or(ParseError::Unknown)),
            max_attempts: self.max_attempts,
            format: Arc::new(self.tokens()),
            lifetime: self.token_ttl,
        };
        let kinds = match self.method {
            Method::Code => vec![link, code],
            Method::Link => vec![link],
        };
        let redemption = |kind| Redemption { dialect: NAME, policy: self.policy, kind };
        kinds.into_iter().map(redemption).collect()
    }

    /// The form of link tokens and exchanged ones alike: 64 hexadecimal digits.
    fn tokens(&self) -> TaggedHex<24> {
        TaggedHex::new(self.tags.clone())
    }

    /// What a chooser needs to know.
    fn traits(&self) -> Traits {
        const TOKEN: &str = "64 hexadecimal digits";
        let refused = || InsForgeError::from(RedeemError::Invalid);
        let (second, forms, exchanged, guesses, first) = match self.method {
            Method::Code => (
                ("exchange", "exchangeResetPasswordToken"),
                vec!["6 digits", TOKEN],
                Some((TOKEN, self.token_ttl)),
                format!(
                    "{} guesses for a code, and a budget of wrong ones for the address and for all together; beyond \
                     either a link",
                    self.max_attempts
                ),
                InsForgeError::from(ExchangeError::Invalid),
            ),
            Method::Link => (
                ("open the link", "resetPasswordLink"),
                vec![TOKEN],
                None,
                "192 random bits and a keyed tag".to_owned(),
                InsForgeError::UnknownLink,
            ),
        };
        let forged: Vec<Response<Bytes>> = [first, refused()].map(Into::into).into();
        // A dead link leads back to its target, which a row of the document says.
        let dead = match self.method {
            Method::Code => forged.clone(),
            Method::Link => vec![refused().into()],
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "InsForge",
            suits: "apps that let people type a code for their address; by links, web apps that name the page in each ask",
            steps: vec![("ask", "sendResetPassword"), second, ("reset", "resetPassword")],
            forms,
            exchanged,
            guesses,
            policy: self.policy,
            other_fields: true,
            carries: "nothing".into(),
            unknown: None,
            dead,
            forged,
            blocked: InsForgeError::from(RedeemError::Blocked).into(),
            changes: vec![
                change("InsForge mails", Some("insforge.method"), "`code`", "`link`"),
                change("lifetime of an InsForge code", Some("insforge.code_ttl"), "`15m`", "`10m`"),
                change("lifetime of an InsForge link or token", Some("insforge.token_ttl"), "`1h`", "`30m`"),
                Change::MIN_LENGTH,
            ],
        }
    }
}

impl Method {
    /// As InsForge's clients read it.
    fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Link => "link",
        }
    }
}
