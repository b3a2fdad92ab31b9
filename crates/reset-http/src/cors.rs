//! CORS: which scripts of other origins may call the API, and what they may send and read.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::route::{Call, Endpoint, EndpointKind};

/// Response headers that scripts of other origins may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-reset-reference, retry-after");

/// How many seconds a browser may remember the response to a preflight request.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("3600");

/// Request headers that scripts of allowed origins may set by default: those of the dialects, and those that common HTTP
/// and tracing libraries add to every request.
pub const CORS_HEADERS: [&str; 8] = [
    "content-type",
    "authorization",
    "x-requested-with",
    "x-xsrf-token",
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
];

/// Adds the headers for a request of `origin`, if it is one of `allowed`.
pub(crate) fn allow_origin(allowed: &[HeaderValue], origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if allowed.is_empty() {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.filter(|origin| allowed.contains(origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Lets the allowed origin, if there is one, send credentials.
pub(crate) fn allow_credentials(headers: &mut HeaderMap) {
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// Returns the `Allow` header of a path: its methods, `HEAD` after `GET`, and `OPTIONS`.
pub(crate) fn allow(endpoints: &[Endpoint]) -> String {
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

/// Returns the `OPTIONS` endpoint of a path. It lists the allowed methods and headers; [`allow_origin`] adds the
/// allowed origin.
pub(crate) fn preflight(allow: &str, headers: &[HeaderName]) -> Endpoint {
    let text = |text: &str| HeaderValue::from_str(text).expect("names of methods and headers are ASCII");
    let names: Vec<&str> = headers.iter().map(HeaderName::as_str).collect();
    let allowed = Arc::new((text(allow), text(&names.join(", "))));
    let answer = async |allowed: Arc<(HeaderValue, HeaderValue)>, _: Call| {
        let (methods, names) = (allowed.0.clone(), allowed.1.clone());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, methods.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
        Ok::<_, Response<Bytes>>(response)
    };
    Endpoint::new(Method::OPTIONS, EndpointKind::Read, &allowed, answer)
}
