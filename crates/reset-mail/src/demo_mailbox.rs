//! Mails to look at during a demonstration: the latest to a few people, in memory. Nobody else's is ever in here.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reset_core::{
    email::EmailAddress,
    mail::{Mail, MailBody},
};
use zeroize::Zeroizing;

use crate::{mail_kind::MailKind, message::ComposedMail};

/// Most mails that are kept.
const MOST: usize = 100;

/// Keeps the latest mails of its people.
pub struct DemoMailbox {
    people: Vec<EmailAddress>,
    kept: Mutex<VecDeque<DemoMail>>,
}

/// A mail as its reader sees it. It may hold a secret: no `Debug`.
#[derive(Clone)]
pub struct DemoMail {
    /// Left part of the `Message-ID`: letters, digits, `-` and `_`.
    pub id: String,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: Zeroizing<String>,
    /// Name of the dialect that it was asked for with.
    pub dialect: String,
    /// What it is about.
    pub kind: MailKind,
    /// The code or the link in it, if there is one.
    pub secret: Option<Zeroizing<String>>,
}

impl DemoMailbox {
    /// An empty one for these people.
    pub fn of(people: impl IntoIterator<Item = EmailAddress>) -> Self {
        Self { people: people.into_iter().collect(), kept: Mutex::default() }
    }

    /// What is kept, the newest first.
    pub fn mails(&self) -> Vec<DemoMail> {
        self.kept().iter().cloned().collect()
    }

    /// Keeps a mail that left, if it is to one of the people. One that leaves again is the same mail.
    pub(crate) fn keep(&self, mail: &Mail, letter: &ComposedMail) {
        let whose = EmailAddress::parse(&mail.to);
        if !whose.is_ok_and(|whose| self.people.iter().any(|person| person.key() == whose.key())) {
            return;
        }
        let secret = match &mail.body {
            MailBody::ResetCode { code, .. } => Some(code.clone()),
            MailBody::ResetLink { url, .. } => Some(url.clone()),
            MailBody::PasswordChanged { dispute } => dispute.clone(),
        };
        let newest = DemoMail {
            id: letter.id.clone(),
            to: mail.to.clone(),
            subject: letter.subject.clone(),
            text: Zeroizing::new(letter.text.clone()),
            dialect: mail.dialect.clone(),
            kind: MailKind::from(&mail.body),
            secret,
        };
        let mut kept = self.kept();
        kept.retain(|known| known.id != newest.id);
        kept.push_front(newest);
        kept.truncate(MOST);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<DemoMail>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use reset_core::ports::Mailer;

    use super::*;
    use crate::{MailService, TransportConfig};

    fn code(to: &str, id: &str) -> Mail {
        Mail {
            to: to.to_owned(),
            name: None,
            locale: None,
            dialect: "px0".to_owned(),
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
    async fn a_mail_that_left_is_kept_as_it_is_read_and_nobody_elses_is() {
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
        assert_eq!(mails[0].secret.as_deref().map(String::as_str), Some("123456"));
    }

    #[tokio::test]
    async fn a_mail_that_did_not_leave_is_not_shown() {
        let (home, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
        let file = home.path().join("no-directory");
        std::fs::write(&file, "").unwrap();
        assert!(service(&file, &mailbox).send(&code("alice@example.com", "1")).await.is_err());
        assert!(mailbox.mails().is_empty());
    }

    #[tokio::test]
    async fn a_mail_that_left_twice_is_one_and_the_oldest_make_room() {
        let (home, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
        let service = service(home.path(), &mailbox);
        for id in (0..=MOST).chain([7]) {
            service.send(&code("alice@example.com", &id.to_string())).await.unwrap();
        }
        let mails = mailbox.mails();
        assert_eq!((mails.len(), mails[0].id.as_str()), (MOST, "7"));
        assert!(!mails.iter().any(|mail| mail.id == "0"));
    }
}
