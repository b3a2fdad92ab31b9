//! CORS as the back end decides it (`cors_origins = "upstream"`): a preflight to the back end says which headers a response
//! of polyreset gets. The preflights of clients are passed on like any other request.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    Method, Request,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, HeaderValue, ORIGIN,
    },
};
use reset_http::api::REFERENCE;

use super::{OutgoingBody, Upstream, Work, body::Progress, full};
use crate::RequestBody;

impl Upstream {
    /// Returns the preflight that asks the back end about a request of a client. `None` if polyreset decides, or if the
    /// client is no browser that calls from another origin.
    pub(super) fn preflight(&self, request: &Request<RequestBody>) -> Option<Request<OutgoingBody>> {
        let origin = request.headers().get(ORIGIN).filter(|_| self.options.cors)?;
        let method = HeaderValue::from_str(request.method().as_str()).ok()?;
        let mut parts = Request::new(()).into_parts().0;
        parts.method = Method::OPTIONS;
        parts.uri = request.uri().clone();
        parts.version = request.version();
        parts.extensions = request.extensions().clone();
        parts.headers.insert(ORIGIN, origin.clone());
        parts.headers.insert(ACCESS_CONTROL_REQUEST_METHOD, method);
        parts.headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("content-type"));
        if let Some(host) = request.headers().get(HOST) {
            parts.headers.insert(HOST, host.clone());
        }
        self.outgoing(&parts, full(Bytes::new())).ok()
    }

    /// Returns the headers that the back end answers the preflight with. Without an answer, the browser keeps the response
    /// from its page.
    pub(super) fn cors_headers(self: &Arc<Self>, preflight: Request<OutgoingBody>) -> Work<HeaderMap> {
        let upstream = self.clone();
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            let answer = match upstream.exchange(preflight, &Progress::new()).await {
                Ok(answer) => answer,
                Err(failure) => {
                    drop(upstream.failed(failure));
                    return headers;
                }
            };
            for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS] {
                if let Some(value) = answer.headers().get(&name) {
                    headers.insert(name, value.clone());
                }
            }
            if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, REFERENCE.into());
            }
            headers
        })
    }
}
