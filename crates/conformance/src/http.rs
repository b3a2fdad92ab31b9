//! HTTP/1.1 as bytes: what is sent is exactly what the caller wrote.

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

/// One answer, headers in the order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, as text; what is no UTF-8 is replaced.
    pub body: String,
}

impl RawResponse {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A connection that is kept alive.
pub struct Connection {
    place: Endpoint,
    stream: BufReader<Socket>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(place: impl Into<Endpoint>) -> anyhow::Result<Self> {
        let place = place.into();
        let stream = Socket::connect(&place).context("connecting")?;
        stream.set_timeouts(Duration::from_secs(20))?;
        Ok(Self { place, stream: BufReader::new(stream) })
    }

    /// Sends `request` as it is and reads one answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no HTTP.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<RawResponse> {
        canaries::sent(&self.place, request);
        // A server may answer 413 and close while the body is still being sent: the answer counts.
        let sent = self.stream.get_mut().write_all(request);
        let head = request.starts_with(b"HEAD ");
        self.read(head).or_else(|error| sent.map_err(Into::into).and(Err(error)))
    }

    /// Posts `body` as JSON.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn post(&mut self, path: &str, body: &str) -> anyhow::Result<RawResponse> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(format!("{head}{body}").as_bytes())
    }

    /// Gets `target`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn get(&mut self, target: &str) -> anyhow::Result<RawResponse> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
    }

    fn read(&mut self, head: bool) -> anyhow::Result<RawResponse> {
        loop {
            let status = self.line()?;
            let status: u16 = match status.split(' ').nth(1).map(str::parse) {
                Some(Ok(status)) => status,
                _ => bail!("no status line: {status:?}"),
            };
            let mut headers = Vec::new();
            loop {
                let line = self.line()?;
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
            canaries::answered(&self.place, &answer);
            return Ok(answer);
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("reading the head")? == 0 {
            bail!("the connection was closed without an answer");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`Connection::send`].
pub fn post(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.post(path, body)
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`Connection::send`].
pub fn get(address: SocketAddr, target: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.get(target)
}
