//! In-memory mailbox of the demo: keeps the latest mails to a fixed set of addresses, and drops all others.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reset_core::{
    email::EmailAddress,
    mail::{Mail, MailBody},
    time::Timestamp,
};
use zeroize::Zeroizing;

use crate::{mail_kind::MailKind, message::ComposedMail};

/// Limit of kept mails, all recipients together.
const CAPACITY: usize = 100;

/// Keeps the latest mails to its recipients.
pub struct DemoMailbox {
    recipients: Vec<EmailAddress>,
    mails: Mutex<VecDeque<DemoMail>>,
}

/// A mail as its recipient sees it. Deliberately not `Debug`: it may hold a secret.
#[derive(Clone)]
pub struct DemoMail {
    /// Part of the `Message-ID` before the `@`: letters, digits, `-` and `_`.
    pub id: String,
    /// The sender, as in the `From` field: `Acme <no-reply@example.com>`.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// When the reset was requested, or the password changed.
    pub at: Timestamp,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: Zeroizing<String>,
    /// The HTML part, with its pictures in place.
    pub html: Zeroizing<String>,
    /// Name of the dialect of the reset request.
    pub dialect: String,
    /// Kind of the mail.
    pub kind: MailKind,
    /// The code or link in the mail, if there is one.
    pub secret: Option<Zeroizing<String>>,
}

impl DemoMailbox {
    /// Creates an empty mailbox for these recipients.
    pub fn of(recipients: impl IntoIterator<Item = EmailAddress>) -> Self {
        Self { recipients: recipients.into_iter().collect(), mails: Mutex::default() }
    }

    /// Returns the kept mails, newest first.
    pub fn mails(&self) -> Vec<DemoMail> {
        self.lock().iter().cloned().collect()
    }

    /// Keeps a sent mail if it is to one of the recipients. A mail that is sent again replaces itself.
    pub(crate) fn keep(&self, mail: &Mail, composed: &ComposedMail) {
        let to = EmailAddress::parse(&mail.to);
        if !to.is_ok_and(|to| self.recipients.iter().any(|recipient| recipient.key() == to.key())) {
            return;
        }
        let secret = match &mail.body {
            MailBody::ResetCode { code, .. } => Some(code.clone()),
            MailBody::ResetLink { url, .. } => Some(url.clone()),
            MailBody::PasswordChanged { dispute } => dispute.clone(),
        };
        let newest = DemoMail {
            id: composed.id.clone(),
            from: composed.sender.clone(),
            to: mail.to.clone(),
            at: mail.at,
            subject: composed.subject.clone(),
            text: Zeroizing::new(composed.text.clone()),
            html: Zeroizing::new(composed.html.clone()),
            dialect: mail.dialect.clone(),
            kind: MailKind::from(&mail.body),
            secret,
        };
        let mut mails = self.lock();
        mails.retain(|known| known.id != newest.id);
        mails.push_front(newest);
        mails.truncate(CAPACITY);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<DemoMail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use reset_core::{job::Reference, ports::Mailer};

    use super::*;
    use crate::{MailService, TransportConfig};

    fn code(to: &str, id: &str) -> Mail {
        Mail {
            to: to.to_owned(),
            name: None,
            locale: None,
            dialect: "px0".to_owned(),
            reference: Reference::stored("K7Q2M4ZD8R"),
            at: Timestamp::from_millis(1_796_047_320_000),
            network: None,
            message_id: id.to_owned(),
            body: MailBody::ResetCode {
                code: Zeroizing::new("123456".to_owned()),
                lifetime: Duration::from_secs(900),
            },
        }
    }

    fn mailbox() -> Arc<DemoMailbox> {
        Arc::new(DemoMailbox::of([EmailAddress::parse("alice@example.com").unwrap()]))
    }

    fn service(dir: &std::path::Path, mailbox: &Arc<DemoMailbox>) -> MailService {
        let transport = TransportConfig::File { dir: dir.to_owned() };
        let service = MailService::new(vec![transport], "no-reply@localhost", "localhost").unwrap();
        service.with_demo_mailbox(mailbox.clone())
    }

    #[tokio::test]
    async fn sent_mail_to_a_recipient_is_kept_and_other_mail_is_not() {
        let (home, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
        let service = service(home.path(), &mailbox);
        for (to, id) in [("Alice@Example.com", "1"), ("ada@example.org", "2"), ("alice@example.com", "3")] {
            service.send(&code(to, id)).await.unwrap();
        }
        service.prepare_decoy(&code("alice@example.com", "4")).await;
        let mails = mailbox.mails();
        assert_eq!(mails.iter().map(|mail| mail.id.as_str()).collect::<Vec<_>>(), ["3", "1"]);
        assert!(mails[0].text.contains("123456") && !mails[0].subject.is_empty());
        assert_eq!((mails[0].kind, mails[0].dialect.as_str()), (MailKind::ResetCode, "px0"));
        assert_eq!(mails[0].from, "no-reply@localhost");
        assert!(mails[0].html.starts_with("<!doctype html>"));
        assert_eq!(mails[0].secret.as_deref().map(String::as_str), Some("123456"));
    }

    #[tokio::test]
    async fn unsent_mail_is_not_kept() {
        let (home, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
        let file = home.path().join("no-directory");
        std::fs::write(&file, "").unwrap();
        assert!(service(&file, &mailbox).send(&code("alice@example.com", "1")).await.is_err());
        assert!(mailbox.mails().is_empty());
    }

    #[tokio::test]
    async fn resent_mail_is_kept_once_and_the_oldest_mails_are_dropped() {
        let (home, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
        let service = service(home.path(), &mailbox);
        for id in (0..=CAPACITY).chain([7]) {
            service.send(&code("alice@example.com", &id.to_string())).await.unwrap();
        }
        let mails = mailbox.mails();
        assert_eq!((mails.len(), mails[0].id.as_str()), (CAPACITY, "7"));
        assert!(!mails.iter().any(|mail| mail.id == "0"));
    }
}
