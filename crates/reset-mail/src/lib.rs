//! The `Mailer` port: how mails look, and how they leave.
//!
//! # Map
//! * [`Transport`] is what `mail_url` says: SMTP, files or the terminal.
//! * `message` turns the domain's mail into a letter, with the templates in `templates/`.
//! * `smtp`, `file` and `terminal` each take a letter away; `lane` is where the latter two block.
//!
//! # Invariants
//! * Bodies are quoted-printable and CRLF-clean; there is no way past that (R24).
//! * Errors and logs hold reply codes and words of ours: no address, no secret, no server's prose (R70).
//! * There is no sendmail transport: no process is ever started (R25).
//!
//! # How to add a transport
//! A variant of [`Transport`] with its URL in [`Transport::parse`], a file with a function that takes a
//! `Letter`, and a line in each `match` of [`MailService`].

mod catalogue;
mod file;
mod kind;
mod lane;
mod message;
mod smtp;
mod templates;
mod terminal;
mod transport;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use lettre::{message::Mailbox, transport::smtp::extension::ClientId};
use reset_core::{error::MailError, language::Language, mail::Mail, ports::Mailer};
use thiserror::Error;

use self::{
    file::Folder,
    message::{Composer, Letter},
    smtp::Smtp,
    templates::sample_mail,
    terminal::Terminal,
};
pub use self::{
    kind::Kind,
    templates::{BadTemplate, Templates, Trial},
    transport::{BadMailUrl, Credentials, SmtpSettings, Tls, Transport},
};

/// Writes mails and hands them to every transport.
pub struct MailService {
    composer: Composer,
    outlets: Vec<Outlet>,
}

enum Outlet {
    Smtp(Arc<Smtp>),
    File(Folder),
    Stdout(Terminal),
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

/// One step of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried: `dns`, `tcp`, `tls`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `directory`,
    /// `terminal`.
    pub name: &'static str,
    /// What was found; or what failed and how to put it right, in one sentence.
    pub result: Result<String, String>,
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
    pub fn new(transports: Vec<Transport>, from: &str, domain: &str) -> Result<Self, BadMailSettings> {
        if transports.is_empty() {
            return Err(BadMailSettings::NoTransport);
        }
        let from = from.parse().ok().filter(|from: &Mailbox| AsRef::<str>::as_ref(&from.email).is_ascii());
        let hello = identity(domain).ok_or(BadMailSettings::Domain)?;
        let templates = Templates::ours(Language::En.primary());
        let composer = Composer::new(from.ok_or(BadMailSettings::From)?, hello.to_string(), templates);
        let open = |transport| {
            Ok(match transport {
                Transport::Smtp(settings) => Outlet::Smtp(Smtp::new(settings, hello.clone())?),
                Transport::File { dir } => Outlet::File(Folder::new(dir)),
                Transport::Stdout => Outlet::Stdout(Terminal::default()),
            })
        };
        let outlets = transports.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { composer, outlets })
    }

    /// The same with other templates than ours in English.
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { composer: self.composer.with_templates(templates), ..self }
    }

    /// Writes a mail of this kind with made-up words, and sends it nowhere.
    pub fn preview(&self, kind: Kind, dialect: &str, locale: Option<&str>) -> Preview {
        let letter = self.composer.compose(&sample_mail(kind, dialect, locale));
        let Letter { subject, text, html, bytes, .. } = letter.expect("the sample can be sent to");
        Preview { subject, text, html, message: bytes }
    }

    /// Tries each transport step by step, up to its first step that fails. Nothing is sent: a mail server
    /// is asked whether it would take a mail from the sender to the sender, and then to forget it.
    pub async fn diagnose(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for outlet in &self.outlets {
            steps.extend(match outlet {
                Outlet::Smtp(smtp) => smtp.diagnose(self.composer.from()).await,
                Outlet::File(folder) => vec![Step { name: "directory", result: folder.diagnose().await }],
                Outlet::Stdout(_) => {
                    vec![Step { name: "terminal", result: Ok("mails are printed".to_owned()) }]
                }
            });
        }
        steps
    }

    /// Says good-bye on idle connections. Without it they are just dropped, which harms nobody.
    pub async fn shutdown(&self) {
        for outlet in &self.outlets {
            if let Outlet::Smtp(smtp) = outlet {
                smtp.shutdown().await;
            }
        }
    }
}

#[async_trait]
impl Mailer for MailService {
    /// Returns the last transport's reply: `250 2.0.0` and the like, `filed` or `printed`.
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let letter = self.composer.compose(mail)?;
        let mut reply = String::new();
        for outlet in &self.outlets {
            reply = match outlet {
                Outlet::Smtp(smtp) => smtp.send(&letter).await?.to_string(),
                Outlet::File(folder) => folder.put(&letter).await.map(|()| "filed".to_owned())?,
                Outlet::Stdout(terminal) => terminal.print(&letter).await.map(|()| "printed".to_owned())?,
            };
        }
        Ok(reply)
    }

    async fn check(&self) -> Result<(), MailError> {
        for outlet in &self.outlets {
            match outlet {
                Outlet::Smtp(smtp) => smtp.check().await?,
                Outlet::File(folder) => folder.check().await?,
                Outlet::Stdout(_) => {}
            }
        }
        Ok(())
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
