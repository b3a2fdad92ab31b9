//! Helpers for HTML responses.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};

use reset_http::wire::reply;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Builds an HTML response with this Content-Security-Policy.
pub(crate) fn page(status: StatusCode, html: impl Into<Bytes>, policy: &HeaderValue) -> Response<Bytes> {
    let mut response = reply(status, HTML, html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    response
}

/// Returns the hash source of an inline style sheet or script, `'sha256-…'`, for a Content-Security-Policy.
pub(crate) fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// Returns a text as a `data:` URL of this media type.
pub(crate) fn data_url(media: &str, text: &str) -> String {
    format!("data:{media};base64,{}", BASE64_STANDARD.encode(text))
}
