//! `healthcheck`: requests `/readyz` from the server configured by the same settings, for images without `curl`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use reset_listen::ListenAddress;

use crate::settings::Settings;

/// Timeout for the whole exchange, below the three seconds that orchestrators usually allow.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum response size in bytes. A response of `/readyz` has a few hundred.
const RESPONSE_MAX: u64 = 8 * 1024;

pub(super) async fn run(settings: Settings) -> Result<ExitCode> {
    let listen = settings.http.listen;
    let status = match timeout(TIMEOUT, readiness(&listen)).await {
        Ok(status) => status.with_context(|| format!("no healthy server at {listen}"))?,
        Err(_) => bail!("the server at {listen} did not respond within {TIMEOUT:?}"),
    };
    if status != 200 {
        bail!("the server at {listen} is not ready: /readyz returned {status}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn readiness(listen: &ListenAddress) -> Result<u16> {
    match listen {
        ListenAddress::Tcp(address) if address.port() == 0 => {
            bail!("listen has port 0, so the port changes with each start: set a fixed port")
        }
        ListenAddress::Tcp(address) => {
            let address = reachable(*address);
            exchange(TcpStream::connect(address).await?, &address.to_string()).await
        }
        ListenAddress::Unix(path) => exchange(UnixStream::connect(path).await?, "localhost").await,
    }
}

/// Returns the address to connect to: loopback if the listener is bound to the unspecified address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Requests `/readyz` and returns the status code.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> Result<u16> {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(RESPONSE_MAX).read_to_end(&mut response).await?;
    status(&response).context("the response is not HTTP/1.1")
}

/// Parses the status code of a line such as `HTTP/1.1 200 OK`.
fn status(response: &[u8]) -> Option<u16> {
    let rest = response.strip_prefix(b"HTTP/1.1 ")?;
    let (status, _) = rest.split_first_chunk::<3>()?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_on_the_unspecified_address_is_reached_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("[::1]:1", "[::1]:1"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn status_is_the_three_digits_after_the_version() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.1 503"), Some(503));
        for other in ["", "HTTP/1.1 20", "HTTP/1.1 ok!", "SSH-2.0-x", "HTTP/2 200"] {
            assert_eq!(status(other.as_bytes()), None, "{other}");
        }
    }
}
