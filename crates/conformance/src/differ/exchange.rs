//! One probe on one connection: everything that a server says to it, and how the connection ends.

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    time::Duration,
};

use super::answer::{ParsedAnswer, cut};
use crate::{
    endpoint::{Endpoint, Socket},
    random::Probe,
};

/// Sent behind every probe. Its answer shows that the server is where it should be in the stream of bytes, and
/// the end of the connection behind it spares waiting for silence.
const SENTINEL: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: sentinel\r\nconnection: close\r\n\r\n";

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The server closed it.
    Closed,
    /// The server waits for more.
    Silent,
}

/// What one server said to one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeOutcome {
    /// Its answers, the sentinel's among them.
    pub answers: Vec<ParsedAnswer>,
    /// Bytes behind them that are no whole answer.
    pub rest: Vec<u8>,
    /// How the connection ended.
    pub end: End,
}

/// Sends `probe` to `place`; a server that says nothing for `patience` is silent.
///
/// # Errors
/// When nobody listens.
pub fn exchange(place: &Endpoint, probe: &Probe, patience: Duration) -> io::Result<ExchangeOutcome> {
    let mut socket = Socket::connect(place)?;
    socket.set_timeouts(patience)?;
    let (mut seen, mut end) = (Vec::new(), None);
    for (number, part) in probe.parts.iter().enumerate() {
        let last = number + 1 == probe.parts.len();
        let mut bytes = part.clone();
        if last {
            bytes.extend_from_slice(SENTINEL);
        }
        // A server may refuse and close while we still send: what it said counts.
        let _ = socket.write_all(&bytes);
        let head = part.starts_with(b"HEAD ");
        let wanted = if last { usize::MAX } else { number + 1 };
        end = read(&mut socket, &mut seen, wanted, head);
        if end == Some(End::Closed) {
            break;
        }
    }
    let cut = cut(&seen);
    Ok(ExchangeOutcome { answers: cut.answers, rest: cut.rest, end: end.unwrap_or(End::Silent) })
}

/// Reads until there are `wanted` answers, or the connection ends one way or the other.
fn read(socket: &mut Socket, seen: &mut Vec<u8>, wanted: usize, head: bool) -> Option<End> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Some(End::Closed),
            Ok(length) => seen.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Some(End::Silent);
            }
            Err(_) => return Some(End::Closed),
        }
        if wanted != usize::MAX {
            let cut = cut(seen);
            let whole = |answer: &ParsedAnswer| head || answer.status == 204 || !answer.body.is_empty();
            if cut.rest.is_empty() && cut.answers.len() >= wanted && cut.answers.last().is_some_and(whole) {
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
        write!(f, "    {}", if self.end == End::Closed { "closed" } else { "silent" })
    }
}
