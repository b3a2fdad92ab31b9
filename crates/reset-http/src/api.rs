//! The framework-independent half of every HTTP front-end: route tables in, responses out.
//!
//! Everything visible on the wire is decided once, here or in the modules that this one calls: statuses, bodies,
//! headers, each dialect's 404, 405, 413 and 415, CORS, and the responses to timeouts and panics. Everything else
//! (matching, extraction, body limits while reading, listening, shutdown) belongs to the web framework.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use ipnet::IpNet;
use reset_core::{Resets, job::Reference};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{
    ServeOptions,
    bearer::BearerToken,
    client_ip::TrustedProxies,
    common_error::{BodyError, CommonError},
    cors,
    forwarded_notice::ForwardedNotice,
    observer::{Answered, Observer},
    peer::Peer,
    problem,
    rate_limit::{LimitClass, RateLimiter},
    route::{Call, Caller, Dialect, Endpoint, EndpointKind, ErrorRenderer, Route},
    shadow::Shadow,
    upstream::UpstreamOptions,
};

/// Timeout for one handler. The slowest legitimate request waits up to 5 s for a hashing thread, and then for a
/// commit.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum size of a request head in bytes, counted without optional whitespace (R40). The listener of each server
/// enforces it.
pub const HEAD_MAX: usize = 16 * 1024;

/// Response header with the reference of a reset request, for support and for the `trace` command.
pub const REFERENCE: HeaderName = HeaderName::from_static("x-reset-reference");

/// Content security policy of every response that is not a hosted page: the browser may load nothing.
const DENY_ALL: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// The routes of all dialects, ready to be served. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    resets: Resets,
    routes: Vec<Arc<Route>>,
    owners: Vec<Owner>,
    lenient: Vec<(String, Arc<Route>)>,
    cors_origins: Vec<HeaderValue>,
    body_limit: usize,
    proxies: TrustedProxies,
    own_servers: Vec<IpNet>,
    limiter: Option<Arc<RateLimiter>>,
    client_connections: Option<usize>,
    forwarded_notice: ForwardedNotice,
    observer: Option<Arc<dyn Observer>>,
    token: Option<BearerToken>,
    pub(crate) upstream: Option<UpstreamOptions>,
    pub(crate) shadow: Option<Arc<Shadow>>,
}

/// A path prefix, and the error renderer of the dialect that answers unknown paths below it.
struct Owner {
    prefix: String,
    errors: ErrorRenderer,
}

impl Api {
    /// Builds the routes of `dialects` on top of the use cases in `resets`.
    pub fn new(resets: Resets, dialects: Vec<Dialect>, options: ServeOptions) -> Self {
        let (mut routes, mut owners, mut lenient) = (Vec::new(), Vec::new(), Vec::new());
        for dialect in dialects {
            for prefix in &dialect.owns {
                owners.push(Owner { prefix: prefix.clone(), errors: dialect.errors_of(prefix).clone() });
            }
            for (path, endpoints) in &dialect.rows {
                let (path, mut endpoints) = (path.clone(), endpoints.clone());
                let allow = cors::allow(&endpoints);
                endpoints.push(cors::preflight(&allow, &options.cors_headers));
                let (body_limit, name) = (options.body_limit, dialect.name);
                let errors = dialect.errors_of(&path).clone();
                let credentials = dialect.credentials;
                let route = Arc::new(Route {
                    path,
                    allow,
                    body_limit,
                    endpoints,
                    dialect: name,
                    errors,
                    credentials,
                });
                if dialect.lenient {
                    lenient.push((route.path.to_ascii_lowercase(), route.clone()));
                }
                routes.push(route);
            }
        }
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.prefix.len()));
        let ServeOptions {
            body_limit,
            cors_origins,
            cors_headers: _,
            proxies,
            own_servers,
            client_limits,
            client_connections,
            shared,
            observer,
            token,
            upstream,
            shadow,
        } = options;
        let limiter =
            client_limits.map(|limits| RateLimiter::new(limits, resets.adapters().clock.clone(), shared));
        let inner = Inner {
            resets,
            routes,
            owners,
            lenient,
            cors_origins,
            body_limit,
            proxies,
            own_servers,
            limiter,
            client_connections,
            forwarded_notice: ForwardedNotice::default(),
            observer,
            token,
            upstream,
            shadow,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the routes to register with the web framework.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.inner.routes
    }

    /// Returns the maximum body size in bytes, for requests that match no route.
    pub fn body_limit(&self) -> usize {
        self.inner.body_limit
    }

    /// Returns the proxies whose forwarding headers are trusted.
    pub fn proxies(&self) -> &TrustedProxies {
        &self.inner.proxies
    }

    /// Returns whether a peer or client is one of the deployment's own servers.
    pub fn is_own_server(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.inner.own_servers.iter().any(|network| network.contains(&address))
    }

    /// Returns the networks whose peers have no limit of connections: trusted proxies and the deployment's own servers.
    pub fn unlimited_peers(&self) -> Vec<IpNet> {
        [&*self.inner.proxies.networks, &*self.inner.own_servers].concat()
    }

    /// Returns the maximum number of concurrent connections per client, if there is one.
    pub fn client_connections(&self) -> Option<usize> {
        self.inner.client_connections
    }

    /// Returns the receiver of responses and connection events, if there is one.
    pub fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.inner.observer.as_ref()
    }

    /// Answers a request that the HTTP front-end matched to `endpoint` of `route`.
    pub async fn answer(
        &self,
        route: &Route,
        endpoint: &Endpoint,
        request: Request<Result<Bytes, BodyError>>,
    ) -> Response<Bytes> {
        if let Some(response) = self.unauthorized(request.headers()) {
            return response;
        }
        let (begun, (parts, body)) = (Instant::now(), request.into_parts());
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let is_trigger = endpoint.kind == EndpointKind::Trigger;
        let reference = if is_trigger { self.inner.resets.reference() } else { Reference::stored("") };
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let body = match body {
            Ok(body) if !endpoint.media.allow(content_type, &body) => {
                let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
                Err(CommonError::UnsupportedMediaType { content_type: content_type.to_owned() })
            }
            body => body.map_err(CommonError::from),
        };
        let mut response = match body {
            Ok(body) => {
                let peer = parts.extensions.get::<Peer>().copied();
                self.notice_untrusted_proxy(peer, &parts.headers);
                let client = match self.inner.proxies.client(peer, &parts.headers) {
                    Some(address) if self.is_own_server(address) => Caller::OwnServer,
                    Some(address) => Caller::Client(address),
                    None => Caller::Unknown,
                };
                let request = Request::from_parts(parts, body);
                let (resets, api) = (self.inner.resets.clone(), self.clone());
                self.run(route, endpoint, Call { resets, request, reference: reference.clone(), client, api })
                    .await
            }
            Err(error) => route.errors.render(&error, &parts.headers),
        };
        if is_trigger {
            let reference = HeaderValue::from_str(reference.as_str()).expect("a reference is ASCII");
            response.headers_mut().insert(REFERENCE, reference);
        }
        let matched = Some((route, Some(&endpoint.method)));
        self.observe(matched, response.status(), begun.elapsed());
        let mut response = self.finish(origin.as_ref(), response);
        if route.credentials {
            cors::allow_credentials(response.headers_mut());
        }
        response
    }

    /// Runs the endpoint. A reset request counts against the client's rate limit if the response is a success or a
    /// 404; malformed requests and internal errors do not count.
    async fn run(&self, route: &Route, endpoint: &Endpoint, call: Call) -> Response<Bytes> {
        let is_trigger = endpoint.kind == EndpointKind::Trigger;
        let permit = if is_trigger { Some(call.acquire(LimitClass::ResetRequest).await) } else { None };
        let permit = match permit.transpose() {
            Ok(permit) => permit,
            Err(error) => return route.errors.render(&error, &HeaderMap::new()),
        };
        let handler = AssertUnwindSafe((endpoint.run)(call)).catch_unwind();
        let response = match tokio::time::timeout(TIMEOUT, handler).await {
            Ok(Ok(response)) => response,
            // The panic payload is not logged: it may contain a secret (R70).
            Ok(Err(_)) => failure(route, "request handler panicked, responded with 500"),
            Err(_) => failure(route, "request handler exceeded its timeout, responded with 500"),
        };
        let counted = response.status().is_success() || response.status() == StatusCode::NOT_FOUND;
        if let Some(permit) = permit.filter(|_| !counted) {
            permit.give_back();
        }
        response
    }

    /// Answers a request whose path matches `route` but whose method does not: 405 with `Allow`.
    pub fn wrong_method(&self, route: &Route, method: &Method, headers: &HeaderMap) -> Response<Bytes> {
        if let Some(response) = self.unauthorized(headers) {
            return response;
        }
        let error = CommonError::MethodNotAllowed { method: method.to_string() };
        let mut response = route.errors.render(&error, headers);
        let allow = HeaderValue::from_str(&route.allow).expect("method names are ASCII");
        response.headers_mut().insert(header::ALLOW, allow);
        self.observe(Some((route, None)), response.status(), Duration::ZERO);
        self.finish(headers.get(header::ORIGIN), response)
    }

    /// Answers a request that matched no route.
    ///
    /// First matches again ignoring case and one trailing slash, for dialects whose original server accepts both.
    /// Otherwise returns the 404 of the dialect that owns the longest matching prefix.
    pub async fn fallback(&self, request: Request<Result<Bytes, BodyError>>) -> Response<Bytes> {
        if let Some(response) = self.unauthorized(request.headers()) {
            return response;
        }
        let path = request.uri().path();
        if let Some(route) = self.lenient_route(path).cloned() {
            return match route.endpoint(request.method()) {
                Some(endpoint) => self.answer(&route, endpoint, request).await,
                None => self.wrong_method(&route, request.method(), request.headers()),
            };
        }
        let owner = self.inner.owners.iter().find(|owner| owns(&owner.prefix, path));
        let response = match owner {
            Some(owner) => {
                let query = request.uri().query().map(ToOwned::to_owned);
                // The target of `CONNECT` has no path, but web frameworks report `/`.
                let path = if *request.method() == Method::CONNECT { "" } else { path };
                let error = CommonError::NotFound { path: path.to_owned(), query };
                owner.errors.render(&error, request.headers())
            }
            None => crate::wire::reply(StatusCode::NOT_FOUND, crate::wire::JSON, Bytes::new()),
        };
        self.observe(None, response.status(), Duration::ZERO);
        self.finish(request.headers().get(header::ORIGIN), response)
    }

    /// Returns the route of a path, exactly or as a lenient dialect matches it.
    pub(crate) fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes().iter().find(|route| route.path == path).or_else(|| self.lenient_route(path))
    }

    fn lenient_route(&self, path: &str) -> Option<&Arc<Route>> {
        let folded = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
        self.inner.lenient.iter().find(|(known, _)| *known == folded).map(|(_, route)| route)
    }

    /// Returns the rate limiter, or `None` if clients are not limited.
    pub fn rate_limiter(&self) -> Option<&Arc<RateLimiter>> {
        self.inner.limiter.as_ref()
    }

    /// Answers a request that this process built itself, as if it had arrived over the network.
    pub async fn perform(&self, request: Request<Bytes>) -> Response<Bytes> {
        let route = self.inner.routes.iter().find(|route| route.path == request.uri().path());
        match route.and_then(|route| Some((route, route.endpoint(request.method())?))) {
            Some((route, endpoint)) => self.answer(route, endpoint, request.map(Ok)).await,
            None => self.fallback(request.map(Ok)).await,
        }
    }

    /// Returns the 401 for a request without the token, if these routes require one.
    fn unauthorized(&self, headers: &HeaderMap) -> Option<Response<Bytes>> {
        if self.inner.token.as_ref().is_none_or(|token| token.is_in(headers)) {
            return None;
        }
        Some(self.finish(headers.get(header::ORIGIN), problem::unauthorized()))
    }

    /// Logs once that a peer which is no trusted proxy sends forwarding headers, if clients are limited by their address.
    fn notice_untrusted_proxy(&self, peer: Option<Peer>, headers: &HeaderMap) {
        let own = peer.is_some_and(|Peer(address)| self.is_own_server(address));
        if self.inner.limiter.is_none() || own {
            return;
        }
        if let Some(sentence) = self.inner.forwarded_notice.of(&self.inner.proxies, peer, headers) {
            warn!("{sentence}");
        }
    }

    /// Reports a response to the observer, if there is one.
    fn observe(&self, matched: Option<(&Route, Option<&Method>)>, status: StatusCode, took: Duration) {
        let Some(observer) = &self.inner.observer else { return };
        let (dialect, route) = matched.map_or(("", ""), |(route, _)| (route.dialect, route.path.as_str()));
        let method = matched.and_then(|(_, method)| method);
        observer.answered(Answered { dialect, route, method, status, took });
    }

    /// Adds the headers that every response carries.
    pub(crate) fn finish(
        &self,
        origin: Option<&HeaderValue>,
        mut response: Response<Bytes>,
    ) -> Response<Bytes> {
        let length = response.body().len().into();
        let headers = response.headers_mut();
        // Set explicitly: some web frameworks drop it from the empty response to a HEAD request.
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Hosted pages set their own policy. If a browser renders any other response, it must load nothing (R35).
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(DENY_ALL);
        cors::allow_origin(&self.inner.cors_origins, origin, headers);
        response
    }
}

/// Logs `message` and returns the dialect's 500.
fn failure(route: &Route, message: &str) -> Response<Bytes> {
    error!(dialect.name = route.dialect, http.route = route.path, "{message}");
    // The failed handler owned the request headers, so the page is in the deployment's default language.
    route.errors.render(&CommonError::Failure, &HeaderMap::new())
}

/// Returns whether `path` is `prefix` or lies below it.
fn owns(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.is_empty() || rest.starts_with('/'))
}
