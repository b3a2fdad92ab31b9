//! HTTP/1.1 over a blocking connection: the one client of the measurement and of the conformance tests.
//!
//! It sends requests byte for byte as the caller writes them. It is blocking so that no async scheduler runs between the
//! clock and the socket.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail, ensure};

/// Maximum length of a header line.
const LINE_MAX: u64 = 64 * 1024;
/// Maximum response body. A server's OpenAPI document has about 100 KiB.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// An HTTP response, with headers in the order received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// Status code.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decoded as UTF-8 (lossy).
    pub body: String,
}

impl RawResponse {
    /// Returns whether the status is a success.
    pub fn is_success(&self) -> bool {
        is_success(self.status)
    }

    /// Returns the value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the list in this header contains `word`.
    fn has(&self, name: &str, word: &str) -> bool {
        let value = self.header(name).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    }
}

/// Returns whether `status` is a success; dialects differ in which one they send.
pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A keep-alive connection.
pub struct HttpConnection<S> {
    stream: BufReader<S>,
    keep_alive: bool,
}

impl<S: Read + Write> HttpConnection<S> {
    /// Speaks HTTP over `stream`, which is connected to the server.
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream), keep_alive: true }
    }

    /// Whether the last response left the connection open.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Sends the bytes of one request and reads its response.
    ///
    /// # Errors
    /// Fails if the connection drops or the response is not valid HTTP.
    pub fn send(&mut self, request: &[u8]) -> Result<RawResponse> {
        // A server may respond with 413 and close the connection while the body is being sent. Prefer that response to
        // the write error.
        let stream = self.stream.get_mut();
        let sent = stream.write_all(request).and_then(|()| stream.flush());
        match read_response(&mut self.stream, request.starts_with(b"HEAD ")) {
            Ok((response, keep_alive)) => {
                self.keep_alive = keep_alive && sent.is_ok();
                Ok(response)
            }
            Err(error) => Err(sent.map_or_else(Into::into, |()| error)),
        }
    }
}

/// Reads one response, to a HEAD request if `head`. Also returns whether the connection stays open.
fn read_response(stream: &mut impl BufRead, head: bool) -> Result<(RawResponse, bool)> {
    let (persistent, mut response) = loop {
        let (persistent, response) = read_head(stream)?;
        // An interim response, such as 100 Continue, precedes the response.
        if !(100..200).contains(&response.status) || response.status == 101 {
            break (persistent, response);
        }
    };
    let mut keep_alive = persistent && !response.has("connection", "close");
    let mut body = Vec::new();
    if head || [101, 204, 304].contains(&response.status) {
        // These responses have no body, whatever their headers say.
    } else if response.has("transfer-encoding", "chunked") {
        read_chunks(stream, &mut body)?;
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().context("content-length is not a number")?;
        ensure!(length <= BODY_MAX, "the response has more than {BODY_MAX} bytes");
        body.resize(length, 0);
        stream.read_exact(&mut body).context("reading the body")?;
    } else {
        keep_alive = false;
        stream.take(BODY_MAX as u64).read_to_end(&mut body).context("reading the body")?;
    }
    response.body = String::from_utf8_lossy(&body).into_owned();
    Ok((response, keep_alive))
}

/// Reads the status line and the headers. Also returns whether the version keeps connections open.
fn read_head(stream: &mut impl BufRead) -> Result<(bool, RawResponse)> {
    let first = read_line(stream)?;
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status: u16 = status.context("the response is not HTTP/1.1")?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Ok((first.starts_with("HTTP/1.1"), RawResponse { status, headers, body: String::new() }));
        }
        let (name, value) = line.split_once(':').context("the response has a header without a colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let head = read_line(stream)?;
        let size = usize::from_str_radix(head.split(';').next().unwrap_or_default().trim(), 16)?;
        ensure!(body.len().saturating_add(size) <= BODY_MAX, "the response has more than {BODY_MAX} bytes");
        if size == 0 {
            while !read_line(stream)?.is_empty() {}
            return Ok(());
        }
        let begun = body.len();
        body.resize(begun + size, 0);
        stream.read_exact(&mut body[begun..]).context("reading the body")?;
        ensure!(read_line(stream)?.is_empty(), "the response has a chunk of the wrong length");
    }
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.take(LINE_MAX).read_line(&mut line).context("reading the head")? == 0 || !line.ends_with('\n') {
        bail!("the connection was closed before the end of the response");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn response(bytes: &str) -> Result<(RawResponse, bool)> {
        read_response(&mut bytes.as_bytes(), false)
    }

    #[test]
    fn body_ends_by_length_by_chunks_or_by_the_connection() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\nhi", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", true),
        ] {
            let (response, keep_alive) = response(bytes).unwrap();
            assert_eq!(
                (response.status, response.body.as_str(), keep_alive),
                (200, "hi", expected),
                "{bytes}"
            );
        }
    }

    #[test]
    fn response_to_head_and_204_and_304_have_no_body() {
        let bytes = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        let (head, keep_alive) = read_response(&mut bytes.as_bytes(), true).unwrap();
        assert_eq!((head.header("content-length"), head.body.as_str(), keep_alive), (Some("2"), "", true));
        for status in [204, 304] {
            let (response, keep_alive) = response(&format!("HTTP/1.1 {status} x\r\n\r\n")).unwrap();
            assert_eq!((response.status, response.body.as_str(), keep_alive), (status, "", true));
        }
    }

    #[test]
    fn incomplete_or_malformed_response_is_an_error() {
        for bytes in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 2",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nhi",
        ] {
            assert!(response(bytes).is_err(), "{bytes}");
        }
    }

    /// A server that responds and then closes its side while the request is being sent.
    struct ClosedForWriting<'a>(&'a [u8]);

    impl Read for ClosedForWriting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for ClosedForWriting<'_> {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn response_that_precedes_the_end_of_the_request_is_preferred_to_the_write_error() {
        let bytes = b"HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n";
        let mut connection = HttpConnection::new(ClosedForWriting(bytes));
        assert_eq!(connection.send(b"POST / HTTP/1.1\r\n").unwrap().status, 413);
        assert!(!connection.keep_alive());
        let error = HttpConnection::new(ClosedForWriting(b"")).send(b"POST / HTTP/1.1\r\n").unwrap_err();
        assert_eq!(error.downcast::<io::Error>().unwrap().kind(), io::ErrorKind::BrokenPipe);
    }
}
