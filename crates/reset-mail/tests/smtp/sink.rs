//! A scripted mail server that logs the commands and messages it receives.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reset_mail::{Credentials, SmtpSettings, Tls};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// Deviations from a relay that accepts everything without TLS.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// Certificate for STARTTLS, which is offered only if this is set.
    pub(crate) starttls: Option<Identity>,
    /// Certificate for implicit TLS.
    pub(crate) implicit: Option<Identity>,
    /// The AUTH line of the EHLO reply, such as `AUTH PLAIN LOGIN`.
    pub(crate) auth: Option<&'static str>,
    /// Replies by the prefix of the command line. `.` is the end of a message.
    pub(crate) replies: Vec<(&'static str, &'static str)>,
    /// Plain text that follows the reply to STARTTLS.
    pub(crate) injected: &'static str,
    /// Number of connections that get a 421 greeting before the first is served.
    pub(crate) rejected_connections: usize,
    /// Number of open connections over which a further one gets a 421 greeting.
    pub(crate) max_open: Option<usize>,
    /// Number of messages that get the reply for `.`; later ones are accepted. Without it, all get the reply.
    pub(crate) rejected_messages: Option<usize>,
    /// Delay of the reply to each message.
    pub(crate) delay: Duration,
    /// Prefixes of command lines that get no reply.
    pub(crate) silent: Vec<&'static str>,
    /// Whether to close the connection instead of replying to a message.
    pub(crate) drops_message: bool,
    /// Number of mails after which the connection is closed.
    pub(crate) mails_per_connection: Option<usize>,
    /// Delays the reply to each message until the barrier is full.
    pub(crate) gather: Option<Arc<Barrier>>,
}

/// The connections and lines that the server received.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) connections: usize,
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// Commands; encrypted ones have the prefix `tls:`.
    pub(crate) lines: Vec<String>,
    /// Messages as on the wire: between DATA and the final dot, with dots still doubled.
    pub(crate) messages: Vec<String>,
}

impl Log {
    pub(crate) fn count(&self, command: &str) -> usize {
        self.lines.iter().filter(|line| line.trim_start_matches("tls:").starts_with(command)).count()
    }
}

#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// A self-signed certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) pem: String,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: [u8; 32],
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn of(host: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let fingerprint = Sha256::digest(cert.der()).into();
        Self { pem: cert.pem(), fingerprint, config: Arc::new(config) }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

impl Sink {
    pub(crate) async fn run(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let server = sink.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (server, script) = (server.clone(), script.clone());
                tokio::spawn(async move {
                    server.opened();
                    // A client that disconnects early is not an error of the sink.
                    let _ = server.converse(tcp, &script).await;
                    server.log().open -= 1;
                });
            }
        });
        sink
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Returns settings of a client of this sink, with its IP address.
    pub(crate) fn settings(&self, tls: Tls) -> SmtpSettings {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        SmtpSettings { host, port, tls, credentials: None, extra_roots: Vec::new(), pins: Vec::new() }
    }

    fn opened(&self) {
        let mut log = self.log();
        log.connections += 1;
        log.open += 1;
        log.most_open = log.most_open.max(log.open);
    }

    async fn converse(&self, tcp: TcpStream, script: &Script) -> std::io::Result<()> {
        tcp.set_nodelay(true)?;
        if let Some(identity) = &script.implicit {
            let tls = identity.acceptor().accept(tcp).await?;
            return self.serve(&mut BufReader::new(tls), script, true, true).await.map(drop);
        }
        let mut tcp = BufReader::new(tcp);
        if self.serve(&mut tcp, script, false, true).await? {
            let identity = script.starttls.as_ref().unwrap();
            let tls = identity.acceptor().accept(tcp.into_inner()).await?;
            self.serve(&mut BufReader::new(tls), script, true, false).await?;
        }
        Ok(())
    }

    /// Serves until the client disconnects. Returns `true` if it sent STARTTLS.
    async fn serve<S>(
        &self,
        stream: &mut BufReader<S>,
        script: &Script,
        encrypted: bool,
        greet: bool,
    ) -> std::io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut mails = 0;
        if greet {
            if self.log().connections <= script.rejected_connections {
                stream.write_all(b"421 4.3.2 sink canary is closed\r\n").await?;
                stream.flush().await?;
                return Ok(false);
            }
            if script.max_open.is_some_and(|max| self.log().open > max) {
                stream.write_all(b"421 4.7.0 too many concurrent connections\r\n").await?;
                stream.flush().await?;
                return Ok(false);
            }
            stream.write_all(b"220 sink ESMTP\r\n").await?;
        }
        loop {
            stream.flush().await?;
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            let line = line.trim_end().to_owned();
            self.log().lines.push(format!("{}{line}", if encrypted { "tls:" } else { "" }));
            if script.silent.iter().any(|start| line.starts_with(start)) {
                std::future::pending::<()>().await;
            }
            let scripted =
                script.replies.iter().find(|(start, _)| line.starts_with(start)).map(|(_, reply)| *reply);
            let reply = match (scripted, line.split_whitespace().next().unwrap_or_default()) {
                (Some(reply), _) => reply.to_owned(),
                (None, "EHLO") => ehlo(script, encrypted),
                (None, "STARTTLS") => {
                    stream.write_all(format!("220 go\r\n{}", script.injected).as_bytes()).await?;
                    stream.flush().await?;
                    return Ok(true);
                }
                (None, "AUTH") => "235 2.7.0 welcome".to_owned(),
                (None, "DATA") => {
                    stream.write_all(b"354 go on\r\n").await?;
                    stream.flush().await?;
                    let message = read_message(stream).await?;
                    let received = {
                        let messages = &mut self.log().messages;
                        messages.push(message);
                        messages.len()
                    };
                    if script.drops_message {
                        return Ok(false);
                    }
                    if let Some(barrier) = &script.gather {
                        barrier.wait().await;
                    }
                    sleep(script.delay).await;
                    mails += 1;
                    let rejected = script.rejected_messages.is_none_or(|max| received <= max);
                    let scripted = script.replies.iter().find(|(start, _)| *start == "." && rejected);
                    scripted.map_or("250 2.0.0 queued", |(_, reply)| reply).to_owned()
                }
                (None, "QUIT") => "221 2.0.0 bye".to_owned(),
                (None, _) => "250 2.1.0 fine".to_owned(),
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
            if line == "QUIT" || script.mails_per_connection == Some(mails) {
                stream.flush().await?;
                return Ok(false);
            }
        }
    }
}

/// Reads byte by byte up to the line with a single dot.
async fn read_message<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut message = Vec::new();
    while !message.ends_with(b"\r\n.\r\n") {
        message.push(stream.read_u8().await?);
    }
    message.truncate(message.len() - b".\r\n".len());
    Ok(String::from_utf8(message).unwrap())
}

fn ehlo(script: &Script, encrypted: bool) -> String {
    let mut lines = vec!["sink"];
    lines.extend((script.starttls.is_some() && !encrypted).then_some("STARTTLS"));
    lines.extend(script.auth);
    let last = lines.pop().unwrap();
    lines.iter().map(|line| format!("250-{line}\r\n")).chain([format!("250 {last}")]).collect()
}

/// Returns credentials that no log may contain.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("canary-user".to_owned(), "canary-pass".to_owned())
}
