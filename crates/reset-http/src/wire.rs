//! Helpers for responses that several dialects share.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use http::{HeaderValue, Response, StatusCode, header};
use reset_core::time::Timestamp;
use serde::Serialize;

/// `application/json`, as px0's server and Django REST Framework send it.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// `application/json; charset=utf-8`, as the original servers of worthai, Strapi and InsForge, all on Node.js, send it.
pub const JSON_UTF8: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Returns a response with `body` as compact JSON, with keys in field order.
pub fn json(status: StatusCode, content_type: HeaderValue, body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("response bodies are structs of strings and numbers");
    reply(status, content_type, body)
}

/// Returns `body` as indented JSON with a final newline, for crates that do not depend on a JSON library.
pub fn to_json_pretty(body: &impl Serialize) -> String {
    serde_json::to_string_pretty(body).expect("values are structs of strings and numbers") + "\n"
}

/// Returns a response with this status, content type and body.
pub fn reply(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Adds `Retry-After` in whole seconds, rounded up (RFC 9110, section 10.2.3).
pub fn retry_after(mut response: Response<Bytes>, wait: Duration) -> Response<Bytes> {
    response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
    response
}

/// Returns a wait in whole seconds, rounded up.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Formats a time as ISO 8601 in UTC with milliseconds and `Z`, like JavaScript's `toISOString`.
pub fn iso(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_as_in_javascript() {
        assert_eq!(iso(Timestamp::from_millis(1_767_323_045_678)), "2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let waiting = retry_after(Response::default(), Duration::from_millis(1_001));
        assert_eq!(waiting.headers()[header::RETRY_AFTER], "2");
    }
}
