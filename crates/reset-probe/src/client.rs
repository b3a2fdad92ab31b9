//! HTTP/1.1 on a connection that is kept alive, as a stranger's program has it: blocking, so that no scheduler of ours
//! lies between the clock and the socket.

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

/// Longest wait for any part of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest line of a head.
const LINE_MAX: u64 = 64 * 1024;
/// Largest body: a server's document has some 100 KiB.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Which server, from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    place: Place,
    /// What the `host` field says.
    host: String,
    /// The path before every path, without a slash at its end.
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// One answer, headers in the order they came, names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether it came only when it was asked for once more, on another connection.
    pub(crate) again: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Target {
    /// Reads `http://HOST[:PORT][/PREFIX]`, the same with `https`, or `unix:/PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let place = Place::Unix(path.into());
            return Ok(Self { place, host: "localhost".to_owned(), prefix: String::new(), tls: None });
        }
        let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let url = url.context("URL: write http://HOST:PORT, https://HOST or unix:/PATH")?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        ensure!(plain, "URL: no user, password or query can be in it");
        let host = url.host_str().context("URL: there is no host in it")?;
        let port = url.port_or_known_default().context("URL: there is no port in it")?;
        let tls = if url.scheme() == "https" { Some(trusting_the_system()?) } else { None };
        Ok(Self {
            place: Place::Tcp(host.trim_matches(['[', ']']).to_owned(), port),
            host: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            prefix: url.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// As it is named in the report.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Unix(path) => format!("unix:{}", path.display()),
            Place::Tcp(..) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}{}", self.host, self.prefix)
            }
        }
    }

    fn connect(&self) -> Result<BufReader<Box<dyn Stream>>> {
        let stream: Box<dyn Stream> = match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                Box::new(stream)
            }
            Place::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                match &self.tls {
                    None => Box::new(stream),
                    Some(config) => {
                        let name = ServerName::try_from(host.clone()).context("no name for a certificate")?;
                        Box::new(StreamOwned::new(ClientConnection::new(config.clone(), name)?, stream))
                    }
                }
            }
        };
        Ok(BufReader::new(stream))
    }
}

fn trusting_the_system() -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(!roots.is_empty(), "the system has no trust anchors that can be read");
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().context("TLS")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth().into())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection that is opened when it is needed and kept as long as the server keeps it.
pub(crate) struct Client {
    target: Target,
    stream: Option<BufReader<Box<dyn Stream>>>,
    /// How often a connection was opened.
    pub(crate) connections: usize,
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, stream: None, connections: 0 }
    }

    /// Posts `body` as JSON; the answer, and how long it took from the first byte that was sent to the last that came.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<(Answer, Duration)> {
        let length = body.len();
        let more = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        self.exchange("POST", path, &more)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.exchange("GET", path, "\r\n").map(|(answer, _)| answer)
    }

    fn exchange(&mut self, method: &str, path: &str, more: &str) -> Result<(Answer, Duration)> {
        let Target { host, prefix, .. } = &self.target;
        let request = format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n{more}");
        // One that lay idle too long may have been closed meanwhile: what it did not answer is asked once more, and that
        // it was is compared like anything else.
        let fresh = self.stream.is_none();
        match self.attempt(&request) {
            Err(_) if !fresh => {
                self.attempt(&request).map(|(answer, took)| (Answer { again: true, ..answer }, took))
            }
            done => done,
        }
        .with_context(|| format!("asking {}", self.target.name()))
    }

    fn attempt(&mut self, request: &str) -> Result<(Answer, Duration)> {
        let mut stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            self.connections += 1;
            self.target.connect()?
        };
        let begun = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        stream.get_mut().flush()?;
        let (answer, kept) = read(&mut stream)?;
        let took = begun.elapsed();
        self.stream = kept.then_some(stream);
        Ok((answer, took))
    }
}

/// Reads one answer; whether another may follow on its connection.
fn read(stream: &mut impl BufRead) -> Result<(Answer, bool)> {
    let first = line(stream)?;
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status: u16 = status.context("what answered is no HTTP server")?;
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: String::new(), again: false };
    let says = |name: &str, word: &str| {
        answer
            .header(name)
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let mut kept = first.starts_with("HTTP/1.1") && !says("connection", "close");
    let mut body = Vec::new();
    if says("transfer-encoding", "chunked") {
        chunks(stream, &mut body)?;
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().context("a length that is no number")?;
        ensure!(length <= BODY_MAX, "an answer of more than {BODY_MAX} bytes");
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
    } else if status != 204 && status != 304 {
        kept = false;
        stream.take(BODY_MAX as u64).read_to_end(&mut body)?;
    }
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok((answer, kept))
}

fn chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let head = line(stream)?;
        let size = usize::from_str_radix(head.split(';').next().unwrap_or_default().trim(), 16)?;
        ensure!(body.len().saturating_add(size) <= BODY_MAX, "an answer of more than {BODY_MAX} bytes");
        if size == 0 {
            while !line(stream)?.is_empty() {}
            return Ok(());
        }
        let begun = body.len();
        body.resize(begun + size, 0);
        stream.read_exact(&mut body[begun..])?;
        ensure!(line(stream)?.is_empty(), "a chunk that does not end where it says");
    }
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.take(LINE_MAX).read_line(&mut line)? == 0 || !line.ends_with('\n') {
        bail!("the connection ended before the answer did");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &str) -> Result<(Answer, bool)> {
        read(&mut bytes.as_bytes())
    }

    #[test]
    fn bodies_end_by_length_by_chunks_and_by_the_connection() {
        for (bytes, kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\nhi", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", false),
        ] {
            let (answer, keeps) = answer(bytes).unwrap();
            assert_eq!((answer.status, answer.body.as_str(), keeps), (200, "hi", kept), "{bytes}");
        }
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error() {
        for bytes in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 2",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nhi",
        ] {
            assert!(answer(bytes).is_err(), "{bytes}");
        }
    }

    #[test]
    fn a_target_names_its_host_and_what_is_before_every_path() {
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
