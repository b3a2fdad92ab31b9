//! A client cannot choose the address that its rate limit applies to: text in front of a forwarding header changes nothing, an
//! untrusted peer is the client, and the result is the peer's address or one in the headers.

#![no_main]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use reset_http::{Peer, TrustedProxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

fn proxies() -> TrustedProxies {
    let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
    TrustedProxies { networks: networks.into(), local: false }
}

fn headers(lines: &[(HeaderName, Vec<u8>)]) -> Option<HeaderMap> {
    lines.iter().map(|(name, line)| Some((name.clone(), HeaderValue::from_bytes(line).ok()?))).collect()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, values) = input;
    // Three lines: `X-Forwarded-For`, `Forwarded`, and the text that a client puts in front of the header that is sent.
    let mut values = values.splitn(3, |byte| *byte == b'\n').map(<[u8]>::to_vec);
    let mut next = || values.next().unwrap_or_default();
    let (forwarded_for, forwarded, forged) = (next(), next(), next());
    let proxies = proxies();
    let (proxy, stranger): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
    let mut lines = Vec::new();
    if choice & 1 == 0 {
        lines.push((X_FORWARDED_FOR, forwarded_for));
    }
    if choice & 2 == 0 {
        lines.push((header::FORWARDED, forwarded));
    }
    let Some(sent) = headers(&lines) else { return };
    assert_eq!(proxies.client(Some(Peer(stranger)), &sent), Some(stranger));
    let client = proxies.client(Some(Peer(proxy)), &sent).expect("the peer has an address");
    if client == proxy || proxies.trust(client) {
        return;
    }
    let named = lines.iter().any(|(_, line)| {
        let text = String::from_utf8_lossy(line);
        let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
        let mut words = words.flat_map(|word| [word, word.rsplit_once(':').map_or(word, |(host, _)| host)]);
        words.any(|word| word.parse::<IpAddr>().is_ok_and(|address| address.to_canonical() == client))
    });
    assert!(named, "{client} is in no header");
    // A proxy appends to the client's header. Quotes in it could swallow the comma, so they are left out.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte);
    if !forged.iter().all(is_plain) || lines.len() != 1 || lines[0].1.contains(&b'"') {
        return;
    }
    let appended = [(lines[0].0.clone(), [&forged[..], b", ", &lines[0].1].concat())];
    let Some(appended) = headers(&appended) else { return };
    assert_eq!(proxies.client(Some(Peer(proxy)), &appended), Some(client));
    let mut before = HeaderMap::new();
    let Ok(forged) = HeaderValue::from_bytes(&forged) else { return };
    before.append(lines[0].0.clone(), forged);
    before.append(lines[0].0.clone(), HeaderValue::from_bytes(&lines[0].1).unwrap());
    assert_eq!(proxies.client(Some(Peer(proxy)), &before), Some(client), "in a line of its own");
});
