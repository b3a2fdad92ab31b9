//! The socket of a conversation, in lines.
//!
//! This crate speaks SMTP itself: lettre's connection cannot pin a certificate, compares EHLO keywords exactly, knows two
//! AUTH LOGIN prompts only, and does not tell a lost message from a lost reply.

use std::io;

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{failure::Cause, reply::Reply};

/// Longest line of a reply that is read. RFC 5321, 4.5.3.1.5 allows 512 bytes.
const LINE_MAX: u64 = 4096;

/// Most lines of one reply.
const LINES_MAX: usize = 256;

/// A connected socket, with or without encryption.
#[derive(Debug)]
pub(super) enum Wire {
    /// Plain text, possibly until STARTTLS.
    Tcp(BufReader<TcpStream>),
    /// TLS, from the start or after STARTTLS.
    Tls(Box<BufReader<TlsStream<TcpStream>>>),
}

/// A reply of any code and its lines without the codes.
pub(super) struct Lines {
    pub(super) code: u16,
    pub(super) texts: Vec<String>,
}

impl Lines {
    pub(super) fn reply(&self) -> Reply {
        Reply::new(self.code, self.texts.first().map_or("", String::as_str))
    }
}

impl Wire {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self::Tcp(BufReader::new(tcp))
    }

    pub(super) fn encrypted(tls: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(BufReader::new(tls)))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns the plain socket for the TLS handshake.
    ///
    /// # Errors
    /// Fails if the server has sent more than its last reply: the text could be an attacker's, and would be taken for
    /// one that came under TLS.
    pub(super) fn into_tcp(self) -> Result<TcpStream, Cause> {
        match self {
            Self::Tcp(tcp) if tcp.buffer().is_empty() => Ok(tcp.into_inner()),
            Self::Tcp(_) => Err(Cause::Tls(super::failure::TlsFault::Injected)),
            Self::Tls(_) => Err(Cause::Lost),
        }
    }

    /// Sends the bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.write_all(bytes).await,
            Self::Tls(tls) => tls.write_all(bytes).await,
        }
    }

    /// Hands everything written to the operating system.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.flush().await,
            Self::Tls(tls) => tls.flush().await,
        }
    }

    /// Reads one reply of any number of lines.
    pub(super) async fn read(&mut self) -> Result<Lines, Cause> {
        match self {
            Self::Tcp(tcp) => read(tcp).await,
            Self::Tls(tls) => read(tls).await,
        }
    }

    /// Sends a command and reads its reply. `command` has no line break.
    pub(super) async fn command(&mut self, command: &str) -> Result<Lines, Cause> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.flush().await?;
        self.read().await
    }
}

pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Lines, Cause> {
    let (mut code, mut texts) = (None, Vec::new());
    loop {
        let mut line = Vec::new();
        let length = (&mut *stream).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        if length == 0 || line.last() != Some(&b'\n') || texts.len() == LINES_MAX {
            return Err(Cause::Lost);
        }
        let line = String::from_utf8_lossy(&line);
        let (of_line, last, text) = parse(line.trim_end()).ok_or(Cause::Lost)?;
        if code.is_some_and(|code| code != of_line) {
            return Err(Cause::Lost);
        }
        code = Some(of_line);
        texts.push(text.to_owned());
        if last {
            return Ok(Lines { code: of_line, texts });
        }
    }
}

/// Returns code, whether the line is the reply's last, and text.
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(code.as_bytes()[0], b'2'..=b'5') {
        return None;
    }
    let text = rest.get(1..).unwrap_or_default();
    match rest.as_bytes().first() {
        None | Some(b' ') => Some((code.parse().ok()?, true, text)),
        Some(b'-') => Some((code.parse().ok()?, false, text)),
        Some(_) => None,
    }
}

/// Returns the message as it is sent after DATA, with the final dot: a dot at the start of a line is doubled.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(message.len() + 64);
    // Also after a bare CR or LF: some servers take either for the end of a line (RUSTSEC-2026-0561).
    let mut at_start = true;
    for byte in message {
        if at_start && *byte == b'.' {
            framed.push(b'.');
        }
        framed.push(*byte);
        at_start = matches!(byte, b'\r' | b'\n');
    }
    if !framed.ends_with(b"\r\n") {
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b".\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(bytes: &[u8]) -> Result<(u16, Vec<String>), Cause> {
        let mut bytes = bytes;
        read(&mut bytes).await.map(|lines| (lines.code, lines.texts))
    }

    #[tokio::test]
    async fn reply_of_several_lines_is_one_reply() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of(b"250-a\r\n250-b c\r\n250 d\r\n").await, Ok((250, texts(&["a", "b c", "d"]))));
        assert_eq!(of(b"250\r\n").await, Ok((250, texts(&[""]))));
        assert_eq!(of(b"550 caf\xe9\n").await, Ok((550, texts(&["caf\u{fffd}"]))));
    }

    #[tokio::test]
    async fn text_that_is_not_a_reply_is_a_lost_connection() {
        for bytes in [
            &b""[..],
            b"250 no end",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"250-a\r\n251 b\r\n",
            b"250_a\r\n",
            b"999 a\r\n",
            b"25\r\n",
        ] {
            assert_eq!(of(bytes).await, Err(Cause::Lost), "{bytes:?}");
        }
        assert_eq!(of(&[b'2'; 10_000]).await, Err(Cause::Lost));
        assert_eq!(of(&b"250-x\r\n".repeat(1000)).await, Err(Cause::Lost));
    }

    #[test]
    fn dot_at_the_start_of_any_line_is_doubled() {
        for (message, expected) in [
            (&b"hello"[..], &b"hello\r\n.\r\n"[..]),
            (b"hello\r\n", b"hello\r\n.\r\n"),
            (b".\r\n..a.b\r\n", b"..\r\n...a.b\r\n.\r\n"),
            (b"a\r.\rb\n.\n", b"a\r..\rb\n..\n\r\n.\r\n"),
            (b"", b"\r\n.\r\n"),
        ] {
            assert_eq!(framed(message), expected, "{message:?}");
        }
    }
}
