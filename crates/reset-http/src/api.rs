//! The neutral half of every front-end: rows in, answers out.
//!
//! Whatever is visible on the wire is decided here or below, once: statuses, bodies, headers, the 404, 405,
//! 413 and 415 of each dialect, CORS, time-outs and panics turned into answers. What is invisible on the wire
//! (matching, extraction, limits while reading, listening, shutdown) is each framework's own.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use reset_core::{Resets, job::Reference};
use tokio::time::Instant;
use tracing::error;

use crate::{
    body::declares_json,
    client_ip::TrustedProxies,
    common_error::{BodyError, CommonError},
    observer::{Answered, Observer},
    peer::Peer,
    rate_limit::{ClientLimits, LimitClass, RateLimiter, SharedCounters},
    route::{Call, Dialect, Endpoint, EndpointKind, ErrorRenderer, Route},
};

/// Longest time for one answer. The slowest honest one waits for a hashing thread (5 s) and a commit.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest head of a request in bytes, written without spare white space (R40). Each server measures.
pub const HEAD_MAX: usize = 16 * 1024;

/// Header that carries a trigger's reference (interface.md, Answers).
pub const REFERENCE: HeaderName = HeaderName::from_static("x-reset-reference");

/// What an answer that is no page may do in a browser.
const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// The rows of every dialect, ready to be served. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    resets: Resets,
    routes: Vec<Arc<Route>>,
    owners: Vec<Owner>,
    lenient: Vec<(String, Arc<Route>)>,
    cors_origins: Vec<HeaderValue>,
    body_limit: usize,
    proxies: TrustedProxies,
    limiter: Option<Arc<RateLimiter>>,
    observer: Option<Arc<dyn Observer>>,
}

/// Which dialect answers for unknown paths under a prefix.
struct Owner {
    prefix: String,
    errors: ErrorRenderer,
}

/// How the rows are served.
#[derive(Clone)]
pub struct ServeOptions {
    /// Largest accepted body in bytes. Default 64 KiB (interface.md).
    pub body_limit: usize,
    /// Origins whose pages may call. Default none.
    pub cors_origins: Vec<HeaderValue>,
    /// Who is believed about a client's address. Default nobody.
    pub proxies: TrustedProxies,
    /// How much one client may do. `None`, the default here and not of a deployment, limits nobody.
    pub client_limits: Option<ClientLimits>,
    /// Where replicas count clients together. Default each process for itself.
    pub shared: Option<SharedCounters>,
    /// Who counts answers. Default nobody.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            body_limit: 64 * 1024,
            cors_origins: Vec::new(),
            proxies: TrustedProxies::default(),
            client_limits: None,
            shared: None,
            observer: None,
        }
    }
}

impl Api {
    /// Lays the rows of `dialects` out over the use cases.
    pub fn new(resets: Resets, dialects: Vec<Dialect>, options: ServeOptions) -> Self {
        let (mut routes, mut owners, mut lenient) = (Vec::new(), Vec::new(), Vec::new());
        for dialect in dialects {
            let errors = &dialect.errors;
            owners.extend(dialect.owns.into_iter().map(|prefix| Owner { prefix, errors: errors.clone() }));
            for (path, mut endpoints) in dialect.rows {
                let allow = allow(&endpoints);
                endpoints.push(preflight(&allow));
                let (body_limit, name, errors) = (options.body_limit, dialect.name, dialect.errors.clone());
                let route = Arc::new(Route { path, allow, body_limit, endpoints, dialect: name, errors });
                if dialect.lenient {
                    lenient.push((route.path.to_ascii_lowercase(), route.clone()));
                }
                routes.push(route);
            }
        }
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.prefix.len()));
        let ServeOptions { body_limit, cors_origins, proxies, client_limits, shared, observer } = options;
        let limiter =
            client_limits.map(|limits| RateLimiter::new(limits, resets.adapters().clock.clone(), shared));
        let inner =
            Inner { resets, routes, owners, lenient, cors_origins, body_limit, proxies, limiter, observer };
        Self { inner: Arc::new(inner) }
    }

    /// The rows to register.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.inner.routes
    }

    /// Largest accepted body in bytes, for paths that match no row.
    pub fn body_limit(&self) -> usize {
        self.inner.body_limit
    }

    /// Answers a request that the front-end matched to `endpoint` of `route`.
    pub async fn answer(
        &self,
        route: &Route,
        endpoint: &Endpoint,
        request: Request<Result<Bytes, BodyError>>,
    ) -> Response<Bytes> {
        let (begun, (parts, body)) = (Instant::now(), request.into_parts());
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let triggers = endpoint.kind == EndpointKind::Trigger;
        let reference = if triggers { self.inner.resets.reference() } else { Reference::stored("") };
        let body = match body {
            Ok(_)
                if matches!(endpoint.kind, EndpointKind::Trigger | EndpointKind::Json)
                    && !declares_json(parts.headers.get(header::CONTENT_TYPE)) =>
            {
                Err(CommonError::NotJson)
            }
            body => body.map_err(CommonError::from),
        };
        let mut response = match body {
            Ok(body) => {
                let client =
                    self.inner.proxies.client(parts.extensions.get::<Peer>().copied(), &parts.headers);
                let request = Request::from_parts(parts, body);
                let (resets, api) = (self.inner.resets.clone(), self.clone());
                self.run(route, endpoint, Call { resets, request, reference: reference.clone(), client, api })
                    .await
            }
            Err(error) => route.errors.render(&error, &parts.headers),
        };
        if triggers {
            let reference = HeaderValue::from_str(reference.as_str()).expect("a reference is plain ASCII");
            response.headers_mut().insert(REFERENCE, reference);
        }
        let row = Some((route, Some(&endpoint.method)));
        self.observe(row, response.status(), begun.elapsed());
        self.finish(origin.as_ref(), response)
    }

    /// Runs the endpoint. A trigger is counted, unless it came to nothing for a fault of its form, or of ours.
    async fn run(&self, route: &Route, endpoint: &Endpoint, call: Call) -> Response<Bytes> {
        let asks = endpoint.kind == EndpointKind::Trigger;
        let permit = if asks { Some(call.acquire(LimitClass::ResetRequest).await) } else { None };
        let permit = match permit.transpose() {
            Ok(permit) => permit,
            Err(error) => return route.errors.render(&error, &HeaderMap::new()),
        };
        let answer = AssertUnwindSafe((endpoint.run)(call)).catch_unwind();
        let response = match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(Ok(response)) => response,
            // What was thrown may hold a secret, so it is not looked at (R70).
            Ok(Err(_)) => failure(route, "a handler panicked"),
            Err(_) => failure(route, "a handler took too long"),
        };
        let counts = response.status().is_success() || response.status() == StatusCode::NOT_FOUND;
        if let Some(permit) = permit.filter(|_| !counts) {
            permit.give_back();
        }
        response
    }

    /// Answers a request for a path of ours with a method that it does not have.
    pub fn wrong_method(&self, route: &Route, headers: &HeaderMap) -> Response<Bytes> {
        let mut response = route.errors.render(&CommonError::MethodNotAllowed, headers);
        let allow = HeaderValue::from_str(&route.allow).expect("method names are plain ASCII");
        response.headers_mut().insert(header::ALLOW, allow);
        self.observe(Some((route, None)), response.status(), Duration::ZERO);
        self.finish(headers.get(header::ORIGIN), response)
    }

    /// Answers a request that matched no row: once more leniently, where a dialect's real server takes any
    /// case and a trailing slash, and else with the 404 of the dialect that owns the longest prefix.
    pub async fn fallback(&self, request: Request<Result<Bytes, BodyError>>) -> Response<Bytes> {
        let path = request.uri().path();
        let folded = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
        if let Some((_, route)) = self.inner.lenient.iter().find(|(known, _)| *known == folded) {
            let route = route.clone();
            return match route.endpoint(request.method()) {
                Some(endpoint) => self.answer(&route, endpoint, request).await,
                None => self.wrong_method(&route, request.headers()),
            };
        }
        let owner = self.inner.owners.iter().find(|owner| owns(&owner.prefix, path));
        let response = match owner {
            Some(owner) => {
                owner.errors.render(&CommonError::NotFound { path: path.to_owned() }, request.headers())
            }
            None => crate::wire::reply(StatusCode::NOT_FOUND, crate::wire::JSON, Bytes::new()),
        };
        self.observe(None, response.status(), Duration::ZERO);
        self.finish(request.headers().get(header::ORIGIN), response)
    }

    /// Who counts clients, where they are limited.
    pub fn rate_limiter(&self) -> Option<&Arc<RateLimiter>> {
        self.inner.limiter.as_ref()
    }

    /// Answers a request of our own making as if it had come over the wire.
    pub async fn perform(&self, request: Request<Bytes>) -> Response<Bytes> {
        let row = self.inner.routes.iter().find(|route| route.path == request.uri().path());
        match row.and_then(|route| Some((route, route.endpoint(request.method())?))) {
            Some((route, endpoint)) => self.answer(route, endpoint, request.map(Ok)).await,
            None => self.fallback(request.map(Ok)).await,
        }
    }

    /// Has an answer counted, where somebody counts.
    fn observe(&self, row: Option<(&Route, Option<&Method>)>, status: StatusCode, took: Duration) {
        let Some(observer) = &self.inner.observer else { return };
        let (dialect, route) = row.map_or(("", ""), |(route, _)| (route.dialect, route.path.as_str()));
        let method = row.and_then(|(_, method)| method);
        observer.answered(Answered { dialect, route, method, status, took });
    }

    /// What every answer carries.
    fn finish(&self, origin: Option<&HeaderValue>, mut response: Response<Bytes>) -> Response<Bytes> {
        let length = response.body().len().into();
        let headers = response.headers_mut();
        // Pinned, since some servers drop it from the bodiless answer to a HEAD.
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // A page of ours has its own; anything else that a browser is made to show shall do nothing (R35).
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
        if !self.inner.cors_origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            if let Some(origin) = origin.filter(|origin| self.inner.cors_origins.contains(origin)) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, REFERENCE.into());
            }
        }
        response
    }
}

fn failure(route: &Route, what: &str) -> Response<Bytes> {
    error!(dialect.name = route.dialect, http.route = route.path, "{what}");
    // In the deployment's own language: what broke down had the head of the request.
    route.errors.render(&CommonError::Failure, &HeaderMap::new())
}

/// Whether `path` is `prefix` or lies below it.
fn owns(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.is_empty() || rest.starts_with('/'))
}

/// The `Allow` header of a path: its methods, `HEAD` beside `GET`, and `OPTIONS`.
fn allow(endpoints: &[Endpoint]) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for endpoint in endpoints {
        methods.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// `OPTIONS` is a row like any other: it says what is allowed, and `finish` says to whom.
fn preflight(allow: &str) -> Endpoint {
    let allow = Arc::new(HeaderValue::from_str(allow).expect("method names are plain ASCII"));
    Endpoint::new(Method::OPTIONS, EndpointKind::Read, &allow, async |allow: Arc<HeaderValue>, _: Call| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::clone(&allow));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::clone(&allow));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, authorization"),
        );
        Ok::<_, Response<Bytes>>(response)
    })
}
