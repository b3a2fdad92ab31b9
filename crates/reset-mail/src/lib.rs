//! The `Mailer` port: composes mails and sends them.
//!
//! # Map
//! * [`TransportConfig`] is the parsed `mail_url`: SMTP, files or the terminal.
//! * `catalogue` reads the phrases of each language from `reset-words`; `templates` inserts them into the built-in
//!   layouts of `layouts/` or into a deployment's templates; `message` turns the result into an RFC 5322 message with the
//!   brand's logos, and `dkim` signs it.
//! * `smtp`, `file` and `terminal` each deliver a message, and `transport` is any one of the three. `file` and
//!   `terminal` run their blocking writes in `blocking_queue`.
//! * [`DemoMailbox`] keeps the mails that the demo shows, whatever the transport.
//! * `relay` groups the transports of one setting and holds their backoff; `domains` limits the concurrent mails per
//!   recipient domain, so that one slow domain does not hold up all others; `rate` limits the mails per period.
//! * `smtp` is a mail server: `server` opens a `session` on a `wire`, `slots` limits the connections to what the server
//!   accepts, `reply` decides what a rejection is about, and `remedy` words it for the operator.
//!
//! ```
//! use reset_mail::{MailService, TransportConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let smtp = TransportConfig::parse("smtp://user:password@mail.example.com:587?tls=required")?;
//! let mailer = MailService::new(vec![smtp], "Acme <no-reply@example.com>", "example.com")?;
//! # let _ = mailer;
//! assert!(TransportConfig::parse("smtp://").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! * Every body is quoted-printable or Base64, and CRLF-clean; no code path bypasses that (R24).
//! * Errors and logs hold reply codes and fixed words: no address, no secret, no server's prose (R70).
//! * There is no sendmail transport: the crate never starts a process (R25).
//!
//! # How to add a transport
//! Add a variant to [`TransportConfig`] and its URL to [`TransportConfig::parse`], write a file with a function that
//! takes a `ComposedMail`, and add a line to each `match` of `transport`.

mod blocking_queue;
mod catalogue;
mod demo_mailbox;
mod dkim;
mod domains;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod mail_kind;
mod message;
mod rate;
mod relay;
mod sender;
mod smtp;
mod templates;
mod terminal;
mod test_mail;
mod transport;
mod transport_config;

use std::sync::Arc;

use async_trait::async_trait;
use reset_core::{error::MailError, language::Language, mail::Mail, ports::Mailer};
use reset_words::brand::Brand;
use thiserror::Error;

pub use self::{
    demo_mailbox::{DemoMail, DemoMailbox},
    dkim::{BadDkim, DkimSigner},
    limits::{CONNECTIONS, CONNECTIONS_MAX, MailLimits, PER_DOMAIN},
    mail_kind::MailKind,
    rate::Rate,
    templates::{BadTemplate, Templates, Trial},
    transport::DiagnosisStep,
    transport_config::{BadMailUrl, Credentials, SmtpSettings, Tls, TransportConfig},
};
use self::{
    domains::Domains,
    message::{ComposedMail, Composer},
    rate::RateLimit,
    relay::{Relay, SendError},
    sender::{host_name, sender},
    templates::sample_mail,
    transport::Transport,
};

/// Composes mails and hands them to the transports.
pub struct MailService {
    composer: Composer,
    hello: String,
    /// The primary, then the fallback if one is set.
    relays: Vec<Relay>,
    limits: MailLimits,
    domains: Arc<Domains>,
    rate: Option<RateLimit>,
    mailbox: Option<Arc<DemoMailbox>>,
}

/// A mail setting is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMailSettings {
    /// The list of transports is empty.
    #[error("there is no mail transport")]
    NoTransport,
    /// `mail_from` is not an address.
    #[error("mail_from must be an address in ASCII such as `Polyreset <no-reply@example.org>`")]
    From,
    /// The domain is neither a host name nor an IP address.
    #[error("the domain of message ids must be a host name or an IP address")]
    Domain,
    /// The mail server's host is neither a name nor an IP address.
    #[error("the mail server's host must be a name in ASCII or an IP address")]
    Host,
    /// An extra trust anchor is not a certificate.
    #[error("the extra trust anchors must be certificates in PEM")]
    Roots,
}

/// A sample mail for `templates preview`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part, with its pictures in place, so that a browser shows it.
    pub html: String,
    /// The whole RFC 5322 message.
    pub message: Vec<u8>,
}

impl MailService {
    /// Creates a service that sends from `from` (`mail_from`) through all of `transports`. `domain` is the host of
    /// `public_url`; it is the name in EHLO, and the site that codes are bound to unless the brand has a sign-in page.
    ///
    /// With several transports, each mail goes to all of them, in order. The first failure ends the attempt. The
    /// next attempt starts over, so the earlier transports get the mail again, with the same `Message-ID`. The demo
    /// uses this to print its mails and to write them to files.
    ///
    /// # Errors
    /// Returns the [`BadMailSettings`] that names the invalid setting.
    pub fn new(transports: Vec<TransportConfig>, from: &str, domain: &str) -> Result<Self, BadMailSettings> {
        if transports.is_empty() {
            return Err(BadMailSettings::NoTransport);
        }
        let from = sender(from).ok_or(BadMailSettings::From)?;
        let hello = host_name(domain).ok_or(BadMailSettings::Domain)?;
        let templates = Templates::built_in(Language::En.primary());
        let composer = Composer::new(from, hello.clone(), templates);
        let transports = transports.into_iter().map(|transport| Transport::new(transport, &hello));
        let relays = vec![Relay::new("mail_url", transports.collect::<Result<_, _>>()?)];
        let service = Self {
            composer,
            hello,
            relays,
            limits: MailLimits::default(),
            domains: Domains::new(PER_DOMAIN, CONNECTIONS),
            rate: None,
            mailbox: None,
        };
        Ok(service.configured())
    }

    /// Adds a fallback transport (`mail_fallback_url`) for mails that the primary temporarily rejects.
    ///
    /// One attempt tries both. A server that is unreachable, or rejects every client, is skipped for a backoff of
    /// 5 s that doubles with each failure up to 60 s, so that not every mail waits for its timeout. If the other
    /// server fails too, the skipped one is tried after all. So is a server whose connections are all stuck.
    ///
    /// The fallback is not offered a mail whose recipient was permanently rejected, nor one that the primary may have
    /// accepted: if the reply to the message is missing, the outcome is [`MailError::Uncertain`].
    ///
    /// # Errors
    /// Returns the [`BadMailSettings`] that names the invalid setting.
    pub fn with_fallback(mut self, transport: TransportConfig) -> Result<Self, BadMailSettings> {
        let transport = Transport::new(transport, &self.hello)?;
        self.relays.push(Relay::new("mail_fallback_url", vec![transport]));
        self.relays.iter_mut().for_each(|relay| relay.has_alternative = true);
        Ok(self.configured())
    }

    /// Sets the limits of mails by SMTP. Call it before the first mail.
    pub fn with_limits(self, limits: MailLimits) -> Self {
        let domains = Domains::new(limits.per_domain, limits.connections);
        Self { limits, domains, rate: limits.rate.map(RateLimit::new), ..self }.configured()
    }

    /// Applies the limits to every mail server.
    fn configured(mut self) -> Self {
        let MailLimits { connections, timeout, .. } = self.limits;
        for relay in &mut self.relays {
            let has_alternative = relay.has_alternative;
            relay.configure(|smtp| {
                smtp.set_connections(connections);
                smtp.set_timeout(timeout, has_alternative);
            });
        }
        self
    }

    /// Returns how many mails can be sent at once now, at least 1: the limit of the mail server in use, lowered while the
    /// server accepts fewer connections.
    pub fn connections(&self) -> usize {
        let (primary, fallback) = (&self.relays[0], self.relays.get(1));
        match fallback {
            Some(fallback) if primary.is_backing_off() => fallback.connections(),
            Some(fallback) if primary.is_stuck() => primary.connections() + fallback.connections(),
            _ => primary.connections(),
        }
    }

    /// Replaces the templates. The default is the built-in ones in English.
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { composer: self.composer.with_templates(templates), ..self }
    }

    /// Sets the brand that mails show. The default has only a name.
    pub fn with_brand(self, brand: Brand) -> Self {
        Self { composer: self.composer.with_brand(brand), ..self }
    }

    /// Signs mails with DKIM. Without it, the mail server has to.
    pub fn with_dkim(self, signer: DkimSigner) -> Self {
        Self { composer: self.composer.with_dkim(signer), ..self }
    }

    /// Adds a mailbox that keeps each sent mail for the demo to show.
    pub fn with_demo_mailbox(self, mailbox: Arc<DemoMailbox>) -> Self {
        Self { mailbox: Some(mailbox), ..self }
    }

    /// Composes a sample mail of this kind with invented data, without sending it. Its links lead to the hosted pages at
    /// `public_url`; `disputes` tells whether notices have a link.
    pub fn preview(
        &self,
        kind: MailKind,
        dialect: &str,
        locale: Option<&str>,
        public_url: &str,
        disputes: bool,
    ) -> Preview {
        let composed = self.composer.compose(&sample_mail(kind, dialect, locale, public_url, disputes));
        let ComposedMail { subject, text, html, bytes, .. } = composed.expect("the sample address is valid");
        Preview { subject, text, html, message: bytes }
    }

    /// Tests each transport step by step, up to the first step that fails. Nothing is sent: the mail server gets
    /// MAIL and RCPT with the sender's own address, then RSET.
    pub async fn diagnose(&self) -> Vec<DiagnosisStep> {
        let mut steps = Vec::new();
        for relay in &self.relays {
            for transport in &relay.transports {
                steps.extend(transport.diagnose(self.composer.from(), relay.setting).await);
            }
        }
        steps
    }

    /// Fails with a sentence for the operator if another user of the machine could read or replace the mails in a
    /// directory that a setting names.
    ///
    /// # Errors
    /// Returns the sentence.
    pub async fn check_directories(&self) -> Result<(), String> {
        for relay in &self.relays {
            for transport in &relay.transports {
                if let Transport::File(folder) = transport {
                    folder.check_access(relay.setting).await?;
                }
            }
        }
        Ok(())
    }

    /// Closes idle connections with QUIT. Without it they are just dropped, which is harmless.
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

    /// Offers a mail to one relay after the other. Relays in backoff come last, and only if every earlier failure was
    /// the server's: a mail that one server rejects for its own sake does not end another server's backoff.
    async fn offer(&self, composed: &ComposedMail) -> Result<String, MailError> {
        let (mut backing_off, mut replies, mut by_server) = (Vec::new(), Vec::new(), true);
        for relay in &self.relays {
            if !relay.try_begin() {
                backing_off.push(relay);
                continue;
            }
            match relay.send(composed).await {
                Ok(reply) => return Ok(self.with_setting(relay, reply)),
                Err(error) => by_server &= record_temporary(error, &mut replies)?,
            }
        }
        for relay in if by_server { backing_off } else { Vec::new() } {
            match relay.send(composed).await {
                Ok(reply) => return Ok(self.with_setting(relay, reply)),
                Err(error) => record_temporary(error, &mut replies).map(drop)?,
            }
        }
        Err(MailError::Temporary { reply: replies.join(", then ") })
    }

    /// Returns the reply, followed by the relay's setting if it is not the primary's.
    fn with_setting(&self, relay: &Relay, reply: String) -> String {
        if self.relays[0].setting == relay.setting { reply } else { format!("{reply} by {}", relay.setting) }
    }
}

/// Records a temporary rejection, and returns whether it was the server's fault rather than the mail's.
///
/// # Errors
/// Returns any other error as it is. No other relay is tried after a permanent rejection of the recipient, nor if the
/// server may have accepted the mail, nor if it works and is only busy.
fn record_temporary(error: SendError, replies: &mut Vec<String>) -> Result<bool, MailError> {
    match error.error {
        MailError::Temporary { reply } => {
            replies.push(reply);
            Ok(error.by_server)
        }
        other => Err(other),
    }
}

#[async_trait]
impl Mailer for MailService {
    /// Returns the reply, such as `250 2.0.0`, `filed`, `printed` or `250 2.0.0 by mail_fallback_url`.
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let composed = self.composer.compose(mail)?;
        let by_smtp = self.transports().any(|transport| matches!(transport, Transport::Smtp(_)));
        let busy = |limit: &str, only_domain| MailError::Busy { reply: limit.to_owned(), only_domain };
        let permit = if by_smtp {
            let permit = self.domains.acquire(composed.to.domain()).await;
            Some(permit.ok_or_else(|| busy("domain busy", true))?)
        } else {
            None
        };
        let rate = self.rate.as_ref().filter(|_| by_smtp);
        if rate.is_some_and(|rate| !rate.acquire()) {
            return Err(busy("mail rate", false));
        }
        let outcome = self.offer(&composed).await;
        drop(permit);
        if let (Err(MailError::Busy { .. }), Some(rate)) = (&outcome, rate) {
            rate.give_back();
        }
        if let (Ok(_), Some(mailbox)) = (&outcome, &self.mailbox) {
            mailbox.keep(mail, &composed);
        }
        outcome
    }

    /// Composes the mail and, if the primary relay writes files, writes and removes a file: the same work as for a
    /// real mail. A mail server is not contacted, because it might penalize connections that send no mail.
    async fn prepare_decoy(&self, mail: &Mail) {
        let Ok(composed) = self.composer.compose(mail) else { return };
        for transport in &self.relays[0].transports {
            if let Transport::File(folder) = transport {
                folder.prepare_decoy(&composed).await;
            }
        }
    }

    fn slots(&self) -> usize {
        self.connections()
    }

    /// Succeeds if any relay could take a mail now. A relay that rejected the last three mails or more because of the
    /// sender, its quota or their content cannot, until it accepts one.
    async fn check(&self) -> Result<(), MailError> {
        let mut replies = Vec::new();
        for relay in &self.relays {
            match relay.check().await {
                Ok(()) => return Ok(()),
                Err(error) => record_temporary(error, &mut replies).map(drop)?,
            }
        }
        Err(MailError::Temporary { reply: replies.join(", then ") })
    }
}
