//! Whose request it is: the other end of the connection, or who a trusted proxy says was at the other end of his.
//!
//! Decided here once, for every front-end. A proxy is believed about the hop before it and nobody about himself, so
//! the addresses are walked from the right, from one trusted hop to the next; the first that is not trusted is the
//! client. What a client writes into these headers himself stands further left and is never reached (R48).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks of the proxies. Default none: then nobody's word counts (interface.md, `trusted_proxies`).
    pub networks: Vec<IpNet>,
    /// Whether we listen on a Unix socket: who connects there is a proxy, if there are any.
    pub local: bool,
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address, as far as it is known.
    pub fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.map(|Peer(address)| address.to_canonical());
        let believed = match peer {
            Some(address) => self.trust(address),
            None => self.local && !self.networks.is_empty(),
        };
        if !believed {
            return peer;
        }
        let told = [(X_FORWARDED_FOR, address_of as fn(&str) -> _), (header::FORWARDED, forwarded_for)];
        let mut told = told
            .into_iter()
            .filter(|(name, _)| headers.contains_key(name))
            .map(|(name, read)| self.walk(peer, &hops(headers, &name), read));
        let first = told.next().unwrap_or(peer);
        // A proxy writes one of the two, or the same into both. Where they differ one is the client's own, and it is
        // not for us to guess which.
        if told.all(|other| other == first) { first } else { peer }
    }

    /// Walks the hops from the right, as far as they are trusted and readable.
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

/// The hops of all lines of a header, in their order. A line that is no text is one hop that cannot be read.
fn hops(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(split).map(|hop| hop.trim().to_owned()).collect()
}

/// Splits at commas outside quotes.
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

/// `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, each with a port or without.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// The parameter `for` of a hop of `Forwarded` (RFC 7239, 4). A name in its place (`unknown`, `_hidden`) is no address.
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
    fn the_rightmost_hop_that_is_not_trusted_is_the_client() {
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
            // Whoever is not listed is believed nothing.
            ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
            ("192.0.2.8", "198.51.100.1", "192.0.2.8"),
        ] {
            assert_eq!(client(peer, &[(X_FORWARDED_FOR, line)]), expected, "{peer}: {line}");
        }
    }

    #[test]
    fn a_hop_that_cannot_be_read_stops_the_walk() {
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
    fn all_lines_are_one_list() {
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
    fn forwarded_is_read_as_its_rfc_has_it() {
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
    fn a_header_that_the_proxy_did_not_write_buys_no_other_address() {
        let written = (X_FORWARDED_FOR, "203.0.113.9");
        assert_eq!(
            client("10.0.0.1", &[written.clone(), (header::FORWARDED, "for=198.51.100.1")]),
            "10.0.0.1"
        );
        assert_eq!(client("10.0.0.1", &[written, (header::FORWARDED, "for=203.0.113.9")]), "203.0.113.9");
    }

    #[test]
    fn a_unix_socket_is_a_proxy_if_there_are_any() {
        let headers = [(X_FORWARDED_FOR, "203.0.113.9".parse().unwrap())].into_iter().collect();
        let told = Some("203.0.113.9".parse().unwrap());
        assert_eq!(proxies(true).client(None, &headers), told);
        assert_eq!(proxies(false).client(None, &headers), None, "a host that does not tell");
        assert_eq!(TrustedProxies { local: true, ..TrustedProxies::default() }.client(None, &headers), None);
    }
}
