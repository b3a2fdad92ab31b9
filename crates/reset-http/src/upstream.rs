//! The back end behind polyreset, which answers every request that is not one of polyreset's rows.
//!
//! This module decides who answers a request; `reset-listen` passes it on. The decision is made on the raw path, because a
//! row is matched on the raw path. A back end is often more tolerant: it may decode `%2D`, merge slashes or ignore case, and
//! would then answer an operation that polyreset has taken over, without its limits and its equal responses for unknown
//! addresses. Such requests are therefore not passed on ([`Api::answerer`]).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    api::Api,
    observer::Answered,
    problem,
    route::{EndpointKind, Route},
    shadow::Shadow,
};

/// How often a path is decoded before it is compared: by the back end, and by proxies before it.
const DECODINGS: usize = 3;

/// The back end, and how requests are passed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Scheme and authority of the back end.
    pub origin: Uri,
    /// The `Host` that the back end receives.
    pub host: UpstreamHost,
    /// Whether the back end decides on CORS, also for polyreset's rows.
    pub cors: bool,
    /// Timeout for connecting.
    pub connect_timeout: Duration,
    /// How long the back end may be silent: before its response, and within it.
    pub timeout: Duration,
}

/// The `Host` that the back end receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The one of the request, as if clients still connected to the back end.
    Request,
    /// The host and port of its URL.
    Upstream,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// One of polyreset's rows, or its 404 or 405.
    Polyreset,
    /// The back end, with the values of these keys from polyreset's row.
    Merged(&'static [&'static str]),
    /// The back end. The request is compared afterwards (shadow mode).
    Shadowed,
    /// The back end.
    Upstream,
}

impl Api {
    /// Returns the back end, if there is one.
    pub fn upstream(&self) -> Option<&UpstreamOptions> {
        self.inner.upstream.as_ref()
    }

    /// Returns the duplicate of shadow mode, if there is one.
    pub fn shadow(&self) -> Option<&Arc<Shadow>> {
        self.inner.shadow.as_ref()
    }

    /// Decides who answers a request. Always polyreset if there is no back end.
    ///
    /// A preflight belongs to the row of the method that it asks for. A request that a tolerant back end would take for one
    /// of the dialects' operations is answered here, with 404 or 405.
    pub fn answerer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answerer {
        let Some(upstream) = self.upstream() else { return Answerer::Polyreset };
        // Neither `CONNECT host:port` nor `OPTIONS *` names a resource of the back end.
        if *method == Method::CONNECT || !path.starts_with('/') {
            return Answerer::Polyreset;
        }
        if let Some(shadow) = self.shadow() {
            return shadow.answerer(method, path);
        }
        let route = self.route(path);
        if *method == Method::OPTIONS {
            return of_options(route.filter(|_| !upstream.cors), headers);
        }
        match route.and_then(|route| route.endpoint(method)) {
            Some(endpoint) if endpoint.merged_keys.is_empty() => Answerer::Polyreset,
            Some(endpoint) => Answerer::Merged(endpoint.merged_keys),
            None if self.resembles_operation(method, path) => Answerer::Polyreset,
            None => Answerer::Upstream,
        }
    }

    /// Whether a tolerant back end might take the request for an operation of a dialect that changes something.
    fn resembles_operation(&self, method: &Method, path: &str) -> bool {
        if method.is_safe() {
            return false;
        }
        let folded = folded(path);
        self.routes().iter().any(|route| {
            let is_operation = route.endpoints.iter().any(|endpoint| {
                matches!(endpoint.kind, EndpointKind::Trigger | EndpointKind::Json)
                    && endpoint.method.as_str().eq_ignore_ascii_case(method.as_str())
            });
            is_operation && route.path.trim_matches('/').eq_ignore_ascii_case(&folded)
        })
    }

    /// Builds the response for a request that the back end did not answer.
    pub fn gateway_error(&self, status: StatusCode) -> Response<Bytes> {
        self.finish(None, problem::gateway(status))
    }

    /// Reports a response of the back end, or of [`Api::gateway_error`], to the observer.
    pub fn observe_passed(&self, status: StatusCode, took: Duration) {
        if let Some(observer) = self.observer() {
            observer.answered(Answered { dialect: "upstream", route: "", method: None, status, took });
        }
    }
}

/// Decides who answers an `OPTIONS` request for `route`, the route of polyreset at its path.
fn of_options(route: Option<&Arc<Route>>, headers: &HeaderMap) -> Answerer {
    let Some(route) = route else { return Answerer::Upstream };
    let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD) else { return Answerer::Polyreset };
    let asked = Method::from_bytes(asked.as_bytes()).ok();
    match asked.and_then(|asked| route.endpoint(&asked)) {
        Some(endpoint) if endpoint.merged_keys.is_empty() => Answerer::Polyreset,
        _ => Answerer::Upstream,
    }
}

/// Returns the path as a very tolerant server reads it: decoded, without empty segments, dot segments, parameters and a
/// slash at either end.
fn folded(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..DECODINGS {
        path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        let name = segment.split_once(';').map_or(segment, |(name, _)| name).trim();
        match name {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    segments.join("/")
}

/// Returns the JSON object `theirs` with the values of `keys` from the JSON object `own`. `None` if either is something else.
pub fn merged(theirs: &[u8], own: &[u8], keys: &[&str]) -> Option<Bytes> {
    let mut theirs: Map<String, Value> = serde_json::from_slice(theirs).ok()?;
    let mut own: Map<String, Value> = serde_json::from_slice(own).ok()?;
    for key in keys {
        theirs.insert((*key).to_owned(), own.remove(*key)?);
    }
    serde_json::to_vec(&theirs).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_a_tolerant_server_accepts_fold_to_the_path() {
        for path in [
            "/api/auth/reset-password",
            "/api/auth/reset-password/",
            "//api///auth/reset-password",
            "/api/./auth/x/../reset-password",
            "/api/auth/reset%2Dpassword",
            "/api/auth/reset%252Dpassword",
            "/api%2Fauth%2freset-password",
            r"/api\auth\reset-password",
            "/api/auth/reset-password;jsessionid=1",
            "/api/auth;a=b/reset-password%20",
        ] {
            assert_eq!(folded(path), "api/auth/reset-password", "{path}");
        }
        assert_eq!(folded("/../../a"), "a");
        assert_eq!(folded("/%zz/%ff"), "%zz/\u{fffd}");
    }

    #[test]
    fn merged_object_keeps_the_order_and_all_other_values_of_the_back_end() {
        let theirs = br#"{"oAuthProviders":["github"],"passwordMinLength":6,"new":null}"#;
        let own = br#"{"oAuthProviders":[],"passwordMinLength":8,"requireNumber":false}"#;
        let merged = merged(theirs, own, &["passwordMinLength", "requireNumber"]).unwrap();
        assert_eq!(
            merged,
            r#"{"oAuthProviders":["github"],"passwordMinLength":8,"new":null,"requireNumber":false}"#
        );
        assert_eq!(super::merged(b"[]", own, &[]), None);
        assert_eq!(
            super::merged(theirs, b"{}", &["passwordMinLength"]),
            None,
            "an own response without the key"
        );
    }
}
