//! One conversation with a mail server, stage by stage.
//!
//! lettre's own `send` does not report which stage failed, and it does not leave the connection usable after a rejected
//! recipient. lettre's `tracing` feature must stay off: it logs every line, including secrets.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::ClientId,
        response::Response,
    },
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::BufReader,
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::{
    failure::{Cause, Failure, Reply, Stage},
    wire::Wire,
};
use crate::{BadMailSettings, SmtpSettings, Tls};

/// Timeouts of a conversation. RFC 5321, 4.5.3.2 recommends minutes; a worker's lease is shorter.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    /// For each address to connect to; all addresses together have `stage`. Default 3 s.
    pub(super) connect: Duration,
    /// For the first command on an idle connection, which a new connection can replace. Default 3 s.
    pub(super) after_idle: Duration,
    /// For each stage except the last. Default 10 s.
    pub(super) stage: Duration,
    /// For the reply to the message, which servers scan first. Default 20 s.
    pub(super) message: Duration,
    /// For a mail from start to end, including the wait for a connection. Default 30 s.
    pub(super) total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(3),
            after_idle: seconds(3),
            stage: seconds(10),
            message: seconds(20),
            total: seconds(30),
        }
    }
}

/// A mail server, and how to open a session with it.
pub(super) struct Server {
    settings: SmtpSettings,
    hello: ClientId,
    encryption: Encryption,
    pub(super) timeouts: Timeouts,
}

/// Prepared TLS settings: reading the system's trust anchors for each mail would be too slow.
enum Encryption {
    StartTls(TlsParameters),
    Implicit(TlsConnector, ServerName<'static>),
}

impl Server {
    pub(super) fn new(settings: SmtpSettings, hello: ClientId) -> Result<Self, BadMailSettings> {
        let encryption = match settings.tls {
            Tls::Implicit => Encryption::implicit(&settings)?,
            Tls::WhenOffered | Tls::Required => Encryption::starttls(&settings)?,
        };
        Ok(Self { settings, hello, encryption, timeouts: Timeouts::default() })
    }

    /// Returns `host:port`, for the operator.
    pub(super) fn endpoint(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Opens a session that is ready for mail.
    pub(super) async fn open(&self) -> Result<Session, Failure> {
        let addresses = self.resolve().await?;
        let tcp = self.dial(&addresses).await?;
        let mut session = self.greet(tcp).await?;
        self.start_tls(&mut session).await?;
        self.log_in(&mut session).await?;
        Ok(session)
    }

    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let host = (self.settings.host.as_str(), self.settings.port);
        match timeout(self.timeouts.stage, lookup_host(host)).await {
            Ok(Ok(found)) => Some(interleaved(found)).filter(|found| !found.is_empty()),
            Ok(Err(_)) => None,
            Err(_) => return Err(Stage::Dns.failed(Cause::Timeout)),
        }
        .ok_or_else(|| Stage::Dns.failed(Cause::NoAddress))
    }

    /// Connects to the first address that accepts; `localhost` often has one that does not.
    pub(super) async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        self.dial_with(TcpStream::connect, addresses).await
    }

    /// Connects with `connect`. Each address has its own timeout, so that one that drops packets does not use up the
    /// time of the others.
    pub(super) async fn dial_with<F>(
        &self,
        connect: impl Fn(SocketAddr) -> F,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, Failure>
    where
        F: Future<Output = io::Result<TcpStream>>,
    {
        self.within(Stage::Tcp, async {
            let mut cause = Cause::NoAddress;
            for address in addresses {
                match timeout(self.timeouts.connect, connect(*address)).await {
                    Ok(Ok(tcp)) => {
                        tcp.set_nodelay(true)?;
                        return Ok(tcp);
                    }
                    Ok(Err(error)) => cause = error.into(),
                    Err(_) => cause = Cause::Timeout,
                }
            }
            Err(cause)
        })
        .await
    }

    /// Waits for the greeting and sends EHLO; implicit TLS comes first.
    pub(super) async fn greet(&self, tcp: TcpStream) -> Result<Session, Failure> {
        let loopback = tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
        let (wire, encrypted) = match &self.encryption {
            Encryption::Implicit(connector, name) => {
                let tls = self.within(Stage::Tls, connector.connect(name.clone(), tcp)).await?;
                (Wire::Tls(Box::new(tls)), true)
            }
            Encryption::StartTls(_) => (Wire::Tcp(BufReader::new(tcp)), false),
        };
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello);
        let connection = self.within(Stage::Hello, greeting).await?;
        let timeouts = self.timeouts;
        Ok(Session { connection, encrypted, loopback, timeouts, after_idle: None, in_transaction: false })
    }

    /// Sends STARTTLS if the server offers it and TLS is not implicit.
    pub(super) async fn start_tls(&self, session: &mut Session) -> Result<(), Failure> {
        let Encryption::StartTls(parameters) = &self.encryption else { return Ok(()) };
        if session.connection.can_starttls() {
            let upgrade = session.connection.starttls(parameters.clone(), &self.hello);
            self.within(Stage::StartTls, upgrade).await?;
            session.encrypted = true;
        }
        match self.settings.tls {
            Tls::Required if !session.encrypted => Err(Stage::StartTls.failed(Cause::NotOffered)),
            _ => Ok(()),
        }
    }

    /// Sends AUTH if credentials are set. The check that a plain-text connection stays on this machine uses the peer's
    /// address, not the host's name.
    pub(super) async fn log_in(&self, session: &mut Session) -> Result<(), Failure> {
        let Some(credentials) = &self.settings.credentials else { return Ok(()) };
        if !session.encrypted && !session.loopback {
            return Err(Stage::Auth.failed(Cause::Plaintext));
        }
        let response =
            self.within(Stage::Auth, session.connection.auth(DEFAULT_MECHANISMS, &credentials.0)).await?;
        completed(Stage::Auth, response).map(drop)
    }

    pub(super) fn logs_in(&self) -> bool {
        self.settings.credentials.is_some()
    }

    async fn within<T, E: Into<Cause>>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        within(self.timeouts.stage, stage, work).await
    }
}

/// Alternates between the address families, starting with the resolver's first: if one family is unreachable, as IPv6
/// often is, its addresses must not use up the time of the other's.
pub(super) fn interleaved(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = [0_usize; 2];
    let ranked = found.into_iter().map(|address| {
        let rank = &mut seen[usize::from(address.is_ipv4())];
        *rank += 1;
        (*rank, address)
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

impl Encryption {
    fn starttls(settings: &SmtpSettings) -> Result<Self, BadMailSettings> {
        let mut parameters = TlsParameters::builder(settings.host.clone());
        for pem in &settings.extra_roots {
            let root = Certificate::from_pem(pem.as_bytes()).map_err(|_| BadMailSettings::Roots)?;
            parameters = parameters.add_root_certificate(root);
        }
        parameters.build_rustls().map(Self::StartTls).map_err(|_| BadMailSettings::Roots)
    }

    fn implicit(settings: &SmtpSettings) -> Result<Self, BadMailSettings> {
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| BadMailSettings::Host)?;
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        if !system.errors.is_empty() {
            warn!(
                errors = system.errors.len(),
                "some of the system's trust anchors are unreadable, ignoring them"
            );
        }
        roots.add_parsable_certificates(system.certs);
        for pem in &settings.extra_roots {
            for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(root.map_err(|_| BadMailSettings::Roots)?).map_err(|_| BadMailSettings::Roots)?;
            }
        }
        // The provider is explicit because the default panics if a process has two.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has every default version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::Implicit(TlsConnector::from(Arc::new(config)), name))
    }
}

/// A conversation after EHLO.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    pub(super) encrypted: bool,
    /// Whether the server is on this machine.
    pub(super) loopback: bool,
    timeouts: Timeouts,
    /// Timeout of the next command, if the connection was idle.
    after_idle: Option<Duration>,
    /// Whether the server may hold a sender from an unfinished mail, which needs RSET.
    in_transaction: bool,
}

impl Session {
    /// Prepares an idle connection for the next mail. RSET is sent only here: right after a rejection, a late reply to
    /// RSET would delay the outcome.
    pub(super) async fn prepare(&mut self) -> Result<(), Failure> {
        self.after_idle = Some(self.timeouts.after_idle);
        if self.in_transaction { self.reset().await } else { Ok(()) }
    }

    /// Takes the timeout of the next command.
    fn next_timeout(&mut self) -> Duration {
        self.after_idle.take().unwrap_or(self.timeouts.stage)
    }

    /// Sends one message. Its bytes must be CRLF-clean and encoded: lettre 0.11.23 does not escape a dot after a bare CR
    /// or LF (RUSTSEC-2026-0561).
    pub(super) async fn deliver(
        &mut self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<Reply, Failure> {
        self.set_envelope(from, to).await?;
        let go_ahead = within(self.timeouts.stage, Stage::Data, self.connection.command(Data)).await?;
        if !go_ahead.has_code(354) {
            return Err(Stage::Data.failed(Cause::Lost));
        }
        let sent = self.connection.message(message);
        let response = within(self.timeouts.message, Stage::Message, sent).await?;
        self.in_transaction = false;
        completed(Stage::Message, response)
    }

    /// Sends MAIL FROM and RCPT TO.
    pub(super) async fn set_envelope(&mut self, from: &Address, to: &Address) -> Result<(), Failure> {
        let limit = self.next_timeout();
        self.in_transaction = true;
        let mail = self.connection.command(Mail::new(Some(from.clone()), Vec::new()));
        completed(Stage::Mail, within(limit, Stage::Mail, mail).await?)?;
        let rcpt = self.connection.command(Rcpt::new(to.clone(), Vec::new()));
        completed(Stage::Rcpt, within(self.timeouts.stage, Stage::Rcpt, rcpt).await?)?;
        Ok(())
    }

    /// Sends RSET, which discards sender and recipient.
    pub(super) async fn reset(&mut self) -> Result<(), Failure> {
        let limit = self.next_timeout();
        let response = within(limit, Stage::Mail, self.connection.command(Rset)).await?;
        completed(Stage::Mail, response)?;
        self.in_transaction = false;
        Ok(())
    }

    /// Sends QUIT, and waits at most 1 s for the reply.
    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(1), self.connection.quit()).await;
    }
}

/// Returns the reply if it is a 2xx. lettre also accepts a 3xx, which here means that the two sides are out of step.
fn completed(stage: Stage, response: Response) -> Result<Reply, Failure> {
    let code = u16::from(response.code());
    if (200..300).contains(&code) { Ok(response.into()) } else { Err(stage.failed(Cause::Lost)) }
}

async fn within<T, E: Into<Cause>>(
    limit: Duration,
    stage: Stage,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(|error| stage.failed(error)),
        Err(_) => Err(stage.failed(Cause::Timeout)),
    }
}
