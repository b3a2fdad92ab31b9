//! Blocking HTTP/1.1 client with a keep-alive connection, like an anonymous client's. It is blocking so that no async
//! scheduler runs between the clock and the socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::ServerName,
};
use url::Url;

/// Timeout of each read and write.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of a header line.
const LINE_MAX: u64 = 64 * 1024;
/// Maximum response body. A server's OpenAPI document has about 100 KiB.
const BODY_MAX: usize = 16 * 1024 * 1024;

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

/// An HTTP response, with headers in the order received and names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether the first attempt failed and the request was retried over a new connection.
    pub(crate) retried: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
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

    fn connect(&self) -> Result<BufReader<Box<dyn Stream>>> {
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
        Ok(BufReader::new(stream))
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
    stream: Option<BufReader<Box<dyn Stream>>>,
    /// Number of connections opened.
    pub(crate) connections: usize,
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, stream: None, connections: 0 }
    }

    /// Posts `body` as JSON. Returns the response and the time from the first byte sent to the last byte received.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<(Response, Duration)> {
        let length = body.len();
        let more = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        self.exchange("POST", path, &more)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Response> {
        self.exchange("GET", path, "\r\n").map(|(response, _)| response)
    }

    fn exchange(&mut self, method: &str, path: &str, rest: &str) -> Result<(Response, Duration)> {
        let Target { host, prefix, .. } = &self.target;
        let request = format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n{rest}");
        // The server may have closed an idle connection: retry once over a new one. The retry is part of the comparison.
        let fresh = self.stream.is_none();
        match self.attempt(&request) {
            Err(_) if !fresh => {
                self.attempt(&request).map(|(response, took)| (Response { retried: true, ..response }, took))
            }
            result => result,
        }
        .with_context(|| format!("request to {} failed", self.target.name()))
    }

    fn attempt(&mut self, request: &str) -> Result<(Response, Duration)> {
        let mut stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            self.connections += 1;
            self.target.connect()?
        };
        let begun = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        stream.get_mut().flush()?;
        let (response, keep_alive) = read_response(&mut stream)?;
        let took = begun.elapsed();
        self.stream = keep_alive.then_some(stream);
        Ok((response, took))
    }
}

/// Reads one response. Also returns whether the connection stays open.
fn read_response(stream: &mut impl BufRead) -> Result<(Response, bool)> {
    let first = read_line(stream)?;
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status: u16 = status.context("the response is not HTTP/1.1")?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("the response has a header without a colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: String::new(), retried: false };
    let has = |name: &str, word: &str| {
        response
            .header(name)
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let mut keep_alive = first.starts_with("HTTP/1.1") && !has("connection", "close");
    let mut body = Vec::new();
    if has("transfer-encoding", "chunked") {
        read_chunks(stream, &mut body)?;
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().context("content-length is not a number")?;
        ensure!(length <= BODY_MAX, "the response has more than {BODY_MAX} bytes");
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
    } else if status != 204 && status != 304 {
        keep_alive = false;
        stream.take(BODY_MAX as u64).read_to_end(&mut body)?;
    }
    response.body = String::from_utf8_lossy(&body).into_owned();
    Ok((response, keep_alive))
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
        stream.read_exact(&mut body[begun..])?;
        ensure!(read_line(stream)?.is_empty(), "the response has a chunk of the wrong length");
    }
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.take(LINE_MAX).read_line(&mut line)? == 0 || !line.ends_with('\n') {
        bail!("the connection was closed before the end of the response");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(bytes: &str) -> Result<(Response, bool)> {
        read_response(&mut bytes.as_bytes())
    }

    #[test]
    fn body_ends_by_length_by_chunks_or_by_the_connection() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\nhi", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", false),
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
