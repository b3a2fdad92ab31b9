//! Settings of the back end that answers everything which is not polyreset's.

use std::time::Duration;

use anyhow::{Result, bail};
use http::Uri;
use reset_http::upstream::{UpstreamHost, UpstreamOptions};
use reset_settings::Values;
use url::Url;

use super::keys;

/// The one word in `cors_origins` that leaves CORS to the back end.
const FROM_UPSTREAM: &str = "upstream";
/// Maximum of both timeouts.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// Whether `cors_origins` leaves CORS to the back end.
pub(super) fn decides_cors(origins: &[String]) -> bool {
    origins.len() == 1 && origins[0] == FROM_UPSTREAM
}

/// Reads the settings of the back end; `None` without `upstream_url`.
pub(super) fn read(values: &Values) -> Result<Option<UpstreamOptions>> {
    // Read them even without a back end, so that a mistake shows at once.
    let connect_timeout = values.duration(&keys::UPSTREAM_CONNECT_TIMEOUT, TIMEOUT_MAX)?;
    let timeout = values.duration(&keys::UPSTREAM_TIMEOUT, TIMEOUT_MAX)?;
    let host = match values.choice(&keys::UPSTREAM_HOST)? {
        "upstream" => UpstreamHost::Upstream,
        _ => UpstreamHost::Request,
    };
    let cors = decides_cors(&values.list(&keys::CORS_ORIGINS));
    let Some(text) = values.given_text(&keys::UPSTREAM_URL)? else {
        if cors {
            bail!("cors_origins is upstream, but there is no back end to decide: set upstream_url");
        }
        return Ok(None);
    };
    let expected =
        "an http or https URL without user, path, query or fragment, such as http://127.0.0.1:1337";
    let origin = origin(&text).ok_or_else(|| values.bad(&keys::UPSTREAM_URL, expected))?;
    Ok(Some(UpstreamOptions { origin, host, cors, connect_timeout, timeout }))
}

/// Whether the back end answers the dialects' operations, and polyreset only compares.
pub(super) fn is_shadowed(values: &Values, upstream: Option<&UpstreamOptions>) -> Result<bool> {
    let is_shadowed = values.choice(&keys::UPSTREAM_MODE)? == "shadow";
    if is_shadowed && upstream.is_none() {
        bail!("upstream_mode is shadow, but there is no back end to compare with: set upstream_url");
    }
    Ok(is_shadowed)
}

/// Parses a URL that consists of scheme, host and port.
fn origin(text: &str) -> Option<Uri> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    // The parser silently repairs backslashes, tabs and missing slashes: such a URL is rejected instead.
    let as_written =
        text.strip_suffix('/').unwrap_or(text).eq_ignore_ascii_case(&url.origin().ascii_serialization());
    let with_default_port = [":80", ":443"].iter().any(|port| text.trim_end_matches('/').ends_with(port));
    (bare && (as_written || with_default_port)).then(|| url.origin().ascii_serialization().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_end_is_an_origin_and_nothing_else() {
        for (text, expected) in [
            ("http://127.0.0.1:1337", "http://127.0.0.1:1337/"),
            ("http://strapi:1337/", "http://strapi:1337/"),
            ("https://API.example.com", "https://api.example.com/"),
            ("https://api.example.com:443", "https://api.example.com/"),
            ("http://[::1]:1337", "http://[::1]:1337/"),
        ] {
            assert_eq!(origin(text).map(|uri| uri.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:1337",
            "ftp://api.example.com",
            "http://ann@api.example.com",
            "http://ann:secret@api.example.com",
            "https://api.example.com/base",
            "https://api.example.com?x",
            "https://api.example.com#x",
            r"https:\\api.example.com",
            "https:api.example.com",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
