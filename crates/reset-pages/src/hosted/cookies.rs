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

/// Returns the prefix of the names of cookies with this path. A browser accepts a cookie with such a name over https only,
/// and one with `__Host-` from this host only, so that neither a network attacker nor a neighbouring host can plant one
/// (RFC 6265bis, 4.1.3). `__Host-` requires the path `/`. Over http, which is allowed on loopback, browsers accept neither.
pub(super) fn prefix(secure: bool, path: &str) -> &'static str {
    match (secure, path) {
        (false, _) => "",
        (true, "/") => "__Host-",
        (true, _) => "__Secure-",
    }
}

/// Whether `text` has the format of a tag and can therefore be part of a cookie name.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
