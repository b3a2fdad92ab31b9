//! The `Mailer` port: how mails look, and how they leave.
//!
//! # Map
//! * [`TransportConfig`] is what `mail_url` says: SMTP, files or the terminal.
//! * `catalogue` has the phrases of each language, those of `reset-words`; `templates` puts them into the layouts of
//!   `layouts/`, or into a deployment's own; `message` makes a letter of it.
//! * `smtp`, `file` and `terminal` each take a letter away; `blocking_queue` is where the latter two block, `transport` any of them.
//! * [`DemoMailbox`] is where a demonstration shows its mails, however they leave.
//! * `relay` is one way to leave, and when it is left alone for the other; `domains` keeps a slow domain from holding
//!   up all others.
//!
//! # Invariants
//! * Bodies are quoted-printable and CRLF-clean; there is no way past that (R24).
//! * Errors and logs hold reply codes and words of ours: no address, no secret, no server's prose (R70).
//! * There is no sendmail transport: no process is ever started (R25).
//!
//! # How to add a transport
//! A variant of [`TransportConfig`] with its URL in [`TransportConfig::parse`], a file with a function that takes a
//! `ComposedMail`, and a line in each `match` of `transport`.

mod blocking_queue;
mod catalogue;
mod demo_mailbox;
mod domains;
mod file;
mod mail_kind;
mod message;
mod relay;
mod smtp;
mod templates;
mod terminal;
mod transport;
mod transport_config;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use lettre::{message::Mailbox, transport::smtp::extension::ClientId};
use reset_core::{error::MailError, language::Language, mail::Mail, ports::Mailer};
use thiserror::Error;

pub use self::{
    demo_mailbox::{DemoMail, DemoMailbox},
    mail_kind::MailKind,
    templates::{BadTemplate, Templates, Trial},
    transport::DiagnosisStep,
    transport_config::{BadMailUrl, Credentials, SmtpSettings, Tls, TransportConfig},
};
use self::{
    domains::Domains,
    message::{ComposedMail, Composer},
    relay::{Relay, SendError},
    templates::sample_mail,
    transport::Transport,
};

/// Most mails on their way to one recipient's domain, by default.
pub const PER_DOMAIN: usize = 4;

/// Most mails on their way to one mail server: with so many to one domain, a slow one can hold up all others.
pub const CONNECTIONS: usize = smtp::CONNECTIONS;

/// Writes mails and hands them over.
pub struct MailService {
    composer: Composer,
    hello: ClientId,
    /// The first is asked before the second.
    relays: Vec<Relay>,
    domains: Domains,
    mailbox: Option<Arc<DemoMailbox>>,
}

/// The settings cannot make a mail service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMailSettings {
    /// The list of transports is empty.
    #[error("there is no mail transport")]
    NoTransport,
    /// `mail_from` is no address.
    #[error("mail_from must be an address in ASCII such as `Polyreset <no-reply@example.org>`")]
    From,
    /// The domain is neither a host name nor an IP address.
    #[error("the domain of message ids must be a host name or an IP address")]
    Domain,
    /// The mail server's host is neither a name nor an IP address.
    #[error("the mail server's host must be a name in ASCII or an IP address")]
    Host,
    /// An extra trust anchor is no certificate.
    #[error("the extra trust anchors must be certificates in PEM")]
    Roots,
}

/// A mail to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The whole RFC 5322 message.
    pub message: Vec<u8>,
}

impl MailService {
    /// A service that sends from `from` (`mail_from`) by every one of `transports`. `domain` is the host of
    /// `public_url`, right of the `@` in each `Message-ID` and the name in EHLO.
    ///
    /// With several transports each mail goes to all, in order. The first that fails ends the try; the next
    /// try starts over, so that the earlier ones see the mail again, with the same `Message-ID`. The demo
    /// prints and files its mails this way.
    ///
    /// # Errors
    /// [`BadMailSettings`] names the setting.
    pub fn new(transports: Vec<TransportConfig>, from: &str, domain: &str) -> Result<Self, BadMailSettings> {
        if transports.is_empty() {
            return Err(BadMailSettings::NoTransport);
        }
        let from = from.parse().ok().filter(|from: &Mailbox| AsRef::<str>::as_ref(&from.email).is_ascii());
        let hello = identity(domain).ok_or(BadMailSettings::Domain)?;
        let templates = Templates::ours(Language::En.primary());
        let composer = Composer::new(from.ok_or(BadMailSettings::From)?, hello.to_string(), templates);
        let transports = transports.into_iter().map(|transport| Transport::new(transport, &hello));
        let relays = vec![Relay::new("mail_url", transports.collect::<Result<_, _>>()?)];
        Ok(Self { composer, hello, relays, domains: Domains::new(PER_DOMAIN), mailbox: None })
    }

    /// The same with a second way (`mail_fallback_url`) for mails that the first does not take for now.
    ///
    /// Both are asked in one try. A first server that cannot be reached, or turns everybody away, is left alone for
    /// 5 s and longer each time, up to 60 s, so that not every mail waits for it; should the second fail as well, it
    /// is asked all the same. A mail that was refused for good is not offered to the second.
    ///
    /// When the connection breaks after the message was begun, nobody knows whether the server has it. The second
    /// gets it as well, with the same `Message-ID`: a duplicate is better than a loss.
    ///
    /// # Errors
    /// [`BadMailSettings`] names the setting.
    pub fn with_fallback(mut self, transport: TransportConfig) -> Result<Self, BadMailSettings> {
        let transport = Transport::new(transport, &self.hello)?;
        self.relays.push(Relay::new("mail_fallback_url", vec![transport]));
        self.relays.iter_mut().for_each(|relay| relay.has_spare = true);
        Ok(self)
    }

    /// The same with at most `most` mails, but one at least, at once to one recipient's domain, where a mail server takes them;
    /// [`PER_DOMAIN`] without it.
    pub fn with_per_domain(self, most: usize) -> Self {
        Self { domains: Domains::new(most), ..self }
    }

    /// The same with other templates than ours in English.
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { composer: self.composer.with_templates(templates), ..self }
    }

    /// The same with a place where mails are kept to be shown, once they have left.
    pub fn with_demo_mailbox(self, mailbox: Arc<DemoMailbox>) -> Self {
        Self { mailbox: Some(mailbox), ..self }
    }

    /// Writes a mail of this kind with made-up words, and sends it nowhere.
    pub fn preview(&self, kind: MailKind, dialect: &str, locale: Option<&str>) -> Preview {
        let letter = self.composer.compose(&sample_mail(kind, dialect, locale));
        let ComposedMail { subject, text, html, bytes, .. } = letter.expect("the sample can be sent to");
        Preview { subject, text, html, message: bytes }
    }

    /// Tries each transport step by step, up to its first step that fails. Nothing is sent: a mail server
    /// is asked whether it would take a mail from the sender to the sender, and then to forget it.
    pub async fn diagnose(&self) -> Vec<DiagnosisStep> {
        let mut steps = Vec::new();
        for relay in &self.relays {
            for transport in &relay.transports {
                steps.extend(transport.diagnose(self.composer.from(), relay.setting).await);
            }
        }
        steps
    }

    /// Says good-bye on idle connections. Without it they are just dropped, which harms nobody.
    pub async fn shutdown(&self) {
        for transport in self.transports() {
            if let Transport::Smtp(smtp) = transport {
                smtp.shutdown().await;
            }
        }
    }

    fn transports(&self) -> impl Iterator<Item = &Transport> {
        self.relays.iter().flat_map(|relay| &relay.transports)
    }

    /// Offers a letter to one relay after the other. Those that are left alone come last, and only if it was not the
    /// mail that the others did not like.
    async fn offer(&self, letter: &ComposedMail) -> Result<String, MailError> {
        let (mut resting, mut replies, mut by_server) = (Vec::new(), Vec::new(), true);
        for relay in &self.relays {
            if !relay.begin() {
                resting.push(relay);
                continue;
            }
            match relay.send(letter).await {
                Ok(reply) => return Ok(self.told(relay, reply)),
                Err(error) => by_server &= put_off(error, &mut replies)?,
            }
        }
        for relay in if by_server { resting } else { Vec::new() } {
            match relay.send(letter).await {
                Ok(reply) => return Ok(self.told(relay, reply)),
                Err(error) => put_off(error, &mut replies).map(drop)?,
            }
        }
        Err(MailError::Temporary { reply: replies.join(", then ") })
    }

    /// The reply, with the setting by which it came where it is not the first.
    fn told(&self, relay: &Relay, reply: String) -> String {
        if self.relays[0].setting == relay.setting { reply } else { format!("{reply} by {}", relay.setting) }
    }
}

/// Notes why a relay did not take a mail for now, and returns whether it was the server's fault.
///
/// # Errors
/// When it is final: whoever was asked first has spoken for all.
fn put_off(error: SendError, replies: &mut Vec<String>) -> Result<bool, MailError> {
    match error.error {
        MailError::Temporary { reply } | MailError::Busy { reply } => {
            replies.push(reply);
            Ok(error.by_server)
        }
        permanent @ MailError::Permanent { .. } => Err(permanent),
    }
}

#[async_trait]
impl Mailer for MailService {
    /// Returns the reply: `250 2.0.0` and the like, `filed` or `printed`; `250 2.0.0 by mail_fallback_url`.
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let letter = self.composer.compose(mail)?;
        let mut turn = None;
        if self.transports().any(|transport| matches!(transport, Transport::Smtp(_))) {
            turn = self.domains.turn(letter.to.domain()).await;
            if turn.is_none() {
                return Err(MailError::Busy { reply: "domain busy".to_owned() });
            }
        }
        let offered = self.offer(&letter).await;
        drop(turn);
        if let (Ok(_), Some(mailbox)) = (&offered, &self.mailbox) {
            mailbox.keep(mail, &letter);
        }
        offered
    }

    /// Writes the letter, and files it where mails are filed first of all, for a moment. A mail server is not spoken
    /// to: it would take what is not a mail for ill manners.
    async fn prepare_decoy(&self, mail: &Mail) {
        let Ok(letter) = self.composer.compose(mail) else { return };
        for transport in &self.relays[0].transports {
            if let Transport::File(folder) = transport {
                folder.prepare_decoy(&letter).await;
            }
        }
    }

    /// Whether any relay works.
    async fn check(&self) -> Result<(), MailError> {
        let mut replies = Vec::new();
        for relay in &self.relays {
            match relay.check().await {
                Ok(()) => return Ok(()),
                Err(error) => put_off(error, &mut replies).map(drop)?,
            }
        }
        Err(MailError::Temporary { reply: replies.join(", then ") })
    }
}

/// How we call ourselves. An IP address, bracketed or not, becomes an address literal: bare, it is allowed
/// neither in EHLO nor in a `Message-ID`.
fn identity(domain: &str) -> Option<ClientId> {
    let bare = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']')).unwrap_or(domain);
    match bare.parse() {
        Ok(IpAddr::V4(ip)) => return Some(ClientId::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => return Some(ClientId::Ipv6(ip)),
        Err(_) => {}
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    domain.split('.').all(label).then(|| ClientId::Domain(domain.to_owned()))
}
