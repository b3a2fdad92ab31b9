//! The heads of passed requests and responses: what belongs to one connection is removed, and what names the client is set.

use hyper::{
    Request, Uri, Version,
    header::{
        CONNECTION, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
    },
    http::request::Parts,
};
use reset_http::{Peer, upstream::UpstreamHost};

/// Headers of one connection (RFC 9110, 7.6.1), with those of authentication at a proxy.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Headers with a digest of the body.
pub(super) const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a request that was passed on carries in `Via`.
const PSEUDONYM: &str = "polyreset";
/// How often a request may pass polyreset: two services may be chained, a loop is longer.
const PASSES_MAX: usize = 4;

/// Removes the headers that belong to one connection, and those that `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Returns the protocol that a request asks to upgrade to. `None` for protocols that carry further HTTP requests: those would
/// reach the back end unseen, including requests for polyreset's rows.
pub(super) fn upgrade<B>(request: &Request<B>) -> Option<HeaderValue> {
    let headers = request.headers();
    let asks = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let carries_http = tokens(headers, &UPGRADE).any(|protocol| {
        let protocol = protocol.to_ascii_lowercase();
        ["h2", "http", "tls"].iter().any(|prefix| protocol.starts_with(prefix))
    });
    let mut protocols = headers.get_all(UPGRADE).iter();
    let protocol = protocols.next().filter(|_| protocols.next().is_none())?;
    (asks && !carries_http && request.version() == Version::HTTP_11).then(|| protocol.clone())
}

/// Sets the headers of an upgrade, in a request or in the response that accepts it.
pub(super) fn ask_for_upgrade(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol.clone());
}

/// Whether the request has passed polyreset too often, because the back end is polyreset itself.
pub(super) fn loops(headers: &HeaderMap) -> bool {
    let passes = tokens(headers, &VIA).filter(|hop| hop.split_whitespace().nth(1) == Some(PSEUDONYM));
    passes.count() >= PASSES_MAX
}

/// Returns the target at `origin` with the path and the query of a request, byte for byte.
pub(super) fn target(origin: &Uri, requested: &Uri) -> Option<Uri> {
    let builder = Uri::builder().scheme(origin.scheme_str()?).authority(origin.authority()?.clone());
    builder.path_and_query(requested.path_and_query()?.clone()).build().ok()
}

/// Sets `Host`. Without one, the client adds the host of the URL.
pub(super) fn set_host(headers: &mut HeaderMap, parts: &Parts, host: UpstreamHost) {
    // The authority of an absolute target replaces the header (RFC 9112, 3.2.2).
    let host = match (host, parts.uri.authority()) {
        (UpstreamHost::Upstream, _) => None,
        (UpstreamHost::Request, Some(authority)) => HeaderValue::from_str(authority.as_str()).ok(),
        (UpstreamHost::Request, None) => parts.headers.get(HOST).cloned(),
    };
    headers.remove(HOST);
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
}

/// Sets the headers that tell the back end who the client is. What an untrusted client wrote into them is replaced.
pub(super) fn set_forwarding(headers: &mut HeaderMap, parts: &Parts, peer: Option<Peer>, trusted: bool) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            // CGI and WSGI read `X_Forwarded_For` as `X-Forwarded-For`, and no proxy sets it.
            let dashed = name.as_str().replace('_', "-");
            let names_client =
                dashed.starts_with("x-forwarded-") || dashed == "forwarded" || dashed == "x-real-ip";
            names_client && (!trusted || dashed != name.as_str())
        })
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    if let Some(Peer(address)) = peer {
        let address = address.to_canonical();
        append(headers, &X_FORWARDED_FOR, &address.to_string());
        // Only a trusted proxy's can be left.
        if headers.contains_key(FORWARDED) {
            let node = if address.is_ipv6() { format!("\"[{address}]\"") } else { address.to_string() };
            append(headers, &FORWARDED, &format!("for={node}"));
        }
    }
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = parts.headers.get(HOST) {
        headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    append(headers, &VIA, &format!("{version} {PSEUDONYM}"));
}

/// Appends an element to a list header. All its lines become one.
fn append(headers: &mut HeaderMap, name: &HeaderName, element: &str) {
    let mut list: Vec<u8> = Vec::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(element.as_bytes());
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(name, list);
    }
}

/// Returns the elements of a list header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(lines: &[(&str, &str)]) -> Parts {
        let mut parts = Request::new(()).into_parts().0;
        for (name, value) in lines {
            parts.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        parts
    }

    fn forwarded(lines: &[(&str, &str)], trusted: bool) -> Vec<(String, String)> {
        let parts = parts(lines);
        let mut headers = parts.headers.clone();
        set_forwarding(&mut headers, &parts, Some(Peer("192.0.2.1".parse().unwrap())), trusted);
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut headers: Vec<_> = headers.iter().map(pair).collect();
        headers.sort();
        headers
    }

    fn named<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    const FORGED: [(&str, &str); 8] = [
        ("host", "api.example.com"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example.com"),
        ("x-forwarded-port", "443"),
        ("x_forwarded_for", "203.0.113.8"),
        ("x-real-ip", "203.0.113.9"),
        ("forwarded", "for=203.0.113.7"),
    ];

    #[test]
    fn untrusted_client_cannot_write_who_it_is() {
        let headers = forwarded(&FORGED, false);
        assert_eq!(named(&headers, "x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(named(&headers, "x-forwarded-proto"), ["http"]);
        assert_eq!(named(&headers, "x-forwarded-host"), ["api.example.com"]);
        assert!(!headers.iter().any(|(_, value)| value.contains("203.0.113.")), "{headers:?}");
    }

    #[test]
    fn trusted_proxy_is_appended_to_what_it_wrote() {
        let headers = forwarded(&FORGED, true);
        assert_eq!(named(&headers, "x-forwarded-for"), ["203.0.113.7, 192.0.2.1"]);
        assert_eq!(named(&headers, "x-forwarded-proto"), ["https"]);
        assert_eq!(named(&headers, "x-forwarded-host"), ["www.example.com"]);
        assert_eq!(named(&headers, "forwarded"), ["for=203.0.113.7, for=192.0.2.1"]);
        assert_eq!(named(&headers, "x-real-ip"), ["203.0.113.9"]);
        assert!(named(&headers, "x_forwarded_for").is_empty(), "no proxy writes it");
    }

    #[test]
    fn headers_of_the_connection_are_removed_and_others_kept() {
        let mut parts = parts(&[
            ("connection", "close, X-Private"),
            ("connection", "x-other"),
            ("x-private", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic eA=="),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
        ]);
        strip_hop_by_hop(&mut parts.headers);
        assert_eq!(parts.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cookie"]);
        assert_eq!(parts.headers.get_all("cookie").iter().count(), 2);
    }

    #[test]
    fn upgrade_is_passed_on_except_to_protocols_that_carry_http() {
        let asked = |lines: &[(&str, &str)]| upgrade(&Request::from_parts(parts(lines), ())).is_some();
        assert!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asked(&[("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "upgrade")]));
        for protocol in ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.2"] {
            assert!(!asked(&[("connection", "upgrade"), ("upgrade", protocol)]), "{protocol}");
        }
    }

    #[test]
    fn request_that_went_in_a_circle_is_recognised() {
        assert!(!loops(&parts(&[("via", "1.1 polyreset, 1.1 other"), ("via", "1.1 polyreset")]).headers));
        assert!(loops(&parts(&[("via", &["1.1 polyreset"; 4].join(","))]).headers));
    }

    #[test]
    fn target_is_passed_byte_for_byte() {
        let origin: Uri = "http://127.0.0.1:3000".parse().unwrap();
        for path in ["/", "//a/../b/./c", "/%41%2f?x=%zz&&y", "/a;b=c/?", "/[a]|b"] {
            let requested: Uri = path.parse().unwrap();
            let target = target(&origin, &requested).unwrap();
            assert_eq!(target.to_string(), format!("http://127.0.0.1:3000{path}"));
        }
    }

    #[test]
    fn host_is_that_of_the_request_or_of_the_url() {
        let parts = parts(&[("host", "api.example.com")]);
        let mut headers = parts.headers.clone();
        set_host(&mut headers, &parts, UpstreamHost::Request);
        assert_eq!(headers[HOST], "api.example.com");
        set_host(&mut headers, &parts, UpstreamHost::Upstream);
        assert!(!headers.contains_key(HOST), "the client adds that of the URL");
        let mut absolute = parts;
        absolute.uri = "http://www.example.com/".parse().unwrap();
        set_host(&mut headers, &absolute, UpstreamHost::Request);
        assert_eq!(headers[HOST], "www.example.com");
    }
}
