//! Parses the bytes of a connection into responses that can be compared.

use std::fmt;

/// Headers that depend on the time and are not compared.
const NOT_COMPARED: [&str; 1] = ["date"];

/// Headers with a random value. Only their presence is compared. The value is masked in the body, too, because a page
/// may quote it.
const MASKED: [&str; 1] = ["x-reset-reference"];

/// A response in the form that is compared. Order and case of header names, the reason phrase, and interim responses
/// (`100 Continue`, which a server may omit) are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedAnswer {
    /// Status code.
    pub status: u16,
    /// Headers, with names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// Body without chunk framing.
    pub body: Vec<u8>,
}

/// Complete responses, and the bytes after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SplitResponses {
    pub(super) answers: Vec<ParsedAnswer>,
    /// Bytes that are not a complete response.
    pub(super) rest: Vec<u8>,
}

/// Splits `bytes` into responses. Responses to `HEAD` announce a body that does not follow. They can be recognized
/// without the requests, because no body of the service starts like a response.
pub(super) fn split(bytes: &[u8]) -> SplitResponses {
    let (mut rest, mut answers) = (bytes, Vec::new());
    while !rest.is_empty() {
        let Some((answer, after)) = parse_response(rest) else { break };
        if answer.status >= 200 {
            answers.push(answer);
        }
        rest = after;
    }
    SplitResponses { answers, rest: rest.to_vec() }
}

fn parse_response(bytes: &[u8]) -> Option<(ParsedAnswer, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, after) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let mut all = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        all.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let value = |wanted: &str| all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let bodiless = status < 200 || status == 204 || after.is_empty() || after.starts_with(b"HTTP/1.");
    let (body, after) = if bodiless {
        (Vec::new(), after)
    } else if value("transfer-encoding").is_some() {
        decode_chunked(after)?
    } else {
        let length: usize = value("content-length")?.parse().ok()?;
        let (body, after) = after.split_at_checked(length)?;
        (body.to_vec(), after)
    };
    let body = MASKED.iter().filter_map(|name| value(name)).fold(body, masked);
    let mut headers: Vec<(String, String)> = all
        .into_iter()
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()))
        .map(
            |(name, value)| {
                if MASKED.contains(&name.as_str()) { (name, "<random>".into()) } else { (name, value) }
            },
        )
        .collect();
    headers.sort();
    Some((ParsedAnswer { status, headers, body }, after))
}

/// Replaces every `text` in `body` by `<random>`.
fn masked(body: Vec<u8>, text: &str) -> Vec<u8> {
    match String::from_utf8(body) {
        Ok(body) if !text.is_empty() => body.replace(text, "<random>").into_bytes(),
        Ok(body) => body.into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

fn decode_chunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        let (chunk, after) = bytes[end + 2..].split_at_checked(length)?;
        body.extend_from_slice(chunk);
        bytes = after.strip_prefix(b"\r\n")?;
        if length == 0 {
            return Some((body, bytes));
        }
    }
}

impl fmt::Display for ParsedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            write!(f, " | {name}: {value}")?;
        }
        let shown = &self.body[..self.body.len().min(300)];
        write!(f, " | {}", shown.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_split_by_length_by_chunks_and_without_a_body_for_head() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\ndate: now\r\n\r\nok\
            HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\n0\r\n\r\nHTTP/1.1 20";
        let SplitResponses { answers, rest } = split(bytes);
        let seen: Vec<String> = answers.iter().map(ToString::to_string).collect();
        assert_eq!(
            seen,
            [
                "200 | content-length: 2 | ok",
                "200 | content-length: 9 | ",
                "404 | transfer-encoding: chunked | abc"
            ]
        );
        assert_eq!(rest, b"HTTP/1.1 20");
    }

    #[test]
    fn a_reference_is_masked_in_the_body_too() {
        let bytes = b"HTTP/1.1 200 OK\r\nx-reset-reference: AB12\r\ncontent-length: 11\r\n\r\nquote AB12.";
        assert_eq!(split(bytes).answers[0].body, b"quote <random>.");
    }
}
