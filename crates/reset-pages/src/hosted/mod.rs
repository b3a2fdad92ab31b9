//! Our own pages, as one more dialect: where a mailed link leads, and where a person asks for one. They work without
//! JavaScript and load nothing (R32, R34, R35).
//!
//! A link's secret leaves the address bar before the form is shown: it goes into a cookie that no script reads and no
//! other site's page makes a browser send. `forgot` asks, `reset` sets the password by whichever dialect's secret it
//! is ([`redemption`]), `not_me` takes a reset back.

pub mod brand;
mod change_password;
mod code;
mod forgot;
mod form;
mod link_cookie;
mod not_me;
mod reset;
mod shell;
mod strength;
mod style;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method};
use reset_core::{
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::Keyring,
    language::Language,
    password::Policy,
    secret::{Scope, TaggedHex},
};
use reset_words::Catalogue;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

use self::brand::Brand;
pub(crate) use self::shell::is_foreign;
use reset_http::{
    common_error::CommonError,
    redemption::{ParseError, ParseSecret, Redemption, RedemptionKind},
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
};

/// Name of the dialect.
pub const NAME: &str = "pages";

/// What a deployment decides about the pages.
#[derive(Clone)]
pub struct PagesSettings {
    /// Where people reach the service: the only source of links (R31).
    pub public_url: String,
    /// How long a link from these pages lives. Default 30 minutes (R4).
    pub token_ttl: Duration,
    /// Keys of the tags of those links.
    pub tags: Keyring,
    /// Rules for a new password that is set by such a link.
    pub policy: Policy,
    /// The language of people whose browser asks for none of ours.
    pub language: Language,
    /// Whose service it is.
    pub brand: Brand,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset's pages", version = "1.0.0",
        description = "Pages on which people ask for a reset and set a password. They are for browsers, not for programs."),
    paths(forgot::show, forgot::ask, reset::show, reset::set, strength::estimate, not_me::show, not_me::object, change_password::lead),
    tags((name = "pages", description = "For people with a browser"))
)]
struct Document;

/// Everything that the pages are made of.
pub(crate) struct Pages {
    redemptions: Vec<Redemption>,
    catalogue: Catalogue,
    language: Language,
    brand: Brand,
    style: String,
    policy: HeaderValue,
    /// One at a time.
    estimates: Arc<Semaphore>,
    /// Whether cookies are for https alone.
    secure: bool,
    /// Path of the public URL, without a slash at its end.
    base: String,
    /// `<base>/forgot`.
    forgot: HeaderValue,
    /// Whether the way to a demo's mailbox is shown.
    demo: bool,
}

/// The pages' rows and mails. Secrets of `others` are redeemed here, too; during a `demo` the pages lead to its mailbox.
pub fn dialect(settings: PagesSettings, others: &[Dialect], demo: bool) -> Dialect {
    let PagesSettings { public_url, token_ttl, tags, policy, language, brand } = settings;
    let public_url = public_url.trim_end_matches('/');
    let format = TaggedHex::<24>::new(tags);
    let issue_policy = IssuePolicy {
        format: Arc::new(format.clone()),
        scope: Scope::Global,
        lifetime: token_ttl,
        delivery: Delivery::Link { page: format!("{public_url}/reset"), parameter: "token" },
    };
    let parse: ParseSecret = Arc::new(move |text, _| format.parse(text).ok_or(ParseError::Unknown));
    let own = Redemption {
        dialect: NAME,
        policy,
        kind: RedemptionKind::Link { parameter: "token", parse, refused: None },
    };
    let style = style::style(&brand);
    let base = url::Url::parse(public_url).map(|url| url.path().trim_end_matches('/').to_owned());
    let pages = Arc::new(Pages {
        redemptions: others.iter().flat_map(|other| other.redemptions.clone()).chain([own]).collect(),
        catalogue: Catalogue::default(),
        language,
        policy: style::policy(&style),
        estimates: Arc::new(Semaphore::new(1)),
        brand,
        style,
        secure: public_url.starts_with("https:"),
        base: base.unwrap_or_default(),
        forgot: HeaderValue::from_str(&format!("{public_url}/forgot")).expect("a URL is plain ASCII"),
        demo,
    });
    let page = |path: &str, endpoints| (path.to_owned(), endpoints);
    let in_person = pages.clone();
    let render = Arc::new(move |error: &CommonError, headers: &HeaderMap| in_person.render(error, headers));
    Dialect {
        name: NAME,
        owns: Vec::new(),
        lenient: false,
        errors: ErrorRenderer::Localized(render),
        rows: vec![
            page(
                "/forgot",
                vec![
                    Endpoint::new(Method::GET, EndpointKind::Read, &pages, forgot::show),
                    Endpoint::new(Method::POST, EndpointKind::Form, &pages, forgot::ask),
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
                    Endpoint::new(Method::POST, EndpointKind::Form, &pages, not_me::object),
                ],
            ),
            page(
                "/.well-known/change-password",
                vec![Endpoint::new(Method::GET, EndpointKind::Read, &pages, change_password::lead)],
            ),
        ],
        policies: Some(IssuePolicies { dialect: NAME, primary: issue_policy, fallback: None }),
        document: Document::openapi(),
        document_base: String::new(),
        client: None,
        traits: None,
        redemptions: Vec::new(),
    }
}

impl Pages {
    /// A cookie that no script reads.
    fn cookie(&self, name: &str, value: &str, path: &str, same_site: &str, age: u32) -> HeaderValue {
        let (base, secure) = (&self.base, if self.secure { "; Secure" } else { "" });
        let cookie = format!(
            "{name}={value}; Path={base}{path}; Max-Age={age}; HttpOnly; SameSite={same_site}{secure}"
        );
        let mut cookie = HeaderValue::from_str(&cookie).expect("names, digits and secrets are plain ASCII");
        cookie.set_sensitive(true);
        cookie
    }
}
