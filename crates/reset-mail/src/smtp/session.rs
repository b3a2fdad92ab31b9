//! One conversation with a mail server, stage by stage.

use std::{future::Future, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use lettre::Address;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    failure::{Cause, Failure, Stage},
    reply::Reply,
    timeouts::Timeouts,
    tls::Encryption,
    wire::{Lines, Wire, framed},
};
use crate::Credentials;

/// Size of the blocks in which a message is sent, each with a timeout of its own.
const BLOCK: usize = 16 * 1024;

/// A conversation after the TCP connection.
pub(super) struct Session {
    wire: Wire,
    offers: Offers,
    /// Whether the server is on this machine.
    pub(super) loopback: bool,
    timeouts: Timeouts,
    /// Timeout of the next command, if the connection was idle.
    after_idle: Option<Duration>,
    /// Whether the server may hold a sender from an unfinished mail, which needs RSET.
    in_transaction: bool,
}

/// What the reply to EHLO offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offers {
    starttls: bool,
    plain: bool,
    login: bool,
}

impl Offers {
    /// Keywords and mechanisms are compared without regard to case (RFC 5321, 2.4). `AUTH=` is a form before RFC 4954.
    fn parse(lines: &Lines) -> Self {
        let mut offers = Self::default();
        for line in lines.texts.iter().skip(1) {
            let mut words =
                line.split(|byte: char| byte == '=' || byte.is_whitespace()).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => offers.starttls = true,
                Some("AUTH") => {
                    for mechanism in words {
                        offers.plain |= mechanism == "PLAIN";
                        offers.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

impl Session {
    pub(super) fn new(wire: Wire, loopback: bool, timeouts: Timeouts) -> Self {
        let offers = Offers::default();
        Self { wire, offers, loopback, timeouts, after_idle: None, in_transaction: false }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.wire.is_encrypted()
    }

    pub(super) fn offers_starttls(&self) -> bool {
        self.offers.starttls
    }

    /// Waits for the greeting.
    pub(super) async fn greeting(&mut self) -> Result<(), Failure> {
        let lines = within(self.timeouts.command, Stage::Hello, self.wire.read()).await?;
        completed(Stage::Hello, &lines).map(drop)
    }

    /// Sends EHLO.
    pub(super) async fn hello(&mut self, stage: Stage, name: &str) -> Result<(), Failure> {
        let lines = self.command(stage, &format!("EHLO {name}")).await?;
        completed(stage, &lines)?;
        self.offers = Offers::parse(&lines);
        Ok(())
    }

    /// Sends STARTTLS and encrypts the connection. The reply to EHLO is forgotten, because an attacker may have changed
    /// it (RFC 3207, 4.2).
    pub(super) async fn start_tls(mut self, encryption: &Encryption) -> Result<Self, Failure> {
        let lines = self.command(Stage::StartTls, "STARTTLS").await?;
        completed(Stage::StartTls, &lines)?;
        let tcp = self.wire.into_tcp().map_err(|cause| Stage::StartTls.failed(cause))?;
        let handshake = encryption.connector.connect(encryption.name.clone(), tcp);
        let tls = within(self.timeouts.handshake, Stage::StartTls, handshake).await?;
        Ok(Self { wire: Wire::encrypted(tls), offers: Offers::default(), ..self })
    }

    /// Sends AUTH PLAIN, or AUTH LOGIN if only that is offered.
    ///
    /// LOGIN sends the user name and then the password, whatever the server's prompts say: there is no standard for
    /// their text, and servers translate it.
    pub(super) async fn log_in(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let encoded = |text: &str| Zeroizing::new(BASE64_STANDARD.encode(text));
        let (user, password) = (&credentials.user, &credentials.password);
        let (command, answers) = if self.offers.plain {
            let response = encoded(&Zeroizing::new(format!("\0{user}\0{}", password.as_str())));
            (Zeroizing::new(format!("AUTH PLAIN {}", response.as_str())), vec![response])
        } else if self.offers.login {
            (Zeroizing::new("AUTH LOGIN".to_owned()), vec![encoded(user), encoded(password)])
        } else {
            return Err(Stage::Auth.failed(Cause::NotOffered));
        };
        let mut lines = self.command(Stage::Auth, &command).await?;
        for answer in answers {
            if lines.code != 334 {
                break;
            }
            lines = self.command(Stage::Auth, &answer).await?;
        }
        completed(Stage::Auth, &lines).map(drop)
    }

    /// Prepares an idle connection for the next mail. RSET is sent only here: right after a rejection, a late reply to
    /// RSET would delay the outcome.
    pub(super) async fn prepare(&mut self, timeouts: Timeouts) -> Result<(), Failure> {
        self.timeouts = timeouts;
        self.after_idle = Some(timeouts.after_idle);
        if self.in_transaction { self.reset().await } else { Ok(()) }
    }

    /// Sends one message and returns the reply without its prose. Its bytes are encoded, so that no line exceeds the limit of RFC 5321.
    pub(super) async fn deliver(
        &mut self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<Reply, Failure> {
        let lines = self.transfer(from, to, message).await?;
        completed(Stage::Message, &lines)
    }

    /// Sends one message, and returns the server's accepting reply to it.
    pub(super) async fn transfer(
        &mut self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<Lines, Failure> {
        self.set_envelope(from, to).await?;
        let go_ahead = within(self.timeouts.data, Stage::Data, self.wire.command("DATA")).await?;
        if go_ahead.code != 354 {
            completed(Stage::Data, &go_ahead)?;
            return Err(Stage::Data.failed(Cause::Lost));
        }
        for block in framed(message).chunks(BLOCK) {
            within(self.timeouts.block, Stage::Transfer, self.wire.write(block)).await?;
        }
        let reply = async {
            self.wire.flush().await?;
            self.wire.read().await
        };
        let lines = within(self.timeouts.message, Stage::Message, reply).await?;
        completed(Stage::Message, &lines)?;
        self.in_transaction = false;
        Ok(lines)
    }

    /// Sends MAIL FROM and RCPT TO.
    pub(super) async fn set_envelope(&mut self, from: &Address, to: &Address) -> Result<(), Failure> {
        let limit = self.next_timeout();
        self.in_transaction = true;
        let mail = format!("MAIL FROM:<{from}>");
        let lines = within(limit, Stage::Mail, self.wire.command(&mail)).await?;
        completed(Stage::Mail, &lines)?;
        let lines = self.command(Stage::Rcpt, &format!("RCPT TO:<{to}>")).await?;
        completed(Stage::Rcpt, &lines).map(drop)
    }

    /// Sends RSET, which discards sender and recipient.
    pub(super) async fn reset(&mut self) -> Result<(), Failure> {
        let limit = self.next_timeout();
        let lines = within(limit, Stage::Mail, self.wire.command("RSET")).await?;
        completed(Stage::Mail, &lines)?;
        self.in_transaction = false;
        Ok(())
    }

    /// Sends QUIT, and waits at most 1 s for the reply.
    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(1), self.wire.command("QUIT")).await;
    }

    /// Takes the timeout of the next command.
    fn next_timeout(&mut self) -> Duration {
        self.after_idle.take().unwrap_or(self.timeouts.command)
    }

    async fn command(&mut self, stage: Stage, command: &str) -> Result<Lines, Failure> {
        within(self.timeouts.command, stage, self.wire.command(command)).await
    }
}

/// Returns the reply if it is a 2xx. A 3xx here means that the two sides are out of step.
fn completed(stage: Stage, lines: &Lines) -> Result<Reply, Failure> {
    let reply = lines.reply();
    match reply.code() {
        200..=299 => Ok(reply),
        300..=399 => Err(stage.failed(Cause::Lost)),
        _ => Err(stage.failed(Cause::Reply(reply))),
    }
}

pub(super) async fn within<T, E: Into<Cause>>(
    limit: Duration,
    stage: Stage,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(|error| stage.failed(error)),
        Err(_) => Err(stage.failed(Cause::Timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_of_ehlo_are_read_without_regard_to_case() {
        let lines =
            |texts: &[&str]| Lines { code: 250, texts: texts.iter().map(ToString::to_string).collect() };
        let every = Offers { starttls: true, plain: true, login: true };
        for texts in [
            &["relay", "STARTTLS", "AUTH PLAIN LOGIN"][..],
            &["relay", "starttls", "auth plain login"],
            &["relay", "StartTls", "Auth=Login Plain", "SIZE 100"],
        ] {
            assert_eq!(Offers::parse(&lines(texts)), every, "{texts:?}");
        }
        // The first line is the server's name.
        assert_eq!(Offers::parse(&lines(&["STARTTLS", "AUTH CRAM-MD5", "XSTARTTLS"])), Offers::default());
    }
}
