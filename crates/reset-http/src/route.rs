//! Route tables: a dialect is a list of routes, and a route is a path with its endpoints.
//!
//! Each HTTP front-end registers the routes with its own web framework; this module depends on none of them.

use std::{future::Future, net::IpAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use reset_core::{
    Resets,
    email::EmailAddress,
    event::Network,
    issue_policy::IssuePolicies,
    job::Reference,
    request::{Disclosure, ResetRequest},
};
use utoipa::openapi::OpenApi;

use crate::{
    api::Api,
    client::Client,
    common_error::CommonError,
    language,
    media_type::MediaTypes,
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
    /// The client's address, if known.
    pub client: Option<IpAddr>,
    /// All routes, for endpoints that call another endpoint.
    pub api: Api,
}

impl Call {
    /// Returns the client's network as stored in events.
    pub fn network(&self) -> Option<Network> {
        self.client.map(Network::of)
    }

    /// Builds the input of the request-a-reset use case.
    pub fn reset_request(
        &self,
        dialect: &'static str,
        email: Option<EmailAddress>,
        redirect_to: Option<String>,
        disclosure: Disclosure,
    ) -> ResetRequest {
        let (locale, network) = (language::preferred(self.request.headers()), self.network());
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

    /// Takes a permit of `class` from the rate limiter. Always succeeds if clients are not limited.
    ///
    /// # Errors
    /// Returns [`CommonError::TooMany`] if the client is over its limit.
    pub async fn acquire(&self, class: LimitClass) -> Result<Permit, CommonError> {
        match self.api.rate_limiter() {
            None => Ok(Permit::default()),
            Some(limiter) => limiter.acquire(class, self.client).await,
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
    /// Serves a request.
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
        Self { method, kind, media, run }
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
    /// The error renderer of the dialect.
    pub errors: ErrorRenderer,
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
    /// Renders the errors of requests that reach no endpoint, and internal errors.
    pub errors: ErrorRenderer,
    /// The routes: each path with its endpoints.
    pub rows: Vec<(String, Vec<Endpoint>)>,
    /// The codes and links that the worker mails; `None` for dialects that mail nothing.
    pub policies: Option<IssuePolicies>,
    /// The dialect's OpenAPI document, with the path keys and operation ids of its publisher.
    pub document: OpenApi,
    /// Prefix of the served paths that the document's path keys lack, because the publisher's server URL has a path.
    pub document_base: String,
    /// How the hosted page `/reset` reads and redeems this dialect's secrets.
    pub redemptions: Vec<Redemption>,
    /// Facts for the comparison of the dialects; `None` for polyreset's own paths, which are not compared.
    pub traits: Option<Traits>,
    /// How a client speaks it; `None` for rows that people and operators use.
    pub client: Option<Client>,
}
