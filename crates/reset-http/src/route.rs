//! The table: a dialect is rows, a row is a path with its endpoints. Front-ends walk the table and register
//! each row in their framework's own way; nothing here knows which framework that is.

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
    rate_limit::{LimitClass, Permit},
    redemption::Redemption,
    traits::Traits,
};

/// What an endpoint is given.
pub struct Call {
    /// The use cases.
    pub resets: Resets,
    /// The request, its body within the limit.
    pub request: Request<Bytes>,
    /// What the answer's `X-Reset-Reference` will say, where there is one.
    pub reference: Reference,
    /// Who asks, as far as that is known.
    pub client: Option<IpAddr>,
    /// Every row, for an endpoint that shows what another one answers.
    pub api: Api,
}

impl Call {
    /// Who asks, as it is written down.
    pub fn network(&self) -> Option<Network> {
        self.client.map(Network::of)
    }

    /// What is asked of the use case by a trigger.
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

    /// Takes one from what the client may do, where clients are limited.
    pub async fn acquire(&self, class: LimitClass) -> Result<Permit, CommonError> {
        match self.api.rate_limiter() {
            None => Ok(Permit::default()),
            Some(limiter) => limiter.acquire(class, self.client).await,
        }
    }
}

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;

/// What an endpoint takes, and what its answers carry beyond their body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    /// Asks for a reset: takes JSON, every answer carries `X-Reset-Reference`.
    Trigger,
    /// Takes JSON.
    Json,
    /// Takes what the form of a page of ours sends, and judges it itself.
    Form,
    /// Takes nothing but the request line.
    Read,
}

/// One method of one path.
#[derive(Clone)]
pub struct Endpoint {
    /// The method; `GET` serves `HEAD` as well.
    pub method: Method,
    /// What it takes.
    pub kind: EndpointKind,
    pub run: Handler,
}

impl Endpoint {
    /// An endpoint that runs `run` with the dialect's own `state`. Errors are answers too.
    pub fn new<S, F, Fut, E>(method: Method, kind: EndpointKind, state: &Arc<S>, run: F) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        F: Fn(Arc<S>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<Bytes>, E>> + Send + 'static,
        E: Into<Response<Bytes>>,
    {
        let state = state.clone();
        let run: Handler = Arc::new(move |call| {
            let answer = run(state.clone(), call);
            Box::pin(async move { answer.await.unwrap_or_else(Into::into) })
        });
        Self { method, kind, run }
    }
}

/// Everything that answers under one path, and how the path's dialect says no.
#[derive(Clone)]
pub struct Route {
    /// The exact path; no parameters, since decoding them is where frameworks differ.
    pub path: String,
    /// Methods for the `Allow` header.
    pub allow: String,
    /// Largest accepted body in bytes.
    pub body_limit: usize,
    /// One for each method.
    pub endpoints: Vec<Endpoint>,
    /// Name of the dialect.
    pub dialect: &'static str,
    pub errors: ErrorRenderer,
}

impl Route {
    /// The endpoint that serves `method`; `GET` serves `HEAD` as well.
    pub fn endpoint(&self, method: &Method) -> Option<&Endpoint> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.endpoints.iter().find(|endpoint| endpoint.method == *wanted)
    }
}

/// How a dialect says no to what never reaches an endpoint, or never came back from one.
#[derive(Clone)]
pub enum ErrorRenderer {
    /// The same to everybody.
    Fixed(fn(&CommonError) -> Response<Bytes>),
    /// To people, in a language that the head of their request asks for.
    Localized(Arc<LocalizedRenderer>),
}

/// What says no to a person.
pub type LocalizedRenderer = dyn Fn(&CommonError, &HeaderMap) -> Response<Bytes> + Send + Sync;

impl ErrorRenderer {
    /// The dialect's bytes.
    pub fn render(&self, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
        match self {
            Self::Fixed(render) => render(error),
            Self::Localized(render) => render(error, headers),
        }
    }
}

/// One API dialect: its rows, its envelope, its mails and its document.
pub struct Dialect {
    /// Name in settings, stores and logs.
    pub name: &'static str,
    /// Path prefixes whose unknown paths are answered in this dialect's envelope; the longest wins.
    pub owns: Vec<String>,
    /// Whether the real server takes any case and a trailing slash (dialects.md 1.1, 4.1).
    pub lenient: bool,
    /// The envelope of everything that never reaches an endpoint.
    pub errors: ErrorRenderer,
    /// The rows: path and endpoints.
    pub rows: Vec<(String, Vec<Endpoint>)>,
    /// What the worker mails, for dialects that mail.
    pub policies: Option<IssuePolicies>,
    /// The dialect's own document, path keys and operation ids as its publisher has them.
    pub document: OpenApi,
    /// What the document's path keys lack of the served paths: its publisher's server URL has a path.
    pub document_base: String,
    /// How its secrets come to our own page.
    pub redemptions: Vec<Redemption>,
    /// What a chooser needs to know beyond all that; our own paths are not to be chosen.
    pub traits: Option<Traits>,
    /// How a client speaks it; `None` for rows that people and operators use.
    pub client: Option<Client>,
}
