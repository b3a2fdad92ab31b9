//! The client's address: the peer of the connection, or the address that trusted proxies report.
//!
//! All HTTP front-ends use this module. A trusted proxy is believed only about the hop before it, so the forwarding
//! headers are read from right to left, from one trusted hop to the next. The first untrusted hop is the client.
//! Entries that a client forges stand further to the left and are never read (R48).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::Peer;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose forwarding headers are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks of the proxies (setting `trusted_proxies`). Default none: forwarding headers are ignored.
    pub networks: Vec<IpNet>,
    /// Whether the server listens on a Unix socket. Its peers are trusted if `networks` is not empty.
    pub local: bool,
}

impl TrustedProxies {
    /// Returns whether the peer at `address` is a trusted proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns whether the forwarding headers of a peer are trusted. A peer on a Unix socket has no address.
    pub fn trusts(&self, peer: Option<Peer>) -> bool {
        match peer {
            Some(Peer(address)) => self.trust(address.to_canonical()),
            None => self.local && !self.networks.is_empty(),
        }
    }

    /// Returns the client's address, if known.
    pub fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
        let trusted = self.trusts(peer);
        let peer = peer.map(|Peer(address)| address.to_canonical());
        if !trusted {
            return peer;
        }
        let readers = [(X_FORWARDED_FOR, address_of as fn(&str) -> _), (header::FORWARDED, forwarded_for)];
        let mut reported = readers
            .into_iter()
            .filter(|(name, _)| headers.contains_key(name))
            .map(|(name, read)| self.walk(peer, &hops(headers, &name), read));
        let first = reported.next().unwrap_or(peer);
        // A proxy sets one of the two headers, or both to the same value. If they differ, the client forged one of
        // them, and there is no way to tell which.
        if reported.all(|other| other == first) { first } else { peer }
    }

    /// Walks the hops from right to left while they are trusted and readable.
    fn walk(
        &self,
        peer: Option<IpAddr>,
        hops: &[String],
        read: fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let mut client = peer;
        for hop in hops.iter().rev() {
            let Some(address) = read(hop) else { break };
            client = Some(address);
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// Returns the hops of all lines of a header, in order. A line that is not ASCII text counts as one unreadable hop.
fn hops(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(split).map(|hop| hop.trim().to_owned()).collect()
}

/// Splits a header line at commas outside quotes.
fn split(line: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
    .collect()
}

/// Parses `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, with or without a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// Parses the parameter `for` of a `Forwarded` hop (RFC 7239, section 4). Returns `None` for an obfuscated identifier
/// such as `unknown` or `_hidden`.
fn forwarded_for(hop: &str) -> Option<IpAddr> {
    let mut named = hop.split(';').filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    let (value, None) = (named.next()?, named.next()) else { return None };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    address_of(quoted.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(local: bool) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8:1::/48"].map(|net| net.parse().unwrap());
        TrustedProxies { networks: networks.into(), local }
    }

    fn client(peer: &str, lines: &[(HeaderName, &str)]) -> String {
        let headers = lines.iter().map(|(name, line)| (name.clone(), line.parse().unwrap())).collect();
        let client = proxies(false).client(Some(Peer(peer.parse().unwrap())), &headers);
        client.unwrap().to_string()
    }

    #[test]
    fn rightmost_untrusted_hop_is_the_client() {
        for (peer, line, expected) in [
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1,203.0.113.9 , 10.2.3.4,192.0.2.7", "203.0.113.9"),
            ("10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.1", "[2001:DB8:2::9]:4711", "2001:db8:2::9"),
            ("10.0.0.1", "2001:db8:2::9", "2001:db8:2::9"),
            ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
            ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("2001:db8:1::5", "203.0.113.9", "203.0.113.9"),
            // Headers from a peer that is not listed are ignored.
            ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
            ("192.0.2.8", "198.51.100.1", "192.0.2.8"),
        ] {
            assert_eq!(client(peer, &[(X_FORWARDED_FOR, line)]), expected, "{peer}: {line}");
        }
    }

    #[test]
    fn unreadable_hop_stops_the_walk() {
        for (line, expected) in [
            ("203.0.113.9, unknown", "10.0.0.1"),
            ("203.0.113.9, ", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("203.0.113.9, unknown, 10.2.3.4", "10.2.3.4"),
            ("203.0.113.9, 010.2.3.4", "10.0.0.1"),
            ("203.0.113.9, fe80::1%eth0", "10.0.0.1"),
            ("203.0.113.9 10.2.3.4", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, line)]), expected, "{line}");
        }
    }

    #[test]
    fn repeated_header_lines_form_one_list() {
        let lines = [(X_FORWARDED_FOR, "198.51.100.1"), (X_FORWARDED_FOR, "203.0.113.9, 10.2.3.4")];
        assert_eq!(client("10.0.0.1", &lines), "203.0.113.9");
        let opaque = http::HeaderValue::from_bytes(b"\xff").unwrap();
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "203.0.113.9".parse().unwrap());
        headers.append(X_FORWARDED_FOR, opaque);
        let peer = Peer("10.0.0.1".parse().unwrap());
        assert_eq!(proxies(false).client(Some(peer), &headers), Some(peer.0));
    }

    #[test]
    fn forwarded_is_parsed_as_in_rfc_7239() {
        for (line, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"203.0.113.9:4711\";proto=https;by=10.0.0.1", "203.0.113.9"),
            ("for=198.51.100.1, for=\"[2001:db8:2::9]:4711\"; host=\"a,b\"", "2001:db8:2::9"),
            ("for=198.51.100.1, for=203.0.113.9, for=10.2.3.4", "203.0.113.9"),
            ("for=203.0.113.9, for=unknown", "10.0.0.1"),
            ("for=203.0.113.9, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9, proto=https", "10.0.0.1"),
            ("for=203.0.113.9;for=198.51.100.1", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(header::FORWARDED, line)]), expected, "{line}");
        }
    }

    #[test]
    fn contradicting_headers_are_ignored() {
        let from_proxy = (X_FORWARDED_FOR, "203.0.113.9");
        assert_eq!(
            client("10.0.0.1", &[from_proxy.clone(), (header::FORWARDED, "for=198.51.100.1")]),
            "10.0.0.1"
        );
        assert_eq!(client("10.0.0.1", &[from_proxy, (header::FORWARDED, "for=203.0.113.9")]), "203.0.113.9");
    }

    #[test]
    fn unix_socket_peer_is_trusted_only_if_proxies_are_listed() {
        let headers = [(X_FORWARDED_FOR, "203.0.113.9".parse().unwrap())].into_iter().collect();
        let reported = Some("203.0.113.9".parse().unwrap());
        assert_eq!(proxies(true).client(None, &headers), reported);
        assert_eq!(
            proxies(false).client(None, &headers),
            None,
            "a host application that sets no peer address"
        );
        assert_eq!(TrustedProxies { local: true, ..TrustedProxies::default() }.client(None, &headers), None);
    }
}
