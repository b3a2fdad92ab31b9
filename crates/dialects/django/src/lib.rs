//! Django: a link by mail with a uid and a token, as dj-rest-auth and Djoser have it (docs/dialects.md#django).
//!
//! Both libraries' operations are served under one base path; `/auth` is the one in Djoser's documentation. Bodies,
//! statuses, texts, the order of the fields and the `Allow` header are those of the libraries in Django REST Framework.
//!
//! # Paths
//! As in the libraries, dj-rest-auth's paths are served with and without their last slash, and Djoser's without it are
//! redirected with 301.
//!
//! # The link
//! The uid is the account's id in URL-safe Base64 without padding, as Django makes it. The token is polyreset's own,
//! random and keyed. A token is valid only with the uid of its account. With any other uid the response is that to an
//! invalid token, so no response says which account ids exist. Only a uid that is not Base64 of any text is an invalid
//! uid.
//!
//! # Bodies
//! JSON and both kinds of forms are read, and an empty body of any type has no fields. A page of another site can post
//! a form without a preflight, as with the libraries: it gains nothing, because a reset request needs no credentials
//! and a confirmation needs the token. Forms and JSON with repeated names are rejected; the libraries take the last.
//! White space around all texts is removed, also around passwords, as Django's login form does.
//!
//! # Differences on purpose
//! * dj-rest-auth checks the token before the password; here the policy comes first, so a weak password never costs
//!   the token (R17). Only the first rule that a password breaks is reported.
//! * A new request and any password change void earlier tokens, and blocked accounts can set no password (R7, R69).
//! * Djoser's `PASSWORD_RESET_SHOW_EMAIL_NOT_FOUND` does not exist here: it discloses addresses.
//! * Responses are always JSON, also to `Accept: text/html` and for unknown paths, and have no `Vary`. Djoser answers
//!   other methods than POST with 401 or 403; here both families answer 405. OPTIONS is answered for CORS alone.
//!
//! `clients/django/differences.json` lists every request that is answered differently, with the reason.

mod client;
mod confirmation;
mod error;
mod fields;
mod password_reset;
mod password_reset_confirm;
mod settings;
#[cfg(test)]
mod tests;
mod users_reset_password;
mod users_reset_password_confirm;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use reset_core::{
    error::RedeemError,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy, separator},
    keys::Keyring,
    password::Policy,
    secret::{Scope, TaggedHex},
};
use reset_http::{
    media_type::MediaTypes,
    module::DialectModule,
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits},
};
use utoipa::OpenApi;

/// Name of the dialect.
pub const NAME: &str = "django";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The settings of the Django dialect.
#[derive(Clone)]
pub struct DjangoSettings {
    /// Base path of all operations, without a slash at the end. Default `/auth`, as in Djoser's documentation.
    pub base_path: String,
    /// The page that the mailed link opens. `{uid}` and `{token}` in it are filled in, as in Djoser's
    /// `PASSWORD_RESET_CONFIRM_URL`; without them, the query parameters `uid` and `token` are added.
    pub page_url: String,
    /// Lifetime of a token. Default 1 hour; in Django 3 days, which is beyond polyreset's maximum of 24 hours.
    pub token_ttl: Duration,
    /// Whether Djoser's confirmation requires `re_new_password`. Default no, as in Djoser.
    pub retype: bool,
    /// Keys of the authentication tags at the end of the tokens.
    pub tags: Keyring,
    /// Policy for new passwords.
    pub policy: Policy,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Django password reset", version = "1.0.0",
        description = "The password-reset operations of dj-rest-auth and Djoser, as served by polyreset."),
    servers((url = "http://localhost:8000/auth", description = "Local development server of Django")),
    paths(password_reset::run, password_reset_confirm::run, users_reset_password::run, users_reset_password_confirm::run),
    tags((name = "Django", description = "Password reset by a mailed link"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: DjangoSettings) -> Dialect {
    let primary = IssuePolicy {
        format: Arc::new(settings.tokens()),
        scope: Scope::Global,
        lifetime: settings.token_ttl,
        delivery: Delivery::LinkTemplate { url: settings.link() },
    };
    let base = settings.base_path.clone();
    let (client, traits) = (client::client(&settings), settings.traits());
    let tokens = settings.tokens();
    let parse: ParseSecret = Arc::new(move |text, _| tokens.parse(text).ok_or(ParseError::Unknown));
    let kind = RedemptionKind::Link { parameter: "token", parse, refused: None };
    let redemptions = vec![Redemption { dialect: NAME, policy: settings.policy, kind }];
    let django = Arc::new(settings);
    let row = |path: &str, endpoint: Endpoint| {
        (format!("{base}{path}"), vec![endpoint.reading(MediaTypes::JsonOrForms)])
    };
    let reset = Endpoint::new(Method::POST, EndpointKind::Trigger, &django, password_reset::run);
    let confirm = Endpoint::new(Method::POST, EndpointKind::Json, &django, password_reset_confirm::run);
    let users_reset = Endpoint::new(Method::POST, EndpointKind::Trigger, &django, users_reset_password::run);
    let users_confirm =
        Endpoint::new(Method::POST, EndpointKind::Json, &django, users_reset_password_confirm::run);
    let djoser = vec![
        row("/users/reset_password/", users_reset),
        row("/users/reset_password_confirm/", users_confirm),
    ];
    let redirected = djoser.iter().map(|(path, _)| path.clone()).collect();
    let rest_auth = vec![
        row("/password/reset/", reset.clone()),
        row("/password/reset", reset),
        row("/password/reset/confirm/", confirm.clone()),
        row("/password/reset/confirm", confirm),
    ];
    Dialect {
        // The longer prefixes win over another dialect that owns the base path, such as Strapi.
        owns: vec![base.clone(), format!("{base}/password"), format!("{base}/users")],
        rows: rest_auth.into_iter().chain(djoser).collect(),
        policies: Some(IssuePolicies { dialect: NAME, primary, fallback: None }),
        base: BasePath { written: "", served: base },
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Localized(Arc::new(error::renderer(redirected))), document())
    }
}

/// Returns the OpenAPI document, with dj-rest-auth's operations also without the last slash of their paths.
fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for (path, mut item) in document.paths.paths.clone() {
        let Some(bare) = path.strip_suffix('/').filter(|path| path.starts_with("/password/")) else {
            continue;
        };
        if let Some(operation) = &mut item.post {
            operation.operation_id = operation.operation_id.take().map(|id| id + "WithoutSlash");
        }
        document.paths.paths.insert(bare.to_owned(), item);
    }
    document
}

/// Returns the success of Djoser's operations: no content, and so no content type.
fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    error::allowing(response)
}

impl DjangoSettings {
    fn tokens(&self) -> TaggedHex<24> {
        TaggedHex::new(self.tags.clone())
    }

    /// Returns the link of the mails, with `{uid}` and `{token}` in it.
    fn link(&self) -> String {
        let page = &self.page_url;
        if page.contains("{token}") {
            return page.clone();
        }
        let separator = separator(page);
        format!("{page}{separator}uid={{uid}}&token={{token}}")
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        let libraries = [password_reset_confirm::LIBRARY, users_reset_password_confirm::LIBRARY];
        let dead = libraries.iter().map(|library| library.refusal(RedeemError::Invalid).into());
        let forged = libraries.iter().map(|library| library.token_error().into());
        Traits {
            title: "Django",
            suits: "front ends written for dj-rest-auth or Djoser",
            steps: vec![("request", "passwordReset"), ("reset", "passwordResetConfirm")],
            forms: vec!["a uid and 64 hexadecimal digits"],
            exchanged: None,
            guesses: "192 random bits and a keyed tag".into(),
            policy: self.policy,
            other_fields: true,
            carries: "nothing".into(),
            unknown: None,
            dead: dead.collect(),
            forged: forged.collect(),
            blocked: password_reset_confirm::LIBRARY.refusal(RedeemError::Blocked).into(),
            changes: vec![
                Change {
                    what: "lifetime of a Django token",
                    setting: Some("django.token_ttl"),
                    compatible: "`1h`",
                    hardened: "`30m`",
                },
                Change::MIN_LENGTH,
            ],
        }
    }
}
