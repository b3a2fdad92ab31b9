//! The server to measure, and an anonymous client's keep-alive connection to it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::ServerName,
};
use url::Url;

use crate::http::{HttpConnection, RawResponse};

/// Timeout of each read and write.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The server to measure, from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    endpoint: Endpoint,
    /// Value of the `host` header.
    host: String,
    /// Prefix of every path, without a trailing slash.
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Clone, Debug)]
enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// The response to a request, and how it was obtained.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) response: RawResponse,
    /// Whether the first attempt failed and the request was retried over a new connection.
    pub(crate) retried: bool,
    /// The time from the first byte sent to the last byte received.
    pub(crate) took: Duration,
}

impl Target {
    /// Parses `http://HOST[:PORT][/PREFIX]`, the same with `https`, or `unix:/PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let endpoint = Endpoint::Unix(path.into());
            return Ok(Self { endpoint, host: "localhost".to_owned(), prefix: String::new(), tls: None });
        }
        let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let url = url.context("URL: expected http://HOST:PORT, https://HOST or unix:/PATH")?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        ensure!(plain, "URL: must not contain a user, password or query");
        let host = url.host_str().context("URL: the host is missing")?;
        let port = url.port_or_known_default().context("URL: the port is missing")?;
        let tls = if url.scheme() == "https" { Some(system_trust()?) } else { None };
        Ok(Self {
            endpoint: Endpoint::Tcp(host.trim_matches(['[', ']']).to_owned(), port),
            host: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            prefix: url.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Returns the URL for the report.
    pub(crate) fn name(&self) -> String {
        match &self.endpoint {
            Endpoint::Unix(path) => format!("unix:{}", path.display()),
            Endpoint::Tcp(..) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}{}", self.host, self.prefix)
            }
        }
    }

    fn connect(&self) -> Result<HttpConnection<Box<dyn Stream>>> {
        let stream: Box<dyn Stream> = match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                Box::new(stream)
            }
            Endpoint::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                match &self.tls {
                    None => Box::new(stream),
                    Some(config) => {
                        let name = ServerName::try_from(host.clone())
                            .context("the host is not a valid name for TLS")?;
                        Box::new(StreamOwned::new(ClientConnection::new(config.clone(), name)?, stream))
                    }
                }
            }
        };
        Ok(HttpConnection::new(stream))
    }
}

/// Builds a TLS configuration that trusts the certificate authorities of the system.
fn system_trust() -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(!roots.is_empty(), "no trusted certificate authorities found on this system");
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().context("TLS")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth().into())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection that is opened on demand and kept open as long as the server keeps it open.
pub(crate) struct Client {
    target: Target,
    connection: Option<HttpConnection<Box<dyn Stream>>>,
    /// Number of connections opened.
    pub(crate) connections: usize,
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, connection: None, connections: 0 }
    }

    /// Posts `body` as JSON, or as a form.
    pub(crate) fn post(&mut self, path: &str, body: &str, is_form: bool) -> Result<Reply> {
        let (length, media) =
            (body.len(), if is_form { "application/x-www-form-urlencoded" } else { "application/json" });
        let more = format!("content-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}");
        self.exchange("POST", path, &more)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<RawResponse> {
        self.exchange("GET", path, "\r\n").map(|reply| reply.response)
    }

    fn exchange(&mut self, method: &str, path: &str, rest: &str) -> Result<Reply> {
        let Target { host, prefix, .. } = &self.target;
        let request = format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n{rest}");
        // The server may have closed an idle connection: retry once over a new one. The retry is part of the comparison.
        let fresh = self.connection.is_none();
        match self.attempt(&request) {
            Err(_) if !fresh => self.attempt(&request).map(|reply| Reply { retried: true, ..reply }),
            result => result,
        }
        .with_context(|| format!("request to {} failed", self.target.name()))
    }

    fn attempt(&mut self, request: &str) -> Result<Reply> {
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            self.connections += 1;
            self.target.connect()?
        };
        let begun = Instant::now();
        let response = connection.send(request.as_bytes())?;
        let took = begun.elapsed();
        self.connection = connection.keep_alive().then_some(connection);
        Ok(Reply { response, retried: false, took })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_has_a_host_and_a_path_prefix() {
        for (text, host, prefix) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://[::1]:8080/", "[::1]:8080", ""),
            ("http://accounts.example.org/reset/", "accounts.example.org", "/reset"),
            ("unix:/run/reset.sock", "localhost", ""),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.host.as_str(), target.prefix.as_str()), (host, prefix), "{text}");
            assert_eq!(target.name(), text.trim_end_matches('/'));
        }
        for text in ["", "127.0.0.1:8080", "ftp://x", "http://user:pw@x", "http://x/?a=b"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
