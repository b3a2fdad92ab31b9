//! Where we listen, where people reach us, and what a request may be.

use anyhow::{Result, bail};
use reset_listen::ListenAddress;
use url::{Host, Url};

use super::value::Values;

/// The HTTP side.
pub(crate) struct HttpSettings {
    /// Where to listen.
    pub(crate) listen: ListenAddress,
    /// Where operators read figures, if anywhere.
    pub(crate) admin_listen: Option<ListenAddress>,
    /// Where people reach us.
    pub(crate) public_url: PublicUrl,
    /// Largest body in bytes.
    pub(crate) body_limit: usize,
    /// Origins whose pages may call.
    pub(crate) cors_origins: Vec<String>,
}

/// Where people reach us: the only source of links (R31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicUrl {
    /// As set, without a slash at its end.
    Set(String),
    /// Wherever the loopback listener turns out to be bound.
    Listener,
}

impl HttpSettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let expected = "an IP address with a port such as 127.0.0.1:8080, or unix:/path";
        let listen = values.read("listen", expected, ListenAddress::parse)?;
        let admin_listen = values.given_text("admin_listen")?;
        let admin_listen = admin_listen
            .map(|text| ListenAddress::parse(&text).ok_or_else(|| values.bad("admin_listen", expected)))
            .transpose()?;
        // On a port of the system's choice there are two.
        let chosen = |at: &ListenAddress| !matches!(at, ListenAddress::Tcp(address) if address.port() == 0);
        if admin_listen.as_ref().is_some_and(|admin| *admin == listen && chosen(admin)) {
            bail!("admin_listen is the same as listen ({listen}): figures need a listener of their own");
        }
        let public_url = match (values.given_text("public_url")?, &listen) {
            (Some(text), _) => {
                let expected = "an https URL without user, query or fragment (http only on loopback)";
                PublicUrl::Set(safe_url(&text).ok_or_else(|| values.bad("public_url", expected))?)
            }
            (None, ListenAddress::Tcp(address)) if address.ip().is_loopback() => PublicUrl::Listener,
            (None, _) => bail!(
                "public_url is required, because listen ({listen}) is not a loopback address: \
                 set POLYRESET_PUBLIC_URL to the https URL that people use"
            ),
        };
        let cors_origins = values.list("cors_origins");
        if !cors_origins.iter().all(|origin| is_origin(origin)) {
            return Err(values.bad("cors_origins", "origins such as https://app.example.com, without a path"));
        }
        let body_limit = values.size("body_limit")?;
        Ok(Self { listen, admin_listen, public_url, body_limit, cors_origins })
    }
}

impl PublicUrl {
    /// The URL, once the listener is bound at `bound`.
    pub(crate) fn of(&self, bound: &ListenAddress) -> String {
        match self {
            Self::Set(url) => url.clone(),
            Self::Listener => format!("http://{bound}"),
        }
    }
}

/// A URL of a page or a server that a link may lead to, without a slash at its end; nothing when it is not
/// safe to mail: no https beyond loopback, a user, a fragment, a query.
pub(super) fn safe_url(text: &str) -> Option<String> {
    let url = page_url(text)?;
    (Url::parse(&url).ok()?.query().is_none()).then(|| url.trim_end_matches('/').to_owned())
}

/// As [`safe_url`], for a page: a query is allowed, and a slash at its end stays.
pub(super) fn page_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // What the parser mends silently (backslashes, tabs, missing slashes) is not what was meant.
    let as_written = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && (text.starts_with("https://") || text.starts_with("http://"));
    (encrypted && plain && as_written).then(|| url.to_string())
}

/// Whether the text is an origin exactly as a browser sends it.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_are_https_unless_loopback_and_lose_their_last_slash() {
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
    fn a_page_may_have_a_query_and_keeps_its_slash() {
        assert_eq!(page_url("https://a.org/reset/?lang=de").as_deref(), Some("https://a.org/reset/?lang=de"));
        assert_eq!(page_url("https://a.org/reset/").as_deref(), Some("https://a.org/reset/"));
        assert_eq!(page_url("http://a.org/reset"), None);
    }

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        assert!(is_origin("https://app.example.com") && is_origin("http://localhost:3001"));
        for text in
            ["*", "null", "https://app.example.com/", "https://app.example.com:443", "app.example.com"]
        {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn a_listener_has_a_port() {
        assert_eq!(
            ListenAddress::parse("[::1]:0").map(|listen| listen.to_string()).as_deref(),
            Some("[::1]:0")
        );
        assert_eq!(ListenAddress::parse("unix:/run/r.sock"), Some(ListenAddress::Unix("/run/r.sock".into())));
        for text in ["127.0.0.1", "unix:", ":8080", "8080", "localhost"] {
            assert_eq!(ListenAddress::parse(text), None, "{text}");
        }
    }
}
