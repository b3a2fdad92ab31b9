//! InsForge: a six-digit code that is exchanged for a token, or a link (docs/dialects.md#insforge).
//!
//! Three weaknesses of InsForge's own server are fixed without changing the wire format: an empty allow-list allows no
//! redirect, an expired or used link is never reported as ready, and no response repeats submitted values.
//!
//! ```text
//! POST /api/auth/email/send-reset-password             {"email": "user@example.com"}                      202, mails 123456
//! POST /api/auth/email/exchange-reset-password-token   {"email": "user@example.com", "code": "123456"}    200 {"token": "…"}
//! POST /api/auth/email/reset-password                  {"newPassword": "…", "otp": "<token>"}             200
//! ```

mod client;
mod error;
mod exchange;
mod link;
mod public_config;
mod redirect;
mod reset;
mod schema;
mod send;
mod settings;
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
    media_type::MediaTypes,
    module::DialectModule,
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};

/// Name of the dialect.
pub const NAME: &str = "insforge";

/// Path that a mailed link opens; it redirects to the client's page.
const LINK: &str = "/email/reset-password-link";

/// Path of the hosted page that sets a password with the token in its query.
const HOSTED_PAGE: &str = "/reset";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The settings of the InsForge dialect.
#[derive(Clone)]
pub struct InsForgeSettings {
    /// Path prefix of the operations. Default `/api/auth`.
    pub base_path: String,
    /// Whether codes or links are mailed. Default codes; links in profile `hardened`.
    pub method: Method,
    /// Origin of the mailed links: the deployment's `public_url`.
    pub public_url: String,
    /// Allowed redirect targets of links. An empty list allows none (R33).
    pub allowed: AllowList,
    /// Lifetime of a code. Default 15 minutes.
    pub code_ttl: Duration,
    /// Lifetime of a link, and of the token that a code is exchanged for. Default 1 hour.
    pub token_ttl: Duration,
    /// Maximum attempts per code. Default 3, as in InsForge.
    pub max_attempts: u32,
    /// Whether the hosted pages are served. They are the target of links whose request named none; without them, no
    /// link replaces a code. Default true.
    pub pages: bool,
    /// Keys of the authentication tags at the end of the tokens.
    pub tags: Keyring,
    /// Policy for new passwords.
    pub policy: Policy,
}

/// Whether codes or links are mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A six-digit code, which is exchanged for a token.
    Code,
    /// A link to the client's own page.
    Link,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "InsForge password reset", version = "2.0.0",
        description = "The password-reset operations of the InsForge API, as served by polyreset."),
    paths(send::run, exchange::run, link::run, reset::run, public_config::run),
    tags((name = "Client", description = "Password reset by a mailed code or link"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: InsForgeSettings) -> Dialect {
    let policies = settings.policies();
    let (client, traits) = (client::client(&settings), settings.traits());
    let redemptions = settings.redemptions();
    let base = settings.base_path.clone();
    let path = |rest: &str| format!("{base}{rest}");
    let insforge = Arc::new(settings);
    // InsForge's framework reads URL-encoded forms, too.
    let form_too = |endpoint: Endpoint| endpoint.reading(MediaTypes::JsonOrForm);
    Dialect {
        owns: vec![path("/email"), path("/public-config")],
        lenient: true,
        credentials: true,
        rows: vec![
            (
                path("/email/send-reset-password"),
                vec![form_too(Endpoint::new(
                    http::Method::POST,
                    EndpointKind::Trigger,
                    &insforge,
                    send::run,
                ))],
            ),
            (
                path("/email/exchange-reset-password-token"),
                vec![form_too(Endpoint::new(
                    http::Method::POST,
                    EndpointKind::Json,
                    &insforge,
                    exchange::run,
                ))],
            ),
            (path(LINK), vec![Endpoint::new(http::Method::GET, EndpointKind::Read, &insforge, link::run)]),
            (
                path("/email/reset-password"),
                vec![form_too(Endpoint::new(http::Method::POST, EndpointKind::Json, &insforge, reset::run))],
            ),
            (
                path("/public-config"),
                vec![
                    Endpoint::new(http::Method::GET, EndpointKind::Read, &insforge, public_config::run)
                        .deciding(public_config::DECIDED),
                ],
            ),
        ],
        policies: Some(policies),
        base: BasePath { written: "/api/auth", served: base.clone() },
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(error::render), Document::openapi())
    }
}

impl InsForgeSettings {
    /// Returns a redirect target in its stored form, or `None` if the allow-list does not allow it.
    pub fn target(&self, url: &str) -> Option<String> {
        self.allowed.stored(url)
    }

    /// Returns how tickets are issued and mailed. Codes are unique per account, link tokens across the dialect.
    /// While the budgets for wrong codes are exhausted, links are mailed instead of codes, so that an attacker
    /// cannot lock out the owner (R50).
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

    /// Returns a redirect target for examples: one that the allow-list permits, or the hosted page.
    fn example_target(&self) -> String {
        let page = || format!("{}{HOSTED_PAGE}", self.public_url.trim_end_matches('/'));
        self.allowed.example().unwrap_or_else(page)
    }

    /// Returns how links are mailed. A link leads to the redirect target of its request. With method `code` a request
    /// may name none, and the link then leads to the hosted page.
    fn link(&self) -> Delivery {
        let (origin, parameter) = (self.public_url.trim_end_matches('/'), "token");
        let page = format!("{origin}{}{LINK}", self.base_path);
        match self.method {
            Method::Code => {
                Delivery::LinkViaRedirect { page, otherwise: format!("{origin}{HOSTED_PAGE}"), parameter }
            }
            Method::Link => Delivery::Link { page, parameter },
        }
    }

    /// Returns how the hosted page redeems this dialect's secrets: tokens in links always, codes with method `code`.
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

    /// Returns the format of all tokens, from links and from exchanges: 64 hexadecimal digits.
    fn tokens(&self) -> TaggedHex<24> {
        TaggedHex::new(self.tags.clone())
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        const TOKEN: &str = "64 hexadecimal digits";
        let refused = || InsForgeError::from(RedeemError::Invalid);
        let (second, forms, exchanged, guesses, first) = match self.method {
            Method::Code => (
                ("exchange", "exchangeResetPasswordToken"),
                vec!["6 digits", TOKEN],
                Some((TOKEN, self.token_ttl)),
                format!(
                    "{} attempts per code, and budgets of wrong codes per address and for all addresses together; \
                     beyond either budget, a link is mailed",
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
        // A link that expired or was used redirects to its target, as the document of its operation says.
        let dead = match self.method {
            Method::Code => forged.clone(),
            Method::Link => vec![refused().into()],
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "InsForge",
            suits: "apps where users type a code for their address; with links, web apps that name their page in each request",
            steps: vec![("request", "sendResetPassword"), second, ("reset", "resetPassword")],
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
    /// Returns the name that InsForge's clients expect.
    fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Link => "link",
        }
    }
}
