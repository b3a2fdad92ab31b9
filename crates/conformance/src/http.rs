//! A minimal HTTP/1.1 client that sends requests byte for byte.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{
    canaries,
    endpoint::{Endpoint, Socket},
};

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
    /// Returns the value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A keep-alive connection.
pub struct Connection {
    endpoint: Endpoint,
    stream: BufReader<Socket>,
}

impl Connection {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    /// Fails if the connection cannot be established.
    pub fn open(endpoint: impl Into<Endpoint>) -> anyhow::Result<Self> {
        let endpoint = endpoint.into();
        let stream = Socket::connect(&endpoint).context("connecting")?;
        stream.set_timeouts(Duration::from_secs(20))?;
        Ok(Self { endpoint, stream: BufReader::new(stream) })
    }

    /// Sends the bytes of `request` and reads one response.
    ///
    /// # Errors
    /// Fails if the connection drops or the response is not valid HTTP.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<RawResponse> {
        canaries::record_request(&self.endpoint, request);
        // A server may respond with 413 and close the connection while the body is being sent. Prefer that response to
        // the write error.
        let sent = self.stream.get_mut().write_all(request);
        let head = request.starts_with(b"HEAD ");
        self.read_response(head).or_else(|error| sent.map_err(Into::into).and(Err(error)))
    }

    /// Sends a POST request with `body` as JSON.
    ///
    /// # Errors
    /// Fails as [`Self::send`] does.
    pub fn post(&mut self, path: &str, body: &str) -> anyhow::Result<RawResponse> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(format!("{head}{body}").as_bytes())
    }

    /// Sends a GET request for `target`.
    ///
    /// # Errors
    /// Fails as [`Self::send`] does.
    pub fn get(&mut self, target: &str) -> anyhow::Result<RawResponse> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
    }

    fn read_response(&mut self, head: bool) -> anyhow::Result<RawResponse> {
        loop {
            let status = self.read_line()?;
            let status: u16 = match status.split(' ').nth(1).map(str::parse) {
                Some(Ok(status)) => status,
                _ => bail!("no status line: {status:?}"),
            };
            let mut headers = Vec::new();
            loop {
                let line = self.read_line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').context("a header without a colon")?;
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if status == 100 {
                continue;
            }
            let mut answer = RawResponse { status, headers, body: String::new() };
            let length = answer.header("content-length").map_or(Ok(0), str::parse::<usize>)?;
            if !head && status != 204 {
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body).context("reading the body")?;
                answer.body = String::from_utf8_lossy(&body).into_owned();
            }
            canaries::record_response(&self.endpoint, &answer);
            return Ok(answer);
        }
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("reading the head")? == 0 {
            bail!("the connection was closed without a response");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Sends one POST request over a new connection.
///
/// # Errors
/// Fails as [`Connection::send`] does.
pub fn post(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.post(path, body)
}

/// Sends one GET request over a new connection.
///
/// # Errors
/// Fails as [`Connection::send`] does.
pub fn get(address: SocketAddr, target: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.get(target)
}
