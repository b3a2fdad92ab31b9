//! Request targets: the path of a row, and variants of it.

use super::{Random, Row};

/// Paths near the served ones.
const UNSERVED_PATHS: [&str; 17] = [
    "/",
    "/nothing",
    "/v1/auth",
    "/v1/auth/",
    "/v1/authority",
    "/auth",
    "/auth/nothing",
    "/auth/api/v1/nothing",
    "/api/auth/nothing",
    "/api/auth/email",
    "/api/auth/email/nothing",
    "/api/auth/public-config/x",
    "/v1/auth/%FF%fe",
    "/reset/",
    "/forgotten",
    "/.well-known/",
    "/api/auth/email/\"'<>|{}^`",
];

/// Queries, most of which no route uses.
const QUERIES: [&str; 21] = [
    "?",
    "?a=b",
    "?token=",
    "?token",
    "?token=abc",
    "?token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "?a=1&token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef&b=2",
    "?token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef&token=x",
    "?%74oken=%30123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "?token=%00",
    "?token=%",
    "?token=%zz%ff",
    "??token=x",
    "?a=b#fragment",
    "?email=nobody@example.com&email=other@example.com",
    "?a[]=1&a;b=c&&=",
    "?lang=de",
    "?lang=%22%3E&by=link&link=23d4b5f27de036a8",
    "?by=code&lang=zh-Hant",
    "?code=%3Cscript%3E&reset_token=a.b.c",
    "?reset_token=eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
];

/// Generates a target for `row`. `odd` is the probability of each oddity in percent.
pub(super) fn target(random: &mut Random, row: &Row, odd: usize) -> String {
    let mut path = row.path.clone();
    if random.chance(odd) {
        random.pick(&UNSERVED_PATHS).clone_into(&mut path);
    }
    if random.chance(odd * 2) {
        path = variant(random, &path);
    }
    let query_odds = if row.path.ends_with("-link") || row.dialect == "pages" { 70 } else { odd };
    if random.chance(query_odds) {
        let forged = &row.forged.queries;
        if !forged.is_empty() && random.chance(15) {
            path.push_str(&forged[random.below(forged.len())]);
        } else {
            path.push_str(random.pick(&QUERIES));
        }
    }
    if random.chance(odd / 4) {
        path.push_str("?long=");
        path.push_str(&"q".repeat([100, 1_000, 9_000, 15_000][random.below(4)]));
    }
    if random.chance(odd / 2) { other_form(random, &path) } else { path }
}

fn variant(random: &mut Random, path: &str) -> String {
    let place = random.below(path.len().max(1));
    let (before, after) = path.split_at_checked(place).unwrap_or((path, ""));
    match random.below(16) {
        0 => path.to_ascii_uppercase(),
        1 => swap_case(before, after),
        2 => format!("{path}/"),
        3 => format!("{path}//"),
        4 => format!("/{path}"),
        5 => path.replacen('/', "//", 2),
        6 => escaped(before, after, random.chance(50)),
        7 => path.replacen("/a", "%2Fa", 1),
        8 => format!("{path}%2F"),
        9 => format!("{path};x"),
        10 => format!("/.{path}"),
        11 => format!("/x/..{path}"),
        12 => format!("{path}/.."),
        13 => format!("{path}%20"),
        14 => format!("{path}%00"),
        _ => format!("{before}é{after}"),
    }
}

fn swap_case(before: &str, after: &str) -> String {
    let mut letters = after.chars();
    let letter = letters.next().unwrap_or('/').to_ascii_uppercase();
    format!("{before}{letter}{}", letters.as_str())
}

/// Percent-encodes the first byte of `after`.
fn escaped(before: &str, after: &str, upper: bool) -> String {
    let letter = after.bytes().next().unwrap_or(b'/');
    let code = if upper { format!("%{letter:02X}") } else { format!("%{letter:02x}") };
    format!("{before}{code}{}", after.get(1..).unwrap_or_default())
}

/// Returns another form of request target (RFC 9112, 3.2), or an invalid target.
fn other_form(random: &mut Random, path: &str) -> String {
    match random.below(14) {
        0 => format!("http://test{path}"),
        1 => format!("http://test:8080{path}"),
        2 => format!("HTTP://TEST{path}"),
        3 => format!("https://evil.example{path}"),
        4 => format!("ftp://test{path}"),
        5 => format!("http://user:pw@test{path}"),
        6 => "http://test".into(),
        7 => "http://test?a=b".into(),
        8 => "*".into(),
        9 => "test:8080".into(),
        10 => "test".into(),
        11 => path.trim_start_matches('/').into(),
        12 => format!("//test{path}"),
        _ => format!("http:/{path}"),
    }
}
