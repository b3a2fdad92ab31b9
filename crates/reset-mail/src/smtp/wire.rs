//! The socket under lettre's SMTP connection.
//!
//! lettre opens sockets without `TCP_NODELAY` and ends each mail with two small writes, which Nagle's algorithm and
//! delayed acknowledgements stretch to about 43 ms. This crate therefore opens the socket itself.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connected socket, encrypted from the start or not.
#[derive(Debug)]
pub(super) enum Wire {
    /// Plain text, possibly until STARTTLS.
    ///
    /// It is read one line at a time, because lettre keeps its read buffer across STARTTLS: replies that an attacker
    /// injects after the server's `220` would be treated as if they came under TLS. If they stay in the socket, they
    /// break the handshake instead.
    Tcp(BufReader<TcpStream>),
    /// TLS from the first byte.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => {
                let mut tcp = Pin::new(tcp);
                let waiting = ready!(tcp.as_mut().poll_fill_buf(cx))?;
                let line =
                    waiting.iter().position(|byte| *byte == b'\n').map_or(waiting.len(), |end| end + 1);
                let count = line.min(out.remaining());
                out.put_slice(&waiting[..count]);
                tcp.consume(count);
                Poll::Ready(Ok(()))
            }
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.get_ref().peer_addr(),
            Self::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}
