//! Notices forwarding headers from a peer that is no trusted proxy: then `trusted_proxies` probably lacks a proxy, and all
//! users behind it share one rate limit.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use http::{HeaderMap, header};

use crate::{
    client_ip::{TrustedProxies, X_FORWARDED_FOR},
    peer::Peer,
};

/// Remembers whether the notice was given: one line per process is enough, and a client can send such headers, too.
#[derive(Default)]
pub(crate) struct ForwardedNotice {
    given: AtomicBool,
}

impl ForwardedNotice {
    /// Returns the sentence to log, for the first request with forwarding headers whose peer is not trusted.
    ///
    /// A peer without an address counts only on a Unix socket: otherwise a host application has set none, which the rate
    /// limiter reports.
    pub(crate) fn of(
        &self,
        proxies: &TrustedProxies,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Option<String> {
        let forwarded =
            [X_FORWARDED_FOR, header::FORWARDED].into_iter().find(|name| headers.contains_key(name))?;
        let unreported = proxies.trusts(peer) || (peer.is_none() && !proxies.local);
        if unreported || self.given.swap(true, Ordering::Relaxed) {
            return None;
        }
        let name = if forwarded == header::FORWARDED { "Forwarded" } else { "X-Forwarded-For" };
        Some(match peer {
            None => format!(
                "ignored {name} from a peer on the Unix socket: if that is your proxy, set trusted_proxies \
                 (POLYRESET_TRUSTED_PROXIES), for example to 127.0.0.1; until then no client is limited"
            ),
            Some(Peer(address)) => format!(
                "ignored {name} from {}, which is not in trusted_proxies: if that is your proxy, add its address \
                 (POLYRESET_TRUSTED_PROXIES); until then all users behind it share one rate limit",
                described(address.to_canonical())
            ),
        })
    }
}

/// Names an address of this machine or of a private network. Any other may be a user's, which no log line contains (R70).
fn described(address: IpAddr) -> String {
    let is_private = match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    if is_private { address.to_string() } else { "a peer".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer(address.parse().unwrap())
    }

    fn headers(name: &'static str) -> HeaderMap {
        [(http::HeaderName::from_static(name), "198.51.100.7".parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn header_of_an_untrusted_peer_is_reported_once() {
        let (notice, proxies) = (ForwardedNotice::default(), TrustedProxies::default());
        assert_eq!(notice.of(&proxies, Some(peer("10.0.0.7")), &HeaderMap::new()), None, "no proxy");
        let sentence = notice.of(&proxies, Some(peer("10.0.0.7")), &headers("x-forwarded-for")).unwrap();
        assert!(sentence.starts_with("ignored X-Forwarded-For from 10.0.0.7, "), "{sentence}");
        assert!(
            sentence.contains("POLYRESET_TRUSTED_PROXIES") && !sentence.contains("198.51.100.7"),
            "{sentence}"
        );
        assert_eq!(notice.of(&proxies, Some(peer("10.0.0.8")), &headers("forwarded")), None, "said once");
    }

    #[test]
    fn header_of_a_trusted_proxy_is_not_reported() {
        let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], local: true };
        let notice = ForwardedNotice::default();
        assert_eq!(notice.of(&proxies, Some(peer("10.0.0.7")), &headers("forwarded")), None);
        assert_eq!(notice.of(&proxies, None, &headers("x-forwarded-for")), None);
        let sentence = notice.of(&proxies, Some(peer("192.168.0.1")), &headers("forwarded")).unwrap();
        assert!(sentence.starts_with("ignored Forwarded from 192.168.0.1, "), "{sentence}");
    }

    #[test]
    fn peer_that_may_be_a_user_is_not_named() {
        let proxies = TrustedProxies::default();
        for address in ["203.0.113.9", "2001:db8::9", "::ffff:203.0.113.9"] {
            let sentence =
                ForwardedNotice::default().of(&proxies, Some(peer(address)), &headers("forwarded")).unwrap();
            assert!(sentence.contains(" from a peer, ") && !sentence.contains("203"), "{sentence}");
            assert!(!sentence.contains("2001"), "{sentence}");
        }
    }

    #[test]
    fn peer_without_an_address_is_reported_only_on_a_unix_socket() {
        let socket = TrustedProxies { local: true, ..TrustedProxies::default() };
        let sentence = ForwardedNotice::default().of(&socket, None, &headers("forwarded")).unwrap();
        assert!(sentence.contains("Unix socket") && sentence.contains("trusted_proxies"), "{sentence}");
        let host = TrustedProxies::default();
        assert_eq!(ForwardedNotice::default().of(&host, None, &headers("forwarded")), None);
    }
}
