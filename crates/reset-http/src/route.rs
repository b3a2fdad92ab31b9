//! Route tables: a dialect is a list of routes, and a route is a path with its endpoints.
//!
//! Each HTTP front-end registers the routes with its own web framework; this module depends on none of them.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, header};
use reset_core::{
    Resets,
    email::EmailAddress,
    event::Network,
    issue_policy::IssuePolicies,
    job::Reference,
    request::{Disclosure, ResetRequest},
};
use reset_settings::SettingKey;
use utoipa::openapi::OpenApi;

use crate::{
    api::Api,
    body::{Object, Undecodable},
    client::Client,
    common_error::CommonError,
    language,
    media_type::{MediaType, MediaTypes},
    rate_limit::{LimitClass, Permit},
    redemption::Redemption,
    traits::Traits,
};

/// A request as an endpoint receives it, with the use cases to serve it.
pub struct Call {
    /// The use cases.
    pub resets: Resets,
    /// The request; its body is within the size limit.
    pub request: Request<Bytes>,
    /// The value of the `X-Reset-Reference` response header. Empty unless the endpoint is a trigger.
    pub reference: Reference,
    /// Who sent it.
    pub client: Caller,
    /// All routes, for endpoints that call another endpoint.
    pub api: Api,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A client with this address.
    Client(IpAddr),
    /// One of the deployment's own servers, for a person whose address it does not tell.
    OwnServer,
    /// Unknown: the front-end has set no peer address.
    Unknown,
}

impl Call {
    /// Returns the client's network as stored in events. That of an own server says nothing about the person.
    pub fn network(&self) -> Option<Network> {
        match self.client {
            Caller::Client(address) => Some(Network::of(address)),
            Caller::OwnServer | Caller::Unknown => None,
        }
    }

    /// Returns the language that the client prefers, as a BCP 47 tag.
    pub fn locale(&self) -> Option<String> {
        language::preferred(self.request.headers())
    }

    /// Returns the media type of the body, which the endpoint's [`MediaTypes`] allow. A body without a type is JSON.
    pub fn media_type(&self) -> MediaType {
        MediaType::of(self.request.headers().get(header::CONTENT_TYPE)).unwrap_or(MediaType::Json)
    }

    /// Decodes the body as its media type says.
    ///
    /// # Errors
    /// Those of [`Object::read`].
    pub async fn object(&self) -> Result<Object, Undecodable> {
        Object::read(&self.media_type(), self.request.body()).await
    }

    /// Builds the input of the request-a-reset use case.
    pub fn reset_request(
        &self,
        dialect: &'static str,
        email: Option<EmailAddress>,
        redirect_to: Option<String>,
        disclosure: Disclosure,
    ) -> ResetRequest {
        let (locale, network) = (self.locale(), self.network());
        ResetRequest {
            dialect,
            email,
            redirect_to,
            locale,
            network,
            reference: self.reference.clone(),
            disclosure,
        }
    }

    /// Takes a permit of `class` from the rate limiter. Always succeeds if clients are not limited, and for own servers.
    ///
    /// # Errors
    /// Returns [`CommonError::TooMany`] if the client is over a limit.
    pub async fn acquire(&self, class: LimitClass) -> Result<Permit, CommonError> {
        let address = match self.client {
            Caller::Client(address) => Some(address),
            Caller::OwnServer => return Ok(Permit::default()),
            Caller::Unknown => None,
        };
        match self.api.rate_limiter() {
            None => Ok(Permit::default()),
            Some(limiter) => limiter.acquire(class, address).await,
        }
    }
}

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;

/// The kind of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    /// Requests a reset. Accepts JSON, unless [`Endpoint::reading`] says otherwise; every response carries
    /// `X-Reset-Reference`.
    Trigger,
    /// Accepts JSON, unless [`Endpoint::reading`] says otherwise.
    Json,
    /// Accepts the form of a hosted page; the endpoint checks the content type itself.
    Form,
    /// Accepts no body.
    Read,
}

/// One method of one path.
#[derive(Clone)]
pub struct Endpoint {
    /// The method. A `GET` endpoint also serves `HEAD`.
    pub method: Method,
    /// Its kind.
    pub kind: EndpointKind,
    /// The media types of the bodies that it reads; others get [`CommonError::UnsupportedMediaType`].
    pub media: MediaTypes,
    /// The keys of its JSON response that polyreset decides, if it does not know the values of the others: a back end
    /// behind polyreset serves the same path with its own values for those. Empty for all other endpoints.
    pub merged_keys: &'static [&'static str],
    /// What answers a request.
    pub run: Handler,
}

impl Endpoint {
    /// Creates an endpoint that calls `run` with the dialect's `state`. An `Err` is converted into a response.
    pub fn new<S, F, Fut, E>(method: Method, kind: EndpointKind, state: &Arc<S>, run: F) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        F: Fn(Arc<S>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<Bytes>, E>> + Send + 'static,
        E: Into<Response<Bytes>>,
    {
        let state = state.clone();
        let run: Handler = Arc::new(move |call| {
            let response = run(state.clone(), call);
            Box::pin(async move { response.await.unwrap_or_else(Into::into) })
        });
        let media = match kind {
            EndpointKind::Trigger | EndpointKind::Json => MediaTypes::Json,
            EndpointKind::Form | EndpointKind::Read => MediaTypes::Unchecked,
        };
        Self { method, kind, media, merged_keys: &[], run }
    }

    /// The endpoint with a response in which polyreset decides only these keys.
    pub fn deciding(self, merged_keys: &'static [&'static str]) -> Self {
        Self { merged_keys, ..self }
    }

    /// The endpoint with other media types than its kind's.
    pub fn reading(self, media: MediaTypes) -> Self {
        Self { media, ..self }
    }
}

/// All endpoints of one path, and the error renderer of the path's dialect.
#[derive(Clone)]
pub struct Route {
    /// The exact path. It has no parameters, because web frameworks decode them differently.
    pub path: String,
    /// Value of the `Allow` header.
    pub allow: String,
    /// Maximum body size in bytes.
    pub body_limit: usize,
    /// One endpoint per method.
    pub endpoints: Vec<Endpoint>,
    /// Name of the dialect.
    pub dialect: &'static str,
    /// How errors outside its endpoints are written.
    pub errors: ErrorRenderer,
    /// Whether scripts of allowed origins may send their requests with credentials.
    pub credentials: bool,
}

impl Route {
    /// Returns the endpoint that serves `method`; the one for `GET` also serves `HEAD`.
    pub fn endpoint(&self, method: &Method) -> Option<&Endpoint> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.endpoints.iter().find(|endpoint| endpoint.method == *wanted)
    }
}

/// Renders the errors common to all dialects: the request reached no endpoint, or its endpoint failed.
#[derive(Clone)]
pub enum ErrorRenderer {
    /// Renders the same bytes for every client.
    Fixed(fn(&CommonError) -> Response<Bytes>),
    /// Renders a page in a language that the request headers ask for.
    Localized(Arc<LocalizedRenderer>),
}

/// Renders an error as a page for the given request headers.
pub type LocalizedRenderer = dyn Fn(&CommonError, &HeaderMap) -> Response<Bytes> + Send + Sync;

impl ErrorRenderer {
    /// Renders `error`; `headers` are those of the request.
    pub fn render(&self, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
        match self {
            Self::Fixed(render) => render(error),
            Self::Localized(render) => render(error, headers),
        }
    }
}

/// One API dialect: its routes, its error format, its mails and its OpenAPI document.
pub struct Dialect {
    /// Name used in settings, stores and logs.
    pub name: &'static str,
    /// Path prefixes below which unknown paths get this dialect's 404. The longest matching prefix wins.
    pub owns: Vec<String>,
    /// Whether paths match in any case and with a trailing slash, as on the original server (docs/dialects.md).
    pub lenient: bool,
    /// Whether scripts of allowed origins may send requests with credentials, as the original server lets them. Nothing
    /// here reads any, but a browser withholds the response otherwise.
    pub credentials: bool,
    /// Renders the errors of requests that reach no endpoint, and internal errors.
    pub errors: ErrorRenderer,
    /// Another renderer for the errors of the paths below a prefix, for a dialect whose versions have different formats.
    pub errors_below: Option<(String, ErrorRenderer)>,
    /// The routes: each path with its endpoints.
    pub rows: Vec<(String, Vec<Endpoint>)>,
    /// The codes and links that the worker mails; `None` for dialects that mail nothing.
    pub policies: Option<IssuePolicies>,
    /// The dialect's OpenAPI document, with the path keys and operation ids of its publisher.
    pub document: OpenApi,
    /// How the path keys of the document relate to the served paths.
    pub base: BasePath,
    /// How the hosted page `/reset` reads and redeems this dialect's secrets.
    pub redemptions: Vec<Redemption>,
    /// Facts for the comparison of the dialects; `None` for polyreset's own paths, which are not compared.
    pub traits: Option<Traits>,
    /// How a client speaks it; `None` for rows that people and operators use.
    pub client: Option<Client>,
    /// Which redirect targets a mailed link may name, for dialects whose links redirect.
    pub redirects: Option<RedirectCheck>,
    /// The setting that must name a page for mailed links where the hosted pages are off; `None` if it does, or if no link
    /// needs a page.
    pub needs_page: Option<&'static SettingKey>,
    /// What an attacker can do under the settings in force; empty for rows that take no secret.
    pub security: Security,
}

/// Returns the stored form of a redirect target that is allowed.
pub type RedirectCheck = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A base path that the settings can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath {
    /// The prefix of the document's path keys that stands for it; empty if the keys lack it, because the publisher's server
    /// URL has a path.
    pub written: &'static str,
    /// The prefix of the served paths.
    pub served: String,
}

impl BasePath {
    /// Returns the served path for a path key of the document.
    pub fn served_path(&self, key: &str) -> String {
        key.strip_prefix(self.written).map_or_else(|| key.to_owned(), |rest| format!("{}{rest}", self.served))
    }

    /// Returns the path key of the document for a served path.
    pub fn key_of(&self, path: &str) -> String {
        path.strip_prefix(&self.served)
            .map_or_else(|| path.to_owned(), |rest| format!("{}{rest}", self.written))
    }
}

/// What an attacker can do against one dialect under the settings in force.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The bound for the success of guessing, as a sentence that begins with the dialect's name.
    pub bound: Option<String>,
    /// The open weaknesses, each as a sentence that begins with its R-number (docs/security.md).
    pub weaknesses: Vec<String>,
    /// Lifetimes, each with the maximum of profile `hardened` (R4).
    pub lifetimes: Vec<Lifetime>,
}

/// The lifetime of one kind of secret.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// The setting that decides it.
    pub setting: &'static str,
    /// The lifetime in force.
    pub lifetime: Duration,
    /// The maximum in profile `hardened`.
    pub hardened: Duration,
}

impl Lifetime {
    /// Maximum lifetime of a code in profile `hardened`.
    const CODE: Duration = Duration::from_secs(10 * 60);
    /// Maximum lifetime of a link or token in profile `hardened`.
    const TOKEN: Duration = Duration::from_secs(30 * 60);

    /// The lifetime of a code.
    pub fn of_code(setting: &'static SettingKey, lifetime: Duration) -> Self {
        Self { setting: setting.name, lifetime, hardened: Self::CODE }
    }

    /// The lifetime of a link or token.
    pub fn of_token(setting: &'static SettingKey, lifetime: Duration) -> Self {
        Self { setting: setting.name, lifetime, hardened: Self::TOKEN }
    }
}

impl Dialect {
    /// Returns the renderer for errors of this path.
    pub fn errors_of(&self, path: &str) -> &ErrorRenderer {
        match &self.errors_below {
            Some((prefix, errors)) if path.starts_with(prefix.as_str()) => errors,
            _ => &self.errors,
        }
    }

    /// A dialect without rows, mails and clients, for struct update.
    pub fn bare(name: &'static str, errors: ErrorRenderer, document: OpenApi) -> Self {
        Self {
            name,
            owns: Vec::new(),
            lenient: false,
            credentials: false,
            errors,
            errors_below: None,
            rows: Vec::new(),
            policies: None,
            document,
            base: BasePath::default(),
            redemptions: Vec::new(),
            traits: None,
            client: None,
            redirects: None,
            needs_page: None,
            security: Security::default(),
        }
    }
}
