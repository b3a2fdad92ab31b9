//! A mailer that keeps every mail in plain text, as the mailbox of tests.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use reset_core::{
    error::MailError,
    mail::{Mail, MailBody},
    ports::Mailer,
    time::Timestamp,
    turns::NetworkBlock,
};

/// Keeps every accepted mail, and refuses mails on demand.
#[derive(Default)]
pub struct MemoryMailer {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: Vec<SentMail>,
    decoys_prepared: Vec<SentMail>,
    refusals: VecDeque<MailRefusal>,
}

/// The error that [`MemoryMailer`] refuses a mail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailRefusal {
    /// Temporary: `451 4.7.1`.
    Temporary,
    /// Not attempted: the limit of concurrent mails to the recipient's domain is reached.
    Busy,
    /// Permanent: `550 5.1.1`.
    Permanent,
}

/// The kind of a sent mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKind {
    /// A mail with a code.
    Code,
    /// A mail with a link.
    Link,
    /// A notice of a changed password.
    Changed,
}

/// An accepted mail in plain text. Tests read secrets from it, so `Debug` shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// Kind of the mail.
    pub kind: SentKind,
    /// Address of the recipient.
    pub to: String,
    /// Name of the recipient.
    pub name: Option<String>,
    /// Language of the mail.
    pub locale: Option<String>,
    /// Reference of the reset.
    pub reference: String,
    /// When the reset was requested, or the password changed.
    pub at: Timestamp,
    /// Public network of the request, in CIDR notation.
    pub network: Option<String>,
    /// Left part of the `Message-ID`.
    pub message_id: String,
    /// The code or the whole link. In a notice, the dispute link, or empty without one.
    pub secret: String,
    /// Lifetime of the secret that the mail states; zero in a notice.
    pub lifetime: Duration,
}

impl MemoryMailer {
    /// Returns every accepted mail, oldest first.
    pub fn sent(&self) -> Vec<SentMail> {
        self.lock().sent.clone()
    }

    /// Returns every decoy mail, oldest first.
    pub fn decoys_prepared(&self) -> Vec<SentMail> {
        self.lock().decoys_prepared.clone()
    }

    /// Returns every accepted mail, oldest first, and empties the mailbox.
    pub fn take(&self) -> Vec<SentMail> {
        std::mem::take(&mut self.lock().sent)
    }

    /// Refuses the next `count` mails, after any refusals ordered before.
    pub fn refuse_next(&self, count: usize, refusal: MailRefusal) {
        self.lock().refusals.extend(std::iter::repeat_n(refusal, count));
    }

    /// Ignores poisoning: it would hide the message of the panic that caused it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailRefusal {
    fn error(self) -> MailError {
        match self {
            Self::Temporary => MailError::Temporary { reply: "451 4.7.1".to_owned() },
            Self::Busy => MailError::Busy { reply: "domain busy".to_owned(), only_domain: true },
            Self::Permanent => MailError::Permanent { reply: "550 5.1.1".to_owned() },
        }
    }
}

impl SentMail {
    fn of(mail: &Mail) -> Self {
        let (kind, secret, lifetime) = match &mail.body {
            MailBody::ResetCode { code, lifetime } => (SentKind::Code, code.as_str(), *lifetime),
            MailBody::ResetLink { url, lifetime } => (SentKind::Link, url.as_str(), *lifetime),
            MailBody::PasswordChanged { dispute } => {
                (SentKind::Changed, dispute.as_deref().map_or("", String::as_str), Duration::ZERO)
            }
        };
        Self {
            kind,
            to: mail.to.clone(),
            name: mail.name.clone(),
            locale: mail.locale.clone(),
            reference: mail.reference.as_str().to_owned(),
            at: mail.at,
            network: mail.network.and_then(NetworkBlock::public),
            message_id: mail.message_id.clone(),
            secret: secret.to_owned(),
            lifetime,
        }
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let mut state = self.lock();
        if let Some(refusal) = state.refusals.pop_front() {
            return Err(refusal.error());
        }
        state.sent.push(SentMail::of(mail));
        Ok("250 2.0.0".to_owned())
    }

    async fn prepare_decoy(&self, mail: &Mail) {
        self.lock().decoys_prepared.push(SentMail::of(mail));
    }

    /// Fails if the next mail would be refused, without using up the refusal.
    async fn check(&self) -> Result<(), MailError> {
        self.lock().refusals.front().map_or(Ok(()), |refusal| Err(refusal.error()))
    }
}
