//! A mail server, and how to open a session with it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

use super::{
    failure::{Cause, Failure, Stage},
    session::{Session, within},
    timeouts::Timeouts,
    tls::Encryption,
    wire::Wire,
};
use crate::{BadMailSettings, SmtpSettings, Tls};

/// Head start of an address before the next one is tried beside it: an address family without a route, as IPv6 often is,
/// must not delay every mail by a whole timeout.
const HEAD_START: Duration = Duration::from_secs(3);

/// A mail server, and how to open a session with it.
pub(super) struct Server {
    settings: SmtpSettings,
    hello: String,
    /// Nothing with [`Tls::Never`].
    encryption: Option<Encryption>,
    pub(super) timeouts: Timeouts,
}

impl Server {
    pub(super) fn new(settings: SmtpSettings, hello: String) -> Result<Self, BadMailSettings> {
        let encryption = match settings.tls {
            Tls::Never => None,
            Tls::WhenOffered | Tls::Required | Tls::Implicit => Some(Encryption::new(&settings)?),
        };
        Ok(Self { settings, hello, encryption, timeouts: Timeouts::default() })
    }

    /// Returns `host:port`, for the operator.
    pub(super) fn endpoint(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Opens a session that is ready for mail. `on_greeting` runs once the server has accepted the connection.
    pub(super) async fn open(
        &self,
        timeouts: Timeouts,
        on_greeting: impl FnOnce(),
    ) -> Result<Session, Failure> {
        let addresses = self.resolve(timeouts).await?;
        let tcp = self.dial(timeouts, &addresses).await?;
        let session = self.greet(timeouts, tcp).await?;
        on_greeting();
        let mut session = self.start_tls(session).await?;
        self.log_in(&mut session).await?;
        Ok(session)
    }

    pub(super) async fn resolve(&self, timeouts: Timeouts) -> Result<Vec<SocketAddr>, Failure> {
        let host = (self.settings.host.as_str(), self.settings.port);
        match timeout(timeouts.lookup, lookup_host(host)).await {
            Ok(Ok(found)) => Some(interleaved(found)).filter(|found| !found.is_empty()),
            Ok(Err(_)) => None,
            Err(_) => return Err(Stage::Dns.failed(Cause::Timeout)),
        }
        .ok_or_else(|| Stage::Dns.failed(Cause::NoAddress))
    }

    /// Connects to the first address that accepts; `localhost` often has one that does not.
    pub(super) async fn dial(
        &self,
        timeouts: Timeouts,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, Failure> {
        dial_with(timeouts, TcpStream::connect, addresses).await
    }

    /// Waits for the greeting and sends EHLO; implicit TLS comes first.
    pub(super) async fn greet(&self, timeouts: Timeouts, tcp: TcpStream) -> Result<Session, Failure> {
        let loopback = tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
        let wire = match (&self.encryption, self.settings.tls) {
            (Some(encryption), Tls::Implicit) => {
                let handshake = encryption.connector.connect(encryption.name.clone(), tcp);
                Wire::encrypted(within(timeouts.handshake, Stage::Tls, handshake).await?)
            }
            _ => Wire::plain(tcp),
        };
        let mut session = Session::new(wire, loopback, timeouts);
        session.greeting().await?;
        session.hello(Stage::Hello, &self.hello).await?;
        Ok(session)
    }

    /// Starts TLS if the server offers it and TLS is neither implicit nor off.
    pub(super) async fn start_tls(&self, mut session: Session) -> Result<Session, Failure> {
        let Some(encryption) = &self.encryption else { return Ok(session) };
        if !session.is_encrypted() && session.offers_starttls() {
            session = session.start_tls(encryption).await?;
            session.hello(Stage::StartTls, &self.hello).await?;
        }
        match self.settings.tls {
            Tls::Required if !session.is_encrypted() => Err(Stage::StartTls.failed(Cause::NotOffered)),
            _ => Ok(session),
        }
    }

    /// Sends AUTH if credentials are set. The check that a plain-text connection stays on this machine uses the peer's
    /// address, not the host's name.
    pub(super) async fn log_in(&self, session: &mut Session) -> Result<(), Failure> {
        let Some(credentials) = &self.settings.credentials else { return Ok(()) };
        if !session.is_encrypted() && !session.loopback {
            return Err(Stage::Auth.failed(Cause::Plaintext));
        }
        session.log_in(credentials).await
    }

    pub(super) fn logs_in(&self) -> bool {
        self.settings.credentials.is_some()
    }

    /// Returns why a connection without encryption has none.
    pub(super) fn plain_reason(&self) -> &'static str {
        match self.settings.tls {
            Tls::Never => "turned off by tls=none, mail is sent in plain text",
            _ => "not offered, mail is sent in plain text",
        }
    }
}

/// Connects to the addresses with `connect`, each one a [`HEAD_START`] after the previous one, or as soon as that has
/// failed. Returns the first connection.
pub(super) async fn dial_with<F>(
    timeouts: Timeouts,
    connect: impl Fn(SocketAddr) -> F,
    addresses: &[SocketAddr],
) -> Result<TcpStream, Failure>
where
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    within(timeouts.dial, Stage::Tcp, async {
        let (mut cause, mut attempts, mut rest) = (Cause::NoAddress, JoinSet::new(), addresses.iter());
        loop {
            if let Some(address) = rest.next() {
                attempts.spawn(timeout(timeouts.connect, connect(*address)));
            }
            let wait = if rest.len() > 0 { HEAD_START } else { timeouts.dial };
            match timeout(wait, attempts.join_next()).await {
                Ok(None) => return Err(cause),
                Ok(Some(Ok(Ok(Ok(tcp))))) => {
                    tcp.set_nodelay(true)?;
                    return Ok(tcp);
                }
                Ok(Some(Ok(Ok(Err(error))))) => cause = error.into(),
                Ok(Some(Ok(Err(_)))) => cause = Cause::Timeout,
                Ok(Some(Err(_))) => cause = Cause::Lost,
                Err(_) => {}
            }
        }
    })
    .await
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
