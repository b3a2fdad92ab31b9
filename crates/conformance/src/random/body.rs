//! Request bodies: the JSON of every dialect and the forms of the hosted pages, with valid and invalid values, and
//! bodies that are neither.

use reset_http::client::{EMAIL, PASSWORD};

use super::{Random, Row};
use crate::clients;

/// Odd JSON values for a field.
const VALUES: [&str; 20] = [
    "null",
    "true",
    "0",
    "-1.5e3",
    "1e999",
    "[]",
    "{}",
    "[\"nobody@example.com\"]",
    "{\"email\":{\"email\":1}}",
    "\"\"",
    "\" \"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"nobody@example.com,other@example.com\"",
    "\"a\\nb@example.com\"",
    "\"NOBODY@EXAMPLE.COM \"",
    "\"é@exämple.com\"",
    "[[[[[[[[[[1]]]]]]]]]]",
];

/// Bodies that are not a JSON object or not JSON, and objects with odd contents.
const ODD_BODIES: [&[u8]; 20] = [
    b"",
    b" ",
    b"null",
    b"1",
    b"\"x\"",
    b"[]",
    b"[{\"email\":\"nobody@example.com\"}]",
    b"{",
    b"}",
    b"{}",
    b"{\"email\"}",
    b"{\"email\":\"nobody@example.com\",}",
    b"{\"email\":\"nobody@example.com\"}{}",
    b"{\"email\":\"nobody@example.com\",\"email\":\"other@example.com\"}",
    b"{'email':'nobody@example.com'}",
    b"\xef\xbb\xbf{}",
    b"{\"email\":\"\xff\xfe@example.com\"}",
    b"{\"email\":\"a\nb@example.com\"}",
    b"email=nobody%40example.com",
    b"\0\0\0\0",
];

/// Generates a body for `row`. `odd` is the probability of each oddity in percent.
pub(super) fn body(random: &mut Random, row: &Row, odd: usize) -> Vec<u8> {
    if row.method != "POST" && !random.chance(odd * 2) {
        return Vec::new();
    }
    if random.chance(odd) {
        return ODD_BODIES[random.below(ODD_BODIES.len())].to_vec();
    }
    if random.chance(odd / 2) {
        return large(random);
    }
    if row.dialect == "pages" { form(random, odd) } else { object(random, row, odd) }
}

/// Bodies of forms.
const FORMS: [&[u8]; 19] = [
    b"email=nobody%40example.com",
    b"email=+Nobody%40Example.Com+",
    b"email=nobody",
    b"email=%22%3E%3Cscript%3E",
    b"email=%FF%00",
    b"password=Sound+password+1%21",
    b"password=short",
    b"by=code&email=nobody%40example.com&code=000000&password=Sound+password+1%21",
    b"by=code&email=nobody%40example.com&code=O0O-0l0&password=Sound+password+1%21",
    b"by=code&email=nobody%40example.com&code=0000-0000-0000-0&password=Sound+password+1%21",
    b"by=code&email=nobody%40example.com&code=&password=Sound+password+1%21",
    b"by=code&email=nobody%40example.com&code=%22%27%3C&password=no+classes+in+here",
    b"by=code&email=&code=&password=",
    b"by=link&token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    b"token=0123456789abcdef0123456789abcdef",
    b"token=a&token=b",
    b"link=23d4b5f27de036a8&password=Sound+password+1%21",
    b"dialect=strapi&email=nobody%40example.com",
    b"dialect=px0&email=nobody%40example.com&password=x",
];

fn form(random: &mut Random, odd: usize) -> Vec<u8> {
    let mut body = FORMS[random.below(FORMS.len())].to_vec();
    if random.chance(odd) {
        body.push(b'&');
        body.extend_from_slice(FORMS[random.below(FORMS.len())]);
    }
    body
}

fn object(random: &mut Random, row: &Row, odd: usize) -> Vec<u8> {
    let mut own = row.step.as_ref().map_or_else(|| vec![("email", EMAIL)], clients::fields);
    if own.iter().all(|(_, placeholder)| *placeholder == EMAIL) {
        own.extend(row.redirect.map(|name| (name, REDIRECT)));
    }
    let mut fields: Vec<String> = Vec::new();
    for (name, placeholder) in own {
        if random.chance(odd) {
            continue;
        }
        let value = if random.chance(odd * 2) {
            random.pick(&VALUES).to_owned()
        } else {
            value(random, row, placeholder)
        };
        fields.push(format!("\"{name}\":{value}"));
    }
    if random.chance(odd) {
        fields.push(format!("\"unknown\":{}", random.pick(&VALUES)));
    }
    let space = if random.chance(odd) { " \t\n" } else { "" };
    format!("{{{space}{}{space}}}", fields.join(&format!(",{space}"))).into_bytes()
}

/// Stands for the target of a redirect, like the placeholders of a client's body.
const REDIRECT: &str = "REDIRECT";

/// Targets of a redirect.
const REDIRECTS: [&str; 5] =
    ["\"http://127.0.0.1:8080/reset\"", "\"https://evil.example/\"", "\"//x\"", "\"\"", "null"];

/// Secrets in the form of some dialect, or nearly so.
const SECRETS: [&str; 11] = [
    "\"eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl\"",
    "\"eyJhbGciOiJub25lIn0.e30.\"",
    "\"a.b\"",
    "\"..\"",
    "\"0\"",
    "\"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJlbWFpbCI6Im5vYm9keUBleGFtcGxlLmNvbSJ9.AAAA\"",
    "\"12345\"",
    "\"0000-0000-0000-0\"",
    "\"abcdef\"",
    "\"0123456789abcdef0123456789abcdef\"",
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
];

/// Generates a well-formed value for `placeholder` that belongs to no account.
fn value(random: &mut Random, row: &Row, placeholder: &str) -> String {
    match placeholder {
        EMAIL => format!("\"nobody{}@example.com\"", random.below(50)),
        PASSWORD => random.pick(&["\"Sound password 1!\"", "\"short\"", "\"no classes in here\""]).to_owned(),
        REDIRECT => random.pick(&REDIRECTS).to_owned(),
        _ if row.forged.values.is_empty() || random.chance(50) => random.pick(&SECRETS).to_owned(),
        _ => format!("\"{}\"", row.forged.values[random.below(row.forged.values.len())]),
    }
}

/// Generates a body near or over the size limit, a deeply nested one, or one with many fields.
fn large(random: &mut Random) -> Vec<u8> {
    let limit = 64 * 1024;
    let filled = |length: usize| {
        let mut body = b"{\"email\":\"nobody@example.com\",\"x\":\"".to_vec();
        body.resize(length.max(body.len()) - 2, b'x');
        body.extend_from_slice(b"\"}");
        body
    };
    match random.below(8) {
        0 => filled(limit - 1),
        1 => filled(limit),
        2 => filled(limit + 1),
        3 => filled(limit + 5_000),
        4 => filled(200_000),
        5 => b"[".repeat(20_000),
        6 => [b"{\"a\":".repeat(9), b"1".to_vec(), b"}".repeat(9)].concat(),
        _ => {
            let fields: Vec<String> = (0..70).map(|number| format!("\"k{number}\":{number}")).collect();
            format!("{{{}}}", fields.join(",")).into_bytes()
        }
    }
}

/// Encodes `body` in chunks. `odd` is the probability of each oddity in percent.
pub(super) fn chunked(random: &mut Random, body: &[u8], odd: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let size = [1, 7, 64, 5_000, 100_000][random.below(5)].max(body.len() / 40).max(1);
    for chunk in body.chunks(size) {
        let length = if random.chance(odd / 4) { chunk.len() + 1 } else { chunk.len() };
        let shapes = if random.chance(odd) { 10 } else { 1 };
        let line = match random.below(shapes) {
            0 | 1 => format!("{length:x}\r\n"),
            2 => format!("{length:X};name=value\r\n"),
            3 => format!("{length:x};name=\"quoted \\\" text\"\r\n"),
            4 => format!("0000{length:x}\r\n"),
            5 => format!("{length:x} \r\n"),
            6 => format!("0x{length:x}\r\n"),
            7 => format!("+{length:x}\r\n"),
            8 => format!("{length:x}\n"),
            _ => "ffffffffffffffff\r\n".to_owned(),
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(if random.chance(odd / 6) { b"\n" } else { b"\r\n" });
    }
    let ends = if random.chance(odd) { 9 } else { 1 };
    let end: &[u8] = match random.below(ends) {
        0 | 1 => b"0\r\n\r\n",
        2 => b"0;last\r\n\r\n",
        3 => b"0\r\nx-trailer: value\r\n\r\n",
        4 => b"0\r\nhost: evil\r\ncontent-length: 5\r\n\r\n",
        5 => b"000\r\n\r\n",
        6 => b"0\r\nno colon\r\n\r\n",
        7 => b"0\n\n",
        _ => b"",
    };
    out.extend_from_slice(end);
    out
}
