//! Use case: the owner says "this was not me" (R30).
//!
//! The notice after a reset carries a link. It is good for [`OBJECTION_LIFE`], opens a page and changes nothing until
//! a button is pressed there. Then the account's password is taken away, all sessions and tickets end, and for as long
//! again resets are mailed only to the mailbox that the notice went to: whoever took the account over, and perhaps gave
//! it another address, has nothing to go on with, and the owner asks with that mailbox's address and resets the password
//! there. That reset ends the objection if the account has that address; else it stands, so that the owner can give the
//! account its address back before anybody asks with the other one. An administrator can end it.

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Resets,
    account::{Account, AccountId, StoredAddress, email_key},
    email::EmailAddress,
    error::{HashError, StoreError},
    event::{Event, EventKind, Network},
    job::{Job, JobId, JobKind, Reference},
    keys::{KeySet, Keys},
    notation::{hex, unhex},
    password::NewPassword,
    ports::random,
    time::Timestamp,
};

/// How long the link of a notice is good for, and how long an objection then stands.
pub const OBJECTION_LIFE: Duration = Duration::from_secs(72 * 60 * 60);

/// Bytes of a job's id, and of the tag behind it.
const PART: usize = 16;

/// The right to object to one reset, and what became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Objection {
    /// The job of the notice that carries the link.
    pub id: JobId,
    /// Whose password was set.
    pub account: AccountId,
    /// The reset.
    pub reference: Reference,
    /// Through which dialect.
    pub dialect: String,
    /// Canonical form of the address that the notice went to.
    pub mailbox: String,
    /// When the link ends.
    pub until: Timestamp,
    /// When the owner objected.
    pub raised_at: Option<Timestamp>,
}

impl fmt::Debug for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objection").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How the link of a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The owner may object.
    Open,
    /// The owner has objected.
    Raised,
    /// It is no link of ours, or its time is over.
    Invalid,
}

/// An objection and all that changes with it.
pub struct Raising<'a> {
    /// Which.
    pub objection: &'a Objection,
    /// Hash of a password that nobody knows.
    pub password_hash: &'a str,
    /// Those who are told: the webhook, which ends sessions elsewhere.
    pub jobs: &'a [Job],
    /// What is written down.
    pub event: &'a Event,
    /// When.
    pub now: Timestamp,
}

/// Why an objection was not raised.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// It is no link of ours, or its time is over.
    #[error("the link is not valid")]
    Invalid,
    /// Hashing failed, or is at capacity; nothing changed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed; as a rule nothing changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// What the link of a notice ends in: the job and a tag, so that a forged one costs no query.
    fn objection_token(&self, job: &JobId) -> Zeroizing<String> {
        let tag = self.current().objections.tag(&[job.as_str().as_bytes()]);
        Zeroizing::new(format!("{}{}", job.as_str(), hex(&tag[..PART])))
    }

    /// The job that a link's end names, if it is one of ours.
    fn open_objection(&self, token: &str) -> Option<JobId> {
        let (id, tag) = token.split_at_checked(2 * PART)?;
        let tag = unhex(tag)?;
        let honest = |set: &KeySet| bool::from(set.objections.tag(&[id.as_bytes()])[..PART].ct_eq(&tag));
        // A link outlives a change of the secret by three days.
        self.all().iter().any(honest).then(|| JobId::new(id))
    }
}

impl Resets {
    /// Makes the link of a notice, where there is a page that it can lead to. Done again, it makes the same.
    pub(crate) async fn allow_objection(
        &self,
        job: &Job,
        account: &AccountId,
        to: &StoredAddress,
    ) -> Result<Option<Zeroizing<String>>, StoreError> {
        let Some(page) = &self.inner.notices.objection_page else { return Ok(None) };
        let (store, mailbox) = (&self.adapters().store, email_key(to.as_str()));
        let since = self.adapters().clock.now().minus(OBJECTION_LIFE);
        let standing = store.mailbox_of_objections(account, since).await?;
        if standing.is_some_and(|standing| standing != mailbox) {
            // Whoever gave the account this address may not object to what its owner does.
            return Ok(None);
        }
        let objection = Objection {
            id: job.id.clone(),
            account: account.clone(),
            reference: job.reference.clone(),
            dialect: job.dialect.clone(),
            mailbox,
            until: job.created_at.plus(OBJECTION_LIFE),
            raised_at: None,
        };
        store.allow_objection(&objection).await?;
        let token = self.inner.keys.objection_token(&job.id);
        Ok(Some(Zeroizing::new(format!("{page}?token={}", token.as_str()))))
    }

    /// How a notice's link stands. Changes nothing: a scanner may look a hundred times (R32).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn objection_standing(&self, token: &str) -> Result<Standing, StoreError> {
        Ok(match self.objection(token).await? {
            Some(objection) if objection.raised_at.is_some() => Standing::Raised,
            Some(_) => Standing::Open,
            None => Standing::Invalid,
        })
    }

    /// Takes away the password that was set, ends sessions and tickets, and lets resets be mailed to the notice's
    /// mailbox alone. Once raised, an objection is not raised again: that is no error.
    ///
    /// # Errors
    /// [`ObjectError`]; as a rule nothing changed then.
    pub async fn object(&self, token: &str, network: Option<Network>) -> Result<(), ObjectError> {
        let objection = self.objection(token).await?.ok_or(ObjectError::Invalid)?;
        if objection.raised_at.is_some() {
            return Ok(());
        }
        let adapters = self.adapters();
        let account = adapters.store.account(&objection.account).await?.ok_or(ObjectError::Invalid)?;
        let password = NewPassword::that_nobody_knows(&random(&*adapters.entropy));
        let password_hash = adapters.hasher.hash(password, account.hash_form.as_ref()).await?;
        let now = adapters.clock.now();
        let event = Event {
            reference: Some(objection.reference.clone()),
            job: Some(objection.id.clone()),
            dialect: objection.dialect.clone(),
            ..Event::new(EventKind::Objected, now).of(&account.id).by(network.as_ref())
        };
        let mut jobs = self.session_revocation_jobs(&objection.dialect, &account.id, &objection.reference);
        if account.email_key() != objection.mailbox {
            // Whoever has it, the owner or somebody else: the password of his account was changed.
            let to = StoredAddress::new(&account.email);
            let notice = JobKind::Notice { account: account.id.clone(), to };
            jobs.push(self.new_job(&objection.dialect, notice, &objection.reference));
        }
        let raising =
            Raising { objection: &objection, password_hash: &password_hash, jobs: &jobs, event: &event, now };
        if !adapters.store.object(raising).await? {
            // Somebody else was quicker, or its time ran out meanwhile.
            let after = adapters.store.objection(&objection.id).await?;
            return if after.is_some_and(|after| after.raised_at.is_some()) {
                Ok(())
            } else {
                Err(ObjectError::Invalid)
            };
        }
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Whose password is meant by `email`, and may be reset by a mail to it; nothing for nobody's and for a blocked
    /// account's. While an objection stands, that is its mailbox alone, whatever address the account has now.
    pub(crate) async fn reached_by(
        &self,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let (store, since) = (&self.adapters().store, now.minus(OBJECTION_LIFE));
        let account = match store.account_by_email(email).await? {
            Some(account) => {
                let mailbox = store.mailbox_of_objections(&account.id, since).await?;
                mailbox.is_none_or(|mailbox| mailbox == email.key()).then_some(account)
            }
            // Of several objections only the one that counts leads to the account.
            None => match store.account_of_objection(email.key(), since).await? {
                Some(id)
                    if store.mailbox_of_objections(&id, since).await?.as_deref() == Some(email.key()) =>
                {
                    store.account(&id).await?
                }
                Some(_) | None => None,
            },
        };
        Ok(account.filter(|account| !account.blocked))
    }

    async fn objection(&self, token: &str) -> Result<Option<Objection>, StoreError> {
        let Some(id) = self.inner.keys.open_objection(token) else { return Ok(None) };
        let objection = self.adapters().store.objection(&id).await?;
        let now = self.adapters().clock.now();
        Ok(objection.filter(|objection| objection.until > now || objection.raised_at.is_some()))
    }
}
