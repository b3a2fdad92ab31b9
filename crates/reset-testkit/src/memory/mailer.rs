//! A mailer that keeps what it was given, in the clear: the tests' mailbox.

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
};

/// Keeps every accepted mail, and refuses as many as it is told to.
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

/// How a mail is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailRefusal {
    /// For now, with `451 4.7.1`.
    Temporary,
    /// For now, without having been tried: there are enough to its domain.
    Busy,
    /// For good, with `550 5.1.1`.
    Permanent,
}

/// What a mail was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKind {
    /// A code to type.
    Code,
    /// A link to open.
    Link,
    /// The notice of a changed password.
    Changed,
}

/// One accepted mail, readable: a test looks for secrets here, so `Debug` shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    /// What it was about.
    pub kind: SentKind,
    /// To whom.
    pub to: String,
    /// The owner's name.
    pub name: Option<String>,
    /// Language of the mail.
    pub locale: Option<String>,
    /// Left part of the `Message-ID`.
    pub message_id: String,
    /// The code, or the whole link: in a notice the one to object by, if there is one.
    pub secret: String,
    /// How long the secret was said to be good for; zero in a notice.
    pub lifetime: Duration,
}

impl MemoryMailer {
    /// Every accepted mail, oldest first.
    pub fn sent(&self) -> Vec<SentMail> {
        self.lock().sent.clone()
    }

    /// Every mail that was to nobody, oldest first.
    pub fn decoys_prepared(&self) -> Vec<SentMail> {
        self.lock().decoys_prepared.clone()
    }

    /// As [`Self::sent`], and empties the mailbox.
    pub fn take(&self) -> Vec<SentMail> {
        std::mem::take(&mut self.lock().sent)
    }

    /// Refuses the next `count` mails, after those whose refusal was ordered before.
    pub fn refuse_next(&self, count: usize, refusal: MailRefusal) {
        self.lock().refusals.extend(std::iter::repeat_n(refusal, count));
    }

    /// A panicking test must not hide its message behind a poisoned lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailRefusal {
    fn error(self) -> MailError {
        match self {
            Self::Temporary => MailError::Temporary { reply: "451 4.7.1".to_owned() },
            Self::Busy => MailError::Busy { reply: "domain busy".to_owned() },
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

    /// Fails while the next mail would be refused, and uses no refusal up.
    async fn check(&self) -> Result<(), MailError> {
        self.lock().refusals.front().map_or(Ok(()), |refusal| Err(refusal.error()))
    }
}
