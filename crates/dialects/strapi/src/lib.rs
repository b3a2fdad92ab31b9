//! Strapi users-permissions: a link by mail with a code of 128 hexadecimal digits, under two path prefixes
//! (docs/dialects.md#strapi).
//!
//! The paths of v3 have no prefix; those of v4 and later start with `/api`. Both are served. Their responses have one
//! format that clients of v4 and v5 read, and v3's under `/auth` if the settings say so. Like Strapi, both ignore the
//! case of a path and a slash at its end, and read forms; v3's ignore unknown fields.
//!
//! ```text
//! POST /api/auth/forgot-password  {"email": "user@example.com"}                           200, mails <page>?code=<128 digits>
//! POST /api/auth/reset-password   {"code": "…", "password": "…", "passwordConfirmation": "…"}   200
//! ```

mod client;
mod error;
mod forgot_password;
mod reset_password;
mod settings;
#[cfg(test)]
mod tests;
mod v3;

use std::{sync::Arc, time::Duration};

use http::Method;
use reset_core::{
    error::RedeemError,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::{HmacKey, Keyring},
    password::Policy,
    secret::{Scope, TaggedHex},
};
use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as OpenApiDocument, PathItem, RefOr,
        schema::{AdditionalProperties, Schema},
    },
};

use self::error::StrapiError;
use reset_http::{
    media_type::MediaTypes,
    module::DialectModule,
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{BasePath, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    traits::{Change, Traits, span},
};

/// Name of the dialect.
pub const NAME: &str = "strapi";
/// Path prefix since v4: the default of Strapi's `api.rest.prefix`.
const V4: &str = "/api";

/// The module for the registry of dialects.
pub const MODULE: DialectModule =
    DialectModule { name: NAME, keys: settings::KEYS, enabled: &settings::ENABLED, read: settings::read };

/// The format of responses under `/auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// That of `/api/auth`, which clients of v4 and v5 read.
    Published,
    /// That of Strapi v3.
    V3,
}

/// The settings of the Strapi dialect.
#[derive(Clone)]
pub struct StrapiSettings {
    /// The format of responses under `/auth`. Default [`Wire::Published`].
    pub wire: Wire,
    /// Path prefix of the operations. Default: empty.
    pub base_path: String,
    /// The page that the mailed link opens; the query parameter `code` is added.
    pub page_url: String,
    /// Lifetime of a code. Default 1 hour; in Strapi codes never expire.
    pub token_ttl: Duration,
    /// Keys of the authentication tags at the end of the codes.
    pub tags: Keyring,
    /// Key of the session token in the response (HS256): the `JWT_SECRET` of the Strapi installation.
    pub jwt_key: HmacKey,
    /// Lifetime of the session token. Default 30 days, as in Strapi.
    pub jwt_ttl: Duration,
    /// Whether the response carries a session token. Default yes, as in the contract; no in profile `hardened`.
    pub issue_jwt: bool,
    /// Whether the public role may use the routes; if not, they return 403. Default yes.
    pub public: bool,
    /// Policy for new passwords.
    pub policy: Policy,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Strapi password reset", version = "1.0.0",
        description = "The password-reset operations of Strapi's users-permissions plugin, as served by polyreset."),
    servers((url = "http://localhost:1337", description = "Local development server of Strapi")),
    paths(forgot_password::run, reset_password::run),
    tags((name = "UsersPermissions", description = "Password reset by a mailed link"))
)]
struct Document;

/// Returns the dialect: routes, error format, mails and OpenAPI document.
pub fn dialect(settings: StrapiSettings) -> Dialect {
    let primary = IssuePolicy {
        format: Arc::new(settings.codes()),
        scope: Scope::Global,
        lifetime: settings.token_ttl,
        delivery: Delivery::Link { page: settings.page_url.clone(), parameter: "code" },
    };
    let (client, traits) = (client::client(&settings), settings.traits());
    let codes = settings.codes();
    let parse: ParseSecret = Arc::new(move |text, _| codes.parse(text).ok_or(ParseError::Unknown));
    let kind = RedemptionKind::Link { parameter: "code", parse, refused: None };
    let redemption = Redemption { dialect: NAME, policy: settings.policy, kind };
    let redemptions = settings.public.then_some(redemption).into_iter().collect();
    let base = settings.base_path.clone();
    let strapi = Arc::new(settings);
    let (post, trigger, plain) = (Method::POST, EndpointKind::Trigger, EndpointKind::Json);
    let (wire, v4) = (strapi.wire, format!("{base}{V4}/auth"));
    let [forgot, reset] = match wire {
        Wire::Published => [
            Endpoint::new(post.clone(), trigger, &strapi, forgot_password::run_without_prefix),
            Endpoint::new(post.clone(), plain, &strapi, reset_password::run_without_prefix),
        ],
        Wire::V3 => [
            Endpoint::new(post.clone(), trigger, &strapi, v3::forgot_password),
            Endpoint::new(post.clone(), plain, &strapi, v3::reset_password),
        ],
    };
    let rows = [
        (format!("{base}/auth/forgot-password"), forgot),
        (format!("{base}/auth/reset-password"), reset),
        (
            format!("{v4}/forgot-password"),
            Endpoint::new(post.clone(), trigger, &strapi, forgot_password::run),
        ),
        (format!("{v4}/reset-password"), Endpoint::new(post, plain, &strapi, reset_password::run)),
    ];
    // Strapi reads forms, too.
    let rows = rows.map(|(path, endpoint)| (path, vec![endpoint.reading(MediaTypes::JsonOrForms)]));
    let v3_errors = (format!("{base}/auth"), ErrorRenderer::Fixed(v3::render));
    Dialect {
        owns: vec![format!("{base}/auth"), v4],
        lenient: true,
        credentials: true,
        errors_below: (wire == Wire::V3).then_some(v3_errors),
        rows: rows.into(),
        base: BasePath { written: "", served: base.clone() },
        policies: Some(IssuePolicies { dialect: NAME, primary, fallback: None }),
        client: Some(client),
        traits: Some(traits),
        redemptions,
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(error::render), document(wire))
    }
}

/// Returns the OpenAPI document, with every operation both without a prefix and under the prefix of v4.
fn document(wire: Wire) -> OpenApiDocument {
    let mut published = Document::openapi();
    refuse_unknown_fields(&mut published);
    let mut document = published.clone();
    if wire == Wire::V3 {
        document.paths.paths.clear();
        document.merge(v3::Document::openapi());
    }
    // Without the prefix, unknown fields are ignored.
    for item in document.paths.paths.values_mut() {
        rename_request(item, LENIENT);
    }
    for (path, mut item) in published.paths.paths {
        if let Some(operation) = &mut item.post {
            operation.operation_id = operation.operation_id.take().map(|id| id + "V4");
        }
        document.paths.paths.insert(format!("{V4}{path}"), item);
    }
    document
}

/// Suffix of the schemas of bodies whose unknown fields are ignored.
const LENIENT: &str = "V3";

/// Documents that the requests have no other fields, and adds their schemas without that rule, under names of their own.
fn refuse_unknown_fields(document: &mut OpenApiDocument) {
    let Some(components) = &mut document.components else { return };
    for name in ["ForgotPasswordRequest", "ResetPasswordRequest"] {
        let Some(RefOr::T(Schema::Object(strict))) = components.schemas.get_mut(name) else { continue };
        let lenient = strict.clone();
        strict.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        components.schemas.insert(format!("{name}{LENIENT}"), RefOr::T(Schema::Object(lenient)));
    }
}

/// Appends `suffix` to the name of the schema of the request.
fn rename_request(item: &mut PathItem, suffix: &str) {
    let body = item.post.as_mut().and_then(|operation| operation.request_body.as_mut());
    let Some(RefOr::T(body)) = body else { return };
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::Ref(reference)) = &mut content.schema
        {
            reference.ref_location.push_str(suffix);
        }
    }
}

impl StrapiSettings {
    fn codes(&self) -> TaggedHex<56> {
        TaggedHex::new(self.tags.clone())
    }

    /// Returns the facts for the comparison of the dialects.
    fn traits(&self) -> Traits {
        let carries = if self.issue_jwt {
            format!("a session token (lifetime {}) and the account", span(self.jwt_ttl))
        } else {
            "the account, but no session token".to_owned()
        };
        let change = |what, setting, compatible, hardened| Change { what, setting, compatible, hardened };
        Traits {
            title: "Strapi",
            suits: "clients written for Strapi v3 to v5 that sign users in after a reset",
            steps: vec![("request", "forgotPassword"), ("reset", "resetPassword")],
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

    /// Returns [`StrapiError::Forbidden`] if the public role may not use the routes.
    fn require_public(&self) -> Result<(), StrapiError> {
        if self.public { Ok(()) } else { Err(StrapiError::Forbidden) }
    }
}
