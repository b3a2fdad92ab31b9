//! Strapi users-permissions: a link by mail with a code of 128 hexadecimal digits, under two prefixes
//! (dialects.md 3).
//!
//! The seed's paths have no prefix (v3), those of v4 and later begin with `/api`; both are served, and answer
//! with one body that clients of either can read.

mod client;
mod error;
mod forgot_password;
mod reset_password;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    error::RedeemError,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::{Key, Keyring},
    password::Policy,
    secret::{Scope, TaggedHex},
};
use utoipa::OpenApi;

use self::error::StrapiError;
use reset_http::{
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits, span},
};

/// Name of the dialect.
pub const NAME: &str = "strapi";
/// Default of Strapi's `api.rest.prefix` since v4.
const V4: &str = "/api";

/// What a deployment decides about Strapi.
#[derive(Clone)]
pub struct StrapiSettings {
    /// The page that the mailed link opens; `?code=` is added.
    pub page_url: String,
    /// How long a code lives. Default 1 hour; Strapi's own never ends.
    pub token_ttl: Duration,
    /// Keys of the tags at the end of the codes.
    pub tags: Keyring,
    /// Key of the session token in the answer (HS256): the host's `JWT_SECRET`.
    pub jwt_key: Key,
    /// How long that session token lives. Default 30 days (Strapi's own).
    pub jwt_ttl: Duration,
    /// Whether the answer carries a session token. Default yes, as the contract has it; no in `hardened`.
    pub issue_jwt: bool,
    /// Whether the public role may use the routes; if not, they answer 403. Default yes.
    pub public: bool,
    /// Rules for a new password.
    pub policy: Policy,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Strapi password reset", version = "1.0.0",
        description = "The password-reset operations of Strapi's users-permissions plugin, as polyreset answers them."),
    servers((url = "http://localhost:1337", description = "Strapi's own local server")),
    paths(forgot_password::run, reset_password::run),
    tags((name = "UsersPermissions", description = "Password reset by a mailed link"))
)]
struct Document;

/// The dialect's rows, envelope, mails and document.
pub fn dialect(settings: StrapiSettings) -> Dialect {
    let primary = IssuePolicy {
        format: Arc::new(settings.codes()),
        scope: Scope::Global,
        lifetime: settings.token_ttl,
        delivery: Delivery::Link { page: settings.page_url.clone(), parameter: "code" },
    };
    let (client, traits) = (client::client(), settings.traits());
    let codes = settings.codes();
    let parse: ParseSecret = Arc::new(move |text, _| codes.parse(text).ok_or(ParseError::Unknown));
    let kind = RedemptionKind::Link { parameter: "code", parse, refused: None };
    let redemption = Redemption { dialect: NAME, policy: settings.policy, kind };
    let redemptions = settings.public.then_some(redemption).into_iter().collect();
    let strapi = Arc::new(settings);
    let forgot = Endpoint::new(Method::POST, EndpointKind::Trigger, &strapi, forgot_password::run);
    let reset = Endpoint::new(Method::POST, EndpointKind::Json, &strapi, reset_password::run);
    let rows = ["", V4].into_iter().flat_map(|prefix| {
        [
            (format!("{prefix}/auth/forgot-password"), vec![forgot.clone()]),
            (format!("{prefix}/auth/reset-password"), vec![reset.clone()]),
        ]
    });
    Dialect {
        name: NAME,
        owns: vec!["/auth".into(), format!("{V4}/auth")],
        lenient: false,
        errors: ErrorRenderer::Fixed(error::render),
        rows: rows.collect(),
        policies: Some(IssuePolicies { dialect: NAME, primary, fallback: None }),
        document: document(),
        document_base: String::new(),
        client: Some(client),
        traits: Some(traits),
        redemptions,
    }
}

/// The document of the paths without prefix, and each operation once more under the prefix of v4.
fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for (path, mut item) in document.paths.paths.clone() {
        if let Some(operation) = &mut item.post {
            operation.operation_id = operation.operation_id.take().map(|id| id + "V4");
        }
        document.paths.paths.insert(format!("{V4}{path}"), item);
    }
    document
}

impl StrapiSettings {
    fn codes(&self) -> TaggedHex<56> {
        TaggedHex::new(self.tags.clone())
    }

    /// What a chooser needs to know.
    fn traits(&self) -> Traits {
        let carries = if self.issue_jwt {
            format!("a session token ({}) and the account", span(self.jwt_ttl))
        } else {
            "the account, and no session token".to_owned()
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "Strapi",
            suits: "front-ends written for Strapi, v3 to v5, that sign people in with the reset",
            steps: vec![("ask", "forgotPassword"), ("reset", "resetPassword")],
            forms: vec!["128 hexadecimal digits"],
            exchanged: None,
            guesses: "448 random bits and a keyed tag".into(),
            policy: self.policy,
            other_fields: false,
            carries,
            unknown: None,
            dead: vec![StrapiError::from(RedeemError::Invalid).into()],
            forged: vec![StrapiError::IncorrectCode.into()],
            blocked: StrapiError::from(RedeemError::Blocked).into(),
            changes: vec![
                change("Strapi session token", Some("strapi.issue_jwt"), "`true`", "`false`"),
                change("lifetime of a Strapi code", Some("strapi.token_ttl"), "`1h`", "`30m`"),
                Change::MIN_LENGTH,
            ],
        }
    }

    /// Refuses everybody where the public role may not use the routes.
    fn admit(&self) -> Result<(), StrapiError> {
        if self.public { Ok(()) } else { Err(StrapiError::Forbidden) }
    }
}
