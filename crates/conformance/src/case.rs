//! Recorded cases: a `.http` file holds requests as bytes and the responses that every server must send.
//!
//! ```text
//! ### a sentence that names the case
//! POST /path HTTP/1.1
//! content-type: application/json
//!
//! {"email":"a@example.com"}
//! --- 200
//! content-type: application/json
//!
//! {"ok":true}
//! ```
//!
//! `content-length` is added to a request that has a body and neither that header nor `transfer-encoding`. The status,
//! the listed headers and the body of the response are compared; `<any>` matches any value of a header. If a recorded
//! body starts with the line `<in it>`, the response body must contain each of the following lines. In a request,
//! `{{x*100}}` repeats `x` a hundred times, and `<CRLF>` in the body is a line break.

use std::fmt::Write;

use anyhow::{Context, bail, ensure};

use crate::http::RawResponse;

/// A request and its recorded response.
#[derive(Debug)]
pub struct Case {
    /// Sentence that names the case.
    pub name: String,
    /// The bytes of the request.
    pub request: Vec<u8>,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Headers of every response of the service (R35).
const ALWAYS: [(&str, &str); 3] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
];

/// Parses the cases of one file.
///
/// # Errors
/// Fails if the file does not follow the format.
pub fn parse(text: &str) -> anyhow::Result<Vec<Case>> {
    text.split("### ").skip(1).map(parse_case).collect()
}

fn parse_case(text: &str) -> anyhow::Result<Case> {
    let (name, rest) = text.split_once('\n').context("a case without a request")?;
    let name_case = || format!("case {name:?}");
    let (request, answer) = rest.split_once("\n--- ").with_context(name_case)?;
    let (status, answer) = answer.split_once('\n').with_context(name_case)?;
    // A response without listed headers starts with the empty line.
    let (headers, body) = match answer.strip_prefix('\n') {
        Some(body) => ("", body),
        None => answer.split_once("\n\n").unwrap_or((answer.trim_end(), "")),
    };
    let headers = headers
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(Case {
        name: name.to_owned(),
        request: request_bytes(request).with_context(name_case)?,
        status: status.trim().parse().with_context(name_case)?,
        headers: headers.collect::<Option<_>>().with_context(name_case)?,
        body: body.trim_end_matches('\n').to_owned(),
    })
}

/// Converts the request to bytes: CRLF in its head, and the body unchanged.
fn request_bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end_matches('\n'), ""));
    let (head, body) = (expand(head)?, expand(body)?.replace("<CRLF>", "\r\n"));
    let head = head.replace('\n', "\r\n");
    let mut added = String::new();
    let lower = head.to_ascii_lowercase();
    if !lower.contains("\r\nhost:") && !lower.contains("http/1.0") {
        added.push_str("host: test\r\n");
    }
    if !body.is_empty() && !lower.contains("\r\ncontent-length:") && !lower.contains("\r\ntransfer-encoding:")
    {
        write!(added, "content-length: {}\r\n", body.len())?;
    }
    Ok(format!("{head}\r\n{added}connection: close\r\n\r\n{body}").into_bytes())
}

/// Expands `{{x*100}}`.
fn expand(text: &str) -> anyhow::Result<String> {
    let Some((before, rest)) = text.split_once("{{") else { return Ok(text.to_owned()) };
    let (inside, after) = rest.split_once("}}").context("`{{` without `}}`")?;
    let (repeated, times) = inside.rsplit_once('*').context("`{{` without `*`")?;
    Ok(format!("{before}{}{}", repeated.repeat(times.parse()?), expand(after)?))
}

impl Case {
    /// Compares `answer` with the recorded response.
    ///
    /// # Errors
    /// Describes the first difference.
    pub fn compare(&self, answer: &RawResponse) -> anyhow::Result<()> {
        ensure!(answer.status == self.status, "{}: {} instead of {}", self.name, answer.status, self.status);
        let always = ALWAYS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in always.iter().chain(&self.headers) {
            match answer.header(name) {
                Some(_) if value == "<any>" => {}
                Some(seen) if seen == value => {}
                seen => bail!("{}: header {name}: {seen:?} instead of {value:?}", self.name),
            }
        }
        if let Some(parts) = self.body.strip_prefix("<in it>\n") {
            let missing = parts.lines().find(|part| !answer.body.contains(*part));
            ensure!(missing.is_none(), "{}: no {missing:?} in body\n{}", self.name, answer.body);
            return Ok(());
        }
        ensure!(answer.body == self.body, "{}: body\n{}\ninstead of\n{}", self.name, answer.body, self.body);
        Ok(())
    }
}
