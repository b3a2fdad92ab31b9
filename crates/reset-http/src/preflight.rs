//! The methods of a path: the `Allow` header, and the response to a preflight request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::route::{Call, Endpoint, EndpointKind};

/// How many seconds a browser may remember the response to a preflight request.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("3600");

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

/// Returns the `OPTIONS` endpoint of a path. It lists the allowed methods and headers; [`Api`](crate::Api) adds the
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
