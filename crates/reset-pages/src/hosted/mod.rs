//! The hosted pages, implemented as one more dialect: the page to request a reset and the pages that mailed links open.
//! They work without JavaScript and load no external resources (R32, R34, R35).
//!
//! A link's secret leaves the address bar before the form is shown: it moves into an `HttpOnly`, `SameSite=Strict`
//! cookie, so no script can read it and no other site can make a browser send it. `forgot` requests a reset, `reset`
//! sets a password with the secret of any dialect ([`redemption`](reset_http::redemption)), and `not_me` reverses a reset.

mod change_password;
mod code;
mod cookies;
mod fallback;
mod forgot;
mod form;
pub(crate) mod icons;
mod link_cookie;
mod message;
mod not_me;
mod reset;
mod security_txt;
mod shell;
mod strength;
mod style;
mod webmail;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method};
use reset_core::{
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::{HmacKey, Keyring},
    language::Language,
    password::{PASSWORD_MAX, Policy},
    secret::{Scope, TaggedHex},
};
use reset_words::Catalogue;
pub use reset_words::brand;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

use self::brand::Brand;
pub(crate) use self::{icons::Tone, shell::is_cross_site};
use crate::html;
use reset_http::{
    common_error::CommonError,
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
};

/// Name of the dialect.
pub const NAME: &str = "pages";

/// Settings of the hosted pages.
#[derive(Clone)]
pub struct PagesSettings {
    /// Public base URL of the service. Every link is built from it (R31).
    pub public_url: String,
    /// Lifetime of a link requested on these pages. Default 30 minutes (R4).
    pub token_ttl: Duration,
    /// Keys that authenticate the tags of those links.
    pub tags: Keyring,
    /// Password policy for resets through such a link.
    pub policy: Policy,
    /// Page language when the browser accepts none of the supported ones.
    pub language: Language,
    /// Brand of the service.
    pub brand: Brand,
    /// Contact for security reports, a `mailto:` or https URL. With it, `/.well-known/security.txt` is served.
    pub security_contact: Option<String>,
    /// Extra style sheet, applied after the built-in one.
    pub stylesheet: Option<String>,
}

impl PagesSettings {
    /// The defaults: keys derived from `root`, links to `public_url`, in English and without a brand.
    pub fn defaults(root: &HmacKey, public_url: &str) -> Self {
        Self {
            public_url: public_url.to_owned(),
            token_ttl: Duration::from_secs(30 * 60),
            tags: root.derive("pages.tags").into(),
            policy: Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX },
            language: Language::En,
            brand: Brand::default(),
            security_contact: None,
            stylesheet: None,
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset's pages", version = "1.0.0",
        description = "Web pages to request a reset and to set a password. They are meant for browsers, not for API clients."),
    paths(forgot::show, forgot::request_reset, reset::show, reset::set, strength::estimate, not_me::show, not_me::open_dispute, change_password::redirect, security_txt::show),
    tags((name = "pages", description = "Web pages for end users"))
)]
struct Document;

/// State shared by all hosted pages.
pub(crate) struct Pages {
    redemptions: Vec<Redemption>,
    catalogue: Catalogue,
    language: Language,
    brand: Brand,
    style: String,
    policy: HeaderValue,
    /// Allows one password estimate at a time.
    estimates: Arc<Semaphore>,
    /// Whether cookies get the `Secure` attribute: the public URL is https.
    secure: bool,
    /// The public URL, without a trailing slash.
    public_url: String,
    /// Path of the public URL, without a trailing slash.
    base: String,
    /// Lifetime of a link requested on `/forgot`.
    token_ttl: Duration,
    /// The icon of the browser tab, as SVG and as a `data:` URL.
    icon: String,
    icon_url: String,
    security_contact: Option<String>,
    /// Whether the pages link to the demo mailbox.
    demo: bool,
}

/// Builds the dialect of the hosted pages, and the renderer of errors outside all dialects. The pages redeem the secrets
/// of `others` too. With `demo`, every page links to the demo mailbox.
pub fn dialect(settings: PagesSettings, others: &[Dialect], demo: bool) -> (Dialect, ErrorRenderer) {
    let PagesSettings { public_url, token_ttl, tags, policy, language, brand, security_contact, stylesheet } =
        settings;
    let public_url = public_url.trim_end_matches('/');
    let format = TaggedHex::<24>::new(tags);
    let issue_policy = IssuePolicy {
        format: Arc::new(format.clone()),
        scope: Scope::Global,
        lifetime: token_ttl,
        delivery: Delivery::Link { page: format!("{public_url}/reset"), parameter: "token" },
    };
    let parse: ParseSecret = Arc::new(move |text, _| format.parse(text).ok_or(ParseError::Unknown));
    let hosted = Redemption {
        dialect: NAME,
        policy,
        kind: RedemptionKind::Link { parameter: "token", parse, refused: None },
    };
    let (style, icon) = (style::style(&brand, stylesheet.as_deref()), style::icon(&brand));
    let base = url::Url::parse(public_url).map(|url| url.path().trim_end_matches('/').to_owned());
    let pages = Arc::new(Pages {
        redemptions: others.iter().flat_map(|other| other.redemptions.clone()).chain([hosted]).collect(),
        catalogue: Catalogue::default(),
        language,
        policy: style::policy(&style),
        estimates: Arc::new(Semaphore::new(1)),
        brand,
        style,
        secure: public_url.starts_with("https:"),
        public_url: public_url.to_owned(),
        base: base.unwrap_or_default(),
        token_ttl,
        icon_url: html::data_url("image/svg+xml", &icon),
        icon,
        security_contact,
        demo,
    });
    let page = |path: &str, endpoints| (path.to_owned(), endpoints);
    let renderer = pages.clone();
    let render = Arc::new(move |error: &CommonError, headers: &HeaderMap| renderer.render(error, headers));
    let mut rows = vec![
        page(
            "/forgot",
            vec![
                Endpoint::new(Method::GET, EndpointKind::Read, &pages, forgot::show),
                Endpoint::new(Method::POST, EndpointKind::Form, &pages, forgot::request_reset),
            ],
        ),
        page(
            "/reset",
            vec![
                Endpoint::new(Method::GET, EndpointKind::Read, &pages, reset::show),
                Endpoint::new(Method::POST, EndpointKind::Form, &pages, reset::set),
            ],
        ),
        page(
            "/reset/strength",
            vec![Endpoint::new(Method::POST, EndpointKind::Form, &pages, strength::estimate)],
        ),
        page(
            "/not-me",
            vec![
                Endpoint::new(Method::GET, EndpointKind::Read, &pages, not_me::show),
                Endpoint::new(Method::POST, EndpointKind::Form, &pages, not_me::open_dispute),
            ],
        ),
        page(
            "/.well-known/change-password",
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &pages, change_password::redirect)],
        ),
    ];
    let mut document = Document::openapi();
    if pages.security_contact.is_some() {
        let endpoint = Endpoint::new(Method::GET, EndpointKind::Read, &pages, security_txt::show);
        rows.push(page(security_txt::PATH, vec![endpoint]));
    } else {
        document.paths.paths.shift_remove(security_txt::PATH);
    }
    let outside = fallback::renderer(&pages);
    let dialect = Dialect {
        rows,
        policies: Some(IssuePolicies { dialect: NAME, primary: issue_policy, fallback: None }),
        ..Dialect::bare(NAME, ErrorRenderer::Localized(render), document)
    };
    (dialect, outside)
}

impl Pages {
    /// Returns the URL of a path of this server.
    fn url_of(&self, path: &str, query: Option<&str>) -> String {
        match query {
            Some(query) => format!("{}{path}?{query}", self.public_url),
            None => format!("{}{path}", self.public_url),
        }
    }

    /// Builds an `HttpOnly` cookie for `path` below the public URL; `age` is in seconds.
    fn cookie(&self, name: &str, value: &str, path: &str, same_site: &str, age: u32) -> HeaderValue {
        let (base, secure) = (&self.base, if self.secure { "; Secure" } else { "" });
        let name = self.cookie_name(name, path);
        let cookie = format!(
            "{name}={value}; Path={base}{path}; Max-Age={age}; HttpOnly; SameSite={same_site}{secure}"
        );
        let mut cookie = HeaderValue::from_str(&cookie).expect("names, digits and secrets are plain ASCII");
        cookie.set_sensitive(true);
        cookie
    }

    /// Returns the name under which the browser keeps the cookie `name` for `path` below the public URL.
    fn cookie_name(&self, name: &str, path: &str) -> String {
        format!("{}{name}", cookies::prefix(self.secure, &format!("{}{path}", self.base)))
    }
}
