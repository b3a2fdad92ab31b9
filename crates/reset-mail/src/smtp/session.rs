//! One conversation with a mail server, stage by stage.
//!
//! lettre's own `send` would do, but it tells neither which stage failed nor leaves the connection usable
//! after a refused recipient. Its `tracing` feature must stay off: it logs every line, secrets included.

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
    failure::{Failure, Reply, Stage, Why},
    wire::Wire,
};
use crate::{BadMailSettings, SmtpSettings, Tls};

/// How long to wait for whom. RFC 5321, 4.5.3.2 allows minutes; a worker's lease does not.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For each address to connect to, all of which together have one stage. Default 3 s.
    pub(super) connect: Duration,
    /// For the first command on a connection that lay idle, where a new one is the remedy. Default 3 s.
    pub(super) rested: Duration,
    /// For each stage but the last. Default 10 s.
    pub(super) stage: Duration,
    /// For the reply to the message, which servers scan before they answer. Default 20 s.
    pub(super) message: Duration,
    /// For a whole mail, the wait for its turn included. Default 30 s.
    pub(super) whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(3),
            rested: seconds(3),
            stage: seconds(10),
            message: seconds(20),
            whole: seconds(30),
        }
    }
}

/// A mail server: where it is, and how to get as far as MAIL FROM.
pub(super) struct Server {
    settings: SmtpSettings,
    hello: ClientId,
    encryption: Encryption,
    pub(super) patience: Patience,
}

/// Ready-made TLS settings: reading the system's trust anchors takes too long to do for each mail.
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
        Ok(Self { settings, hello, encryption, patience: Patience::default() })
    }

    /// `host:port`, for the operator.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Goes all the way to a session that mail can be handed to.
    pub(super) async fn open(&self) -> Result<Session, Failure> {
        let addresses = self.resolve().await?;
        let tcp = self.dial(&addresses).await?;
        let mut session = self.greet(tcp).await?;
        self.secure(&mut session).await?;
        self.log_in(&mut session).await?;
        Ok(session)
    }

    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let host = (self.settings.host.as_str(), self.settings.port);
        match timeout(self.patience.stage, lookup_host(host)).await {
            Ok(Ok(found)) => Some(by_turns(found)).filter(|found| !found.is_empty()),
            Ok(Err(_)) => None,
            Err(_) => return Err(Stage::Dns.failed(Why::Timeout)),
        }
        .ok_or_else(|| Stage::Dns.failed(Why::NoAddress))
    }

    /// Connects to the first address that answers; `localhost` often has one too many.
    pub(super) async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        self.dial_by(TcpStream::connect, addresses).await
    }

    /// Each address has a time of its own, so that one that drops our packets does not cost us the others.
    pub(super) async fn dial_by<F>(
        &self,
        connect: impl Fn(SocketAddr) -> F,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, Failure>
    where
        F: Future<Output = io::Result<TcpStream>>,
    {
        self.within(Stage::Tcp, async {
            let mut why = Why::NoAddress;
            for address in addresses {
                match timeout(self.patience.connect, connect(*address)).await {
                    Ok(Ok(tcp)) => {
                        tcp.set_nodelay(true)?;
                        return Ok(tcp);
                    }
                    Ok(Err(error)) => why = error.into(),
                    Err(_) => why = Why::Timeout,
                }
            }
            Err(why)
        })
        .await
    }

    /// Waits for the greeting and says EHLO, under TLS where that is implicit.
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
        let patience = self.patience;
        Ok(Session { connection, encrypted, loopback, patience, rested: None, open: false })
    }

    /// STARTTLS, where wanted and to be had.
    pub(super) async fn secure(&self, session: &mut Session) -> Result<(), Failure> {
        let Encryption::StartTls(parameters) = &self.encryption else { return Ok(()) };
        if session.connection.can_starttls() {
            let upgrade = session.connection.starttls(parameters.clone(), &self.hello);
            self.within(Stage::StartTls, upgrade).await?;
            session.encrypted = true;
        }
        match self.settings.tls {
            Tls::Required if !session.encrypted => Err(Stage::StartTls.failed(Why::NotOffered)),
            _ => Ok(()),
        }
    }

    /// AUTH, where there is something to log in with. Whether the connection may carry a password is judged
    /// by the address it really leads to, not by the host's name.
    pub(super) async fn log_in(&self, session: &mut Session) -> Result<(), Failure> {
        let Some(credentials) = &self.settings.credentials else { return Ok(()) };
        if !session.encrypted && !session.loopback {
            return Err(Stage::Auth.failed(Why::InClear));
        }
        let answer =
            self.within(Stage::Auth, session.connection.auth(DEFAULT_MECHANISMS, &credentials.0)).await?;
        completed(Stage::Auth, answer).map(drop)
    }

    pub(super) fn logs_in(&self) -> bool {
        self.settings.credentials.is_some()
    }

    async fn within<T, E: Into<Why>>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        within(self.patience.stage, stage, work).await
    }
}

/// Both families by turns, the resolver's favourite first: where one of them leads nowhere, as IPv6 often
/// does, its addresses must not use up the time of the other's.
pub(super) fn by_turns(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
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
            warn!(errors = system.errors.len(), "some of the system's trust anchors cannot be read");
        }
        roots.add_parsable_certificates(system.certs);
        for pem in &settings.extra_roots {
            for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(root.map_err(|_| BadMailSettings::Roots)?).map_err(|_| BadMailSettings::Roots)?;
            }
        }
        // The provider is named because two in one process make the default panic.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has every default version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::Implicit(TlsConnector::from(Arc::new(config)), name))
    }
}

/// A conversation that has got as far as EHLO.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    pub(super) encrypted: bool,
    /// Whether the server is on this machine.
    pub(super) loopback: bool,
    patience: Patience,
    /// The patience for the next command, if it lay idle before.
    rested: Option<Duration>,
    /// Whether the server may hold a sender that is to be forgotten.
    open: bool,
}

impl Session {
    /// Readies a connection that lay idle for another mail. RSET waits until here: after a refusal its
    /// reply, late or missing, would only keep the outcome waiting.
    pub(super) async fn wake(&mut self) -> Result<(), Failure> {
        self.rested = Some(self.patience.rested);
        if self.open { self.reset().await } else { Ok(()) }
    }

    /// For the next command.
    fn patience(&mut self) -> Duration {
        self.rested.take().unwrap_or(self.patience.stage)
    }

    /// Hands one message over. Its bytes must be CRLF-clean and encoded: lettre 0.11.23 leaves a dot after
    /// a bare CR or LF unstuffed (RUSTSEC-2026-0561).
    pub(super) async fn deliver(
        &mut self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<Reply, Failure> {
        self.address(from, to).await?;
        let go_ahead = within(self.patience.stage, Stage::Data, self.connection.command(Data)).await?;
        if !go_ahead.has_code(354) {
            return Err(Stage::Data.failed(Why::Lost));
        }
        let answer = within(self.patience.message, Stage::Message, self.connection.message(message)).await?;
        self.open = false;
        completed(Stage::Message, answer)
    }

    /// Names sender and recipient.
    pub(super) async fn address(&mut self, from: &Address, to: &Address) -> Result<(), Failure> {
        let patience = self.patience();
        self.open = true;
        let mail = self.connection.command(Mail::new(Some(from.clone()), Vec::new()));
        completed(Stage::Mail, within(patience, Stage::Mail, mail).await?)?;
        let rcpt = self.connection.command(Rcpt::new(to.clone(), Vec::new()));
        completed(Stage::Rcpt, within(self.patience.stage, Stage::Rcpt, rcpt).await?)?;
        Ok(())
    }

    /// Forgets sender and recipient.
    pub(super) async fn reset(&mut self) -> Result<(), Failure> {
        let patience = self.patience();
        let answer = within(patience, Stage::Mail, self.connection.command(Rset)).await?;
        completed(Stage::Mail, answer)?;
        self.open = false;
        Ok(())
    }

    /// Says good-bye. Nobody waits long for the answer.
    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(1), self.connection.quit()).await;
    }
}

/// The reply, if it is a 2xx. lettre also lets 3xx pass, which here would mean that the two sides have lost
/// step.
fn completed(stage: Stage, answer: Response) -> Result<Reply, Failure> {
    let code = u16::from(answer.code());
    if (200..300).contains(&code) { Ok(answer.into()) } else { Err(stage.failed(Why::Lost)) }
}

async fn within<T, E: Into<Why>>(
    patience: Duration,
    stage: Stage,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(patience, work).await {
        Ok(outcome) => outcome.map_err(|error| stage.failed(error)),
        Err(_) => Err(stage.failed(Why::Timeout)),
    }
}
