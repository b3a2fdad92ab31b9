//! Request heads: methods, versions and headers for a target and a body.

use super::{Random, Row, body};

const METHODS: [&str; 20] = [
    "GET",
    "POST",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PATCH",
    "TRACE",
    "CONNECT",
    "get",
    "Post",
    "options",
    "PROPFIND",
    "FOO",
    "M-SEARCH",
    "GE T",
    "PRI",
    "",
    "G\0T",
    "!#$%&'*+-.^_`|~",
];
const VERSIONS: [&str; 10] = [
    " HTTP/1.0",
    " HTTP/1.0",
    " HTTP/1.0",
    " HTTP/2.0",
    " HTTP/0.9",
    " HTTP/1.2",
    " http/1.1",
    "",
    " HTTP/11",
    "  HTTP/1.1",
];
const HOSTS: [&str; 12] = [
    "",
    "host:\r\n",
    "host: \r\n",
    "Host: test\r\nHost: test\r\n",
    "host: test\r\nhost: evil.example\r\n",
    "host: evil.example:80\r\n",
    "host: a b\r\n",
    "host: [::1]:8080\r\n",
    "host: test:99999\r\n",
    "host: http://test/\r\n",
    "host: tést\r\n",
    "host: user@test\r\n",
];
const TYPES: [&str; 16] = [
    "",
    "content-type:\r\n",
    "content-type: application/json\r\ncontent-type: text/plain\r\n",
    "content-type: text/plain\r\ncontent-type: application/json\r\n",
    "Content-Type: APPLICATION/JSON\r\n",
    "content-type: application/json; charset=utf-8\r\n",
    "content-type: application/json;charset=\"UTF-8\"\r\n",
    "content-type: application/json; charset=utf-16\r\n",
    "content-type: application/vnd.api+json\r\n",
    "content-type: text/json\r\n",
    "content-type: text/plain\r\n",
    "content-type: application/x-www-form-urlencoded\r\n",
    "content-type: multipart/form-data; boundary=application/json\r\n",
    "content-type: application/json;\r\n",
    "content-type:application/json\t \r\n",
    "content-type: application/jsön\r\n",
];
const OTHERS: [&str; 45] = [
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "Connection: Keep-Alive, x-y\r\n",
    "connection: close, keep-alive\r\n",
    "connection: keep-alive\r\nconnection: close\r\n",
    "connection: upgrade\r\nupgrade: websocket\r\n",
    "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    "expect: 100-continue\r\n",
    "Expect: 100-Continue\r\n",
    "expect: nothing\r\n",
    "origin: https://app.example.com\r\n",
    "origin: https://evil.example\r\n",
    "origin: null\r\norigin: https://app.example.com\r\n",
    "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n",
    "accept: text/html\r\n",
    "accept-encoding: gzip, br, deflate, zstd\r\n",
    "content-encoding: gzip\r\n",
    "content-language: de\r\n",
    "if-none-match: *\r\n",
    "if-modified-since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
    "if-match: \"x\"\r\n",
    "range: bytes=0-3\r\n",
    "authorization: Bearer x\r\n",
    "cookie: a=b; c=d\r\n",
    "cookie: polyreset-lang=de; polyreset-reset-23d4b5f27de036a8=pages.x\r\n",
    "cookie: polyreset-reset-=worthai.a.b.c; polyreset-done=0123456789abcdef\r\ncookie: polyreset-lang=xx\r\n",
    "accept-language: ja, de;q=0.5\r\n",
    "accept-language: fr;q=0, *;q=1, x\r\n",
    "sec-fetch-site: cross-site\r\n",
    "sec-fetch-site: same-origin\r\n",
    "sec-fetch-site: \u{e9}\r\n",
    "x-http-method-override: DELETE\r\n",
    "x-forwarded-for: 1.2.3.4\r\nx-forwarded-host: evil.example\r\n",
    "forwarded: for=1.2.3.4;host=evil.example\r\n",
    "te: trailers\r\ntrailer: x\r\n",
    "x-empty:\r\n",
    "x-tab:\ta\tb\t\r\n",
    "x-obs: \u{e9}\u{ff}\r\n",
    "x-folded: a\r\n b\r\n",
    "x-bare: a\rb\r\n",
    "x-nul: a\0b\r\n",
    "x space: a\r\n",
    "x-before : a\r\n",
    "no colon\r\n",
    ": empty name\r\n",
];
const LENGTHS: [&str; 14] = [
    "content-length: 0\r\n",
    "content-length: 1\r\n",
    "content-length: 70000\r\n",
    "content-length: 99999999999\r\n",
    "content-length: 18446744073709551615\r\n",
    "content-length: 18446744073709551616\r\n",
    "content-length: -1\r\n",
    "content-length: +2\r\n",
    "content-length: 0x10\r\n",
    "content-length: 2, 2\r\n",
    "content-length:\r\n",
    "content-length: 1 2\r\n",
    "content-length: 1\r\ncontent-length: 2\r\n",
    "content-length: two\r\n",
];
const CODINGS: [&str; 10] = [
    "transfer-encoding: Chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: chunked, gzip\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding:\r\n",
    "transfer-encoding: \tchunked \r\n",
    "transfer-encoding: \"chunked\"\r\n",
];

/// Generates the complete request. `odd` is the probability of each oddity in percent.
pub(super) fn request(random: &mut Random, row: &Row, target: &str, content: &[u8], odd: usize) -> Vec<u8> {
    let method = if random.chance(odd) { random.pick(&METHODS) } else { row.method.as_str() };
    let version = if random.chance(odd / 2) { random.pick(&VERSIONS) } else { " HTTP/1.1" };
    let host = if random.chance(odd / 2) { random.pick(&HOSTS) } else { "host: test\r\n" };
    let own = match (row.method.as_str(), row.dialect.as_str()) {
        ("POST", "pages") => "content-type: application/x-www-form-urlencoded\r\n",
        ("POST", _) => "content-type: application/json\r\n",
        _ => "",
    };
    let kind = if random.chance(odd) { random.pick(&TYPES) } else { own };
    let mut lines = vec![host.to_owned(), kind.to_owned()];
    while random.chance(odd * 2) {
        lines.push(random.pick(&OTHERS).to_owned());
    }
    if random.chance(odd / 3) {
        lines.extend(many_headers(random));
    }
    let content = framed(random, content, odd, &mut lines);
    if random.chance(odd) {
        let (one, other) = (random.below(lines.len()), random.below(lines.len()));
        lines.swap(one, other);
    }
    let before = if random.chance(odd / 4) { random.pick(&["\r\n", "\n", "\r\n\r\n", " "]) } else { "" };
    let end = if random.chance(odd / 4) { "\n" } else { "\r\n" };
    let mut head = format!("{before}{method} {target}{version}{end}{}{end}", lines.concat());
    if random.chance(odd / 4) {
        head = head.replace("\r\n", "\n");
    }
    let mut bytes = latin(&head);
    bytes.extend(content);
    bytes
}

/// Adds headers that frame the body, correctly or not, and returns the encoded body.
fn framed(random: &mut Random, content: &[u8], odd: usize, lines: &mut Vec<String>) -> Vec<u8> {
    let right = format!("content-length: {}\r\n", content.len());
    if !random.chance(odd * 2) {
        if random.chance(15) {
            lines.push("transfer-encoding: chunked\r\n".to_owned());
            return body::chunked(random, content, odd);
        }
        if !content.is_empty() || random.chance(20) {
            lines.push(right);
        }
        return content.to_vec();
    }
    match random.below(8) {
        0 => {}
        1 => lines.extend([right.clone(), right]),
        2 | 3 => lines.push(random.pick(&LENGTHS).to_owned()),
        4 => {
            lines.push(random.pick(&CODINGS).to_owned());
            return body::chunked(random, content, odd);
        }
        5 => {
            lines.extend([right, "transfer-encoding: chunked\r\n".to_owned()]);
            return body::chunked(random, content, odd);
        }
        6 => {
            lines.extend(["transfer-encoding: chunked\r\n".to_owned(), right]);
            return body::chunked(random, content, odd);
        }
        _ => lines.push("transfer-encoding: chunked\r\n".to_owned()),
    }
    content.to_vec()
}

/// Generates headers near the limits of size or number.
fn many_headers(random: &mut Random) -> Vec<String> {
    match random.below(3) {
        0 => {
            let length = [8_000, 15_000, 16_000, 16_200, 16_384, 17_000, 40_000][random.below(7)];
            vec![format!("x-long: {}\r\n", "y".repeat(length))]
        }
        1 => {
            let number = [50, 90, 93, 94, 95, 96, 97, 98, 99, 100, 101, 150][random.below(12)];
            (0..number).map(|number| format!("x-{number}: y\r\n")).collect()
        }
        _ => vec!["x-same: y\r\n".to_owned(); [2, 20, 90][random.below(3)]],
    }
}

/// Encodes the text in Latin-1, which is obs-text on the wire (RFC 9110, 5.5).
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
}
