//! Sends one probe over one connection and collects all responses and how the connection ends.

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    time::Duration,
};

use super::answer::{ParsedAnswer, split};
use crate::{
    endpoint::{ServerAddress, Socket},
    random::Probe,
};

/// Request sent after every probe. Its response shows that the server still parses the byte stream in step, and its
/// `connection: close` avoids waiting for the timeout.
const SENTINEL: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: sentinel\r\nconnection: close\r\n\r\n";

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionEnd {
    /// The server closed it.
    Closed,
    /// The server sent nothing more within the timeout.
    Silent,
}

/// The reaction of one server to one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeOutcome {
    /// Responses, including the one to the sentinel.
    pub answers: Vec<ParsedAnswer>,
    /// Bytes after them that are not a complete response.
    pub rest: Vec<u8>,
    /// How the connection ended.
    pub end: ConnectionEnd,
}

/// Sends `probe` to `endpoint`. A server that sends nothing for `timeout` counts as silent.
///
/// # Errors
/// Fails if the connection cannot be established.
pub fn exchange(endpoint: &ServerAddress, probe: &Probe, timeout: Duration) -> io::Result<ExchangeOutcome> {
    let mut socket = Socket::connect(endpoint)?;
    socket.set_timeouts(timeout)?;
    let (mut seen, mut end) = (Vec::new(), None);
    for (number, part) in probe.parts.iter().enumerate() {
        let last = number + 1 == probe.parts.len();
        let mut bytes = part.clone();
        if last {
            bytes.extend_from_slice(SENTINEL);
        }
        // A server may reject the request and close the connection during the write. Its response still counts.
        let _ = socket.write_all(&bytes);
        let head = part.starts_with(b"HEAD ");
        let wanted = if last { usize::MAX } else { number + 1 };
        end = read(&mut socket, &mut seen, wanted, head);
        if end == Some(ConnectionEnd::Closed) {
            break;
        }
    }
    let split = split(&seen);
    Ok(ExchangeOutcome {
        answers: split.answers,
        rest: split.rest,
        end: end.unwrap_or(ConnectionEnd::Silent),
    })
}

/// Reads until there are `wanted` responses or the connection ends. Returns how it ended.
fn read(socket: &mut Socket, seen: &mut Vec<u8>, wanted: usize, head: bool) -> Option<ConnectionEnd> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Some(ConnectionEnd::Closed),
            Ok(length) => seen.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Some(ConnectionEnd::Silent);
            }
            Err(_) => return Some(ConnectionEnd::Closed),
        }
        if wanted != usize::MAX {
            let split = split(seen);
            let whole = |answer: &ParsedAnswer| head || answer.status == 204 || !answer.body.is_empty();
            if split.rest.is_empty()
                && split.answers.len() >= wanted
                && split.answers.last().is_some_and(whole)
            {
                return None;
            }
        }
    }
}

impl fmt::Display for ExchangeOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for answer in &self.answers {
            writeln!(f, "    {answer}")?;
        }
        if !self.rest.is_empty() {
            writeln!(f, "    and then {}", self.rest[..self.rest.len().min(300)].escape_ascii())?;
        }
        write!(f, "    {}", if self.end == ConnectionEnd::Closed { "closed" } else { "silent" })
    }
}
