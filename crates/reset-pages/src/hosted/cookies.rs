//! The cookies of a request.

use http::{HeaderMap, header};

/// Returns the value of a cookie. If several cookies have this name, the first one counts.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Returns the cookies of a request as pairs of name and value.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// Whether `text` has the format of a tag and can therefore be part of a cookie name.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
