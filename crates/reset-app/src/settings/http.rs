//! Settings of the HTTP side: listeners, public URL and request limits.

use anyhow::{Result, bail};
use http::{HeaderName, header::InvalidHeaderName};
use reset_listen::ListenAddress;
use url::Url;

use reset_core::keys::is_varied;
use reset_http::{BearerToken, module::page_url, upstream::UpstreamOptions};
use reset_settings::Values;
use zeroize::Zeroizing;

use super::{keys, upstream};

/// Minimum length of the token of the admin listener.
const TOKEN_MIN: usize = 16;

/// Settings of the HTTP side.
pub(crate) struct HttpSettings {
    /// Address of the listener.
    pub(crate) listen: ListenAddress,
    /// Address of the admin listener, if configured.
    pub(crate) admin_listen: Option<ListenAddress>,
    /// Token that the requests to that listener must present, if configured.
    pub(crate) admin_token: Option<BearerToken>,
    /// Public base URL of the service.
    pub(crate) public_url: PublicUrl,
    /// Maximum request body in bytes.
    pub(crate) body_limit: usize,
    /// Origins that may call the API from a browser.
    pub(crate) cors_origins: Vec<String>,
    /// Request headers that scripts of those origins may set.
    pub(crate) cors_headers: Vec<HeaderName>,
    /// The back end behind polyreset, if configured.
    pub(crate) upstream: Option<UpstreamOptions>,
    /// Whether the back end answers the dialects' operations, and polyreset only compares.
    pub(crate) shadow: bool,
}

/// Public base URL: every link is built from it (R31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicUrl {
    /// As set, without a trailing slash.
    Set(String),
    /// The address that the loopback listener is bound to.
    Listener,
}

impl HttpSettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let expected = "an IP address with a port such as 127.0.0.1:8080, or unix:/path";
        let listen = values.read(&keys::LISTEN, expected, ListenAddress::parse)?;
        let admin_listen = values.given_text(&keys::ADMIN_LISTEN)?;
        let admin_listen = admin_listen
            .map(|text| ListenAddress::parse(&text).ok_or_else(|| values.bad(&keys::ADMIN_LISTEN, expected)))
            .transpose()?;
        // With port 0, the system chooses a different port for each listener.
        let fixed = |at: &ListenAddress| !matches!(at, ListenAddress::Tcp(address) if address.port() == 0);
        if admin_listen.as_ref().is_some_and(|admin| *admin == listen && fixed(admin)) {
            bail!("admin_listen is the same as listen ({listen}): metrics need a separate listener");
        }
        let admin_token = values.given_text(&keys::ADMIN_TOKEN)?.map(Zeroizing::new);
        if admin_token.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(values.bad(
                &keys::ADMIN_TOKEN,
                "at least 16 letters, digits and -._~+/=, as `openssl rand -hex 32` prints them",
            ));
        }
        let admin_token = admin_token.map(|token| BearerToken::new(&token));
        let public_url = match (values.given_text(&keys::PUBLIC_URL)?, &listen) {
            (Some(text), _) => {
                let expected = "an https URL without user, query or fragment (http only on loopback)";
                PublicUrl::Set(safe_url(&text).ok_or_else(|| values.bad(&keys::PUBLIC_URL, expected))?)
            }
            (None, ListenAddress::Tcp(address)) if address.ip().is_loopback() => PublicUrl::Listener,
            (None, _) => bail!(
                "public_url is required, because listen ({listen}) is not a loopback address: \
                 set POLYRESET_PUBLIC_URL to the https URL of the service"
            ),
        };
        let mut cors_origins = values.list(&keys::CORS_ORIGINS);
        if upstream::decides_cors(&cors_origins) {
            cors_origins.clear();
        }
        if !cors_origins.iter().all(|origin| is_origin(origin)) {
            return Err(values.bad(
                &keys::CORS_ORIGINS,
                "origins such as https://app.example.com, without a path, or upstream alone",
            ));
        }
        let cors_headers = values.list(&keys::CORS_HEADERS);
        let cors_headers: Result<_, InvalidHeaderName> =
            cors_headers.iter().map(|name| name.parse()).collect();
        let expected = "names of headers such as x-requested-with";
        let cors_headers = cors_headers.map_err(|_| values.bad(&keys::CORS_HEADERS, expected))?;
        let body_limit = values.size(&keys::BODY_LIMIT)?;
        let upstream = upstream::read(values)?;
        let shadow = upstream::is_shadowed(values, upstream.as_ref())?;
        Ok(Self {
            listen,
            admin_listen,
            admin_token,
            public_url,
            body_limit,
            cors_origins,
            cors_headers,
            upstream,
            shadow,
        })
    }

    /// Whether other machines can reach the admin listener, and no token keeps them out.
    pub(super) fn admin_is_open(&self) -> bool {
        let remote = matches!(&self.admin_listen, Some(ListenAddress::Tcp(address)) if !address.ip().to_canonical().is_loopback());
        remote && self.admin_token.is_none()
    }
}

impl PublicUrl {
    /// Returns the URL of a service whose listener is bound to `bound`.
    pub(crate) fn of(&self, bound: &ListenAddress) -> String {
        match self {
            Self::Set(url) => url.clone(),
            Self::Listener => format!("http://{bound}"),
        }
    }
}

/// Normalizes a base URL for links and removes its trailing slash. Returns `None` if the URL is not safe to mail: http
/// without loopback, a user, a fragment or a query.
pub(super) fn safe_url(text: &str) -> Option<String> {
    let url = page_url(text)?;
    (Url::parse(&url).ok()?.query().is_none()).then(|| url.trim_end_matches('/').to_owned())
}

/// Whether the text is a bearer token (RFC 6750, 2.1) that is too long to guess.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    text.len() >= TOKEN_MIN && text.bytes().all(allowed) && is_varied(text.as_bytes())
}

/// Whether the text is an origin, exactly as a browser, or the web view of an app, sends it.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization() == text,
        // A browser serializes a scheme that it does not know as it is written: capacitor://localhost, tauri://localhost,
        // chrome-extension://<id>.
        "file" | "data" | "javascript" | "blob" | "about" | "ftp" | "ws" | "wss" => false,
        scheme => {
            let host = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(&byte);
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_https_unless_loopback_and_loses_its_trailing_slash() {
        for (text, url) in [
            ("https://id.example.org", "https://id.example.org"),
            ("https://id.example.org/", "https://id.example.org"),
            ("https://example.org/reset-service/", "https://example.org/reset-service"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1:80/", "http://127.0.0.1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(safe_url(text).as_deref(), Some(url), "{text}");
        }
        for text in [
            "",
            "id.example.org",
            "http://id.example.org",
            "ftp://id.example.org",
            "https:id.example.org",
            r"https:\\id.example.org",
            "https://ann@id.example.org",
            "https://id.example.org?x=1",
            "https://id.example.org#top",
            "https://id.example.org/ ",
            "http://localhost.example.org",
        ] {
            assert_eq!(safe_url(text), None, "{text}");
        }
    }

    #[test]
    fn page_url_may_have_a_query_and_keeps_its_trailing_slash() {
        assert_eq!(page_url("https://a.org/reset/?lang=de").as_deref(), Some("https://a.org/reset/?lang=de"));
        assert_eq!(page_url("https://a.org/reset/").as_deref(), Some("https://a.org/reset/"));
        assert_eq!(page_url("http://a.org/reset"), None);
    }

    #[test]
    fn origin_is_accepted_only_as_browsers_send_it() {
        for text in [
            "https://app.example.com",
            "http://localhost:3001",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "*",
            "null",
            "https://app.example.com/",
            "https://app.example.com:443",
            "app.example.com",
            "capacitor://",
            "capacitor://localhost/",
            "Capacitor://localhost",
            "file://localhost",
            "javascript://x",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
