//! Use case: the owner says "this was not me" (R30).
//!
//! The notice after a reset carries a link. It is good for [`DISPUTE_LIFE`], opens a page and changes nothing until
//! a button is pressed there. Then the account's password is taken away, all sessions and tickets end, and for as long
//! again resets are mailed only to the mailbox that the notice went to: whoever took the account over, and perhaps gave
//! it another address, has nothing to go on with, and the owner asks with that mailbox's address and resets the password
//! there. That reset ends the dispute if the account has that address; else it stands, so that the owner can give the
//! account its address back before anybody asks with the other one. An administrator can end it.

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Resets,
    account::{Account, AccountId, StoredAddress, email_key},
    email::EmailAddress,
    encoding::{hex, unhex},
    error::{HashError, StoreError},
    event::{Event, EventKind, Network},
    job::{Job, JobId, JobKind, Reference},
    keys::{KeySet, Keys},
    password::NewPassword,
    ports::random,
    time::Timestamp,
};

/// How long the link of a notice is good for, and how long a dispute then stands.
pub const DISPUTE_LIFE: Duration = Duration::from_secs(72 * 60 * 60);

/// Bytes of a job's id, and of the tag behind it.
const PART: usize = 16;

/// The right to object to one reset, and what became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Dispute {
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
    pub opened_at: Option<Timestamp>,
}

impl fmt::Debug for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispute").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How the link of a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeLinkState {
    /// The owner may object.
    Usable,
    /// The owner has objected.
    Disputed,
    /// It is no link of ours, or its time is over.
    Invalid,
}

/// A dispute and all that changes with it.
pub struct DisputeOpening<'a> {
    /// Which.
    pub dispute: &'a Dispute,
    /// Hash of a password that nobody knows.
    pub password_hash: &'a str,
    /// Those who are told: the webhook, which ends sessions elsewhere.
    pub jobs: &'a [Job],
    /// What is written down.
    pub event: &'a Event,
    /// When.
    pub now: Timestamp,
}

/// Why a dispute was not raised.
#[derive(Debug, Error)]
pub enum DisputeError {
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
    fn dispute_token(&self, job: &JobId) -> Zeroizing<String> {
        let tag = self.current().disputes.tag(&[job.as_str().as_bytes()]);
        Zeroizing::new(format!("{}{}", job.as_str(), hex(&tag[..PART])))
    }

    /// The job that a link's end names, if it is one of ours.
    fn parse_dispute_token(&self, token: &str) -> Option<JobId> {
        let (id, tag) = token.split_at_checked(2 * PART)?;
        let tag = unhex(tag)?;
        let honest = |set: &KeySet| bool::from(set.disputes.tag(&[id.as_bytes()])[..PART].ct_eq(&tag));
        // A link outlives a change of the secret by three days.
        self.all().iter().any(honest).then(|| JobId::new(id))
    }
}

impl Resets {
    /// Makes the link of a notice, where there is a page that it can lead to. Done again, it makes the same.
    pub(crate) async fn allow_dispute(
        &self,
        job: &Job,
        account: &AccountId,
        to: &StoredAddress,
    ) -> Result<Option<Zeroizing<String>>, StoreError> {
        let Some(page) = &self.inner.notices.dispute_page else { return Ok(None) };
        let (store, mailbox) = (&self.adapters().store, email_key(to.as_str()));
        let since = self.adapters().clock.now().minus(DISPUTE_LIFE);
        let standing = store.mailbox_of_disputes(account, since).await?;
        if standing.is_some_and(|standing| standing != mailbox) {
            // Whoever gave the account this address may not object to what its owner does.
            return Ok(None);
        }
        let dispute = Dispute {
            id: job.id.clone(),
            account: account.clone(),
            reference: job.reference.clone(),
            dialect: job.dialect.clone(),
            mailbox,
            until: job.created_at.plus(DISPUTE_LIFE),
            opened_at: None,
        };
        store.allow_dispute(&dispute).await?;
        let token = self.inner.keys.dispute_token(&job.id);
        Ok(Some(Zeroizing::new(format!("{page}?token={}", token.as_str()))))
    }

    /// How a notice's link stands. Changes nothing: a scanner may look a hundred times (R32).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dispute_link_state(&self, token: &str) -> Result<DisputeLinkState, StoreError> {
        Ok(match self.dispute(token).await? {
            Some(dispute) if dispute.opened_at.is_some() => DisputeLinkState::Disputed,
            Some(_) => DisputeLinkState::Usable,
            None => DisputeLinkState::Invalid,
        })
    }

    /// Takes away the password that was set, ends sessions and tickets, and lets resets be mailed to the notice's
    /// mailbox alone. Once raised, a dispute is not raised again: that is no error.
    ///
    /// # Errors
    /// [`DisputeError`]; as a rule nothing changed then.
    pub async fn open_dispute(&self, token: &str, network: Option<Network>) -> Result<(), DisputeError> {
        let dispute = self.dispute(token).await?.ok_or(DisputeError::Invalid)?;
        if dispute.opened_at.is_some() {
            return Ok(());
        }
        let adapters = self.adapters();
        let account = adapters.store.account(&dispute.account).await?.ok_or(DisputeError::Invalid)?;
        let password = NewPassword::that_nobody_knows(&random(&*adapters.entropy));
        let password_hash = adapters.hasher.hash(password, account.hash_form.as_ref()).await?;
        let now = adapters.clock.now();
        let event = Event {
            reference: Some(dispute.reference.clone()),
            job: Some(dispute.id.clone()),
            dialect: dispute.dialect.clone(),
            ..Event::new(EventKind::Disputed, now).of(&account.id).by(network.as_ref())
        };
        let mut jobs = self.session_revocation_jobs(&dispute.dialect, &account.id, &dispute.reference);
        if account.email_key() != dispute.mailbox {
            // Whoever has it, the owner or somebody else: the password of his account was changed.
            let to = StoredAddress::new(&account.email);
            let notice = JobKind::Notice { account: account.id.clone(), to };
            jobs.push(self.new_job(&dispute.dialect, notice, &dispute.reference));
        }
        let opening = DisputeOpening {
            dispute: &dispute,
            password_hash: &password_hash,
            jobs: &jobs,
            event: &event,
            now,
        };
        if !adapters.store.open_dispute(opening).await? {
            // Somebody else was quicker, or its time ran out meanwhile.
            let after = adapters.store.dispute(&dispute.id).await?;
            return if after.is_some_and(|after| after.opened_at.is_some()) {
                Ok(())
            } else {
                Err(DisputeError::Invalid)
            };
        }
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Whose password is meant by `email`, and may be reset by a mail to it; nothing for nobody's and for a blocked
    /// account's. While a dispute stands, that is its mailbox alone, whatever address the account has now.
    pub(crate) async fn reached_by(
        &self,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let (store, since) = (&self.adapters().store, now.minus(DISPUTE_LIFE));
        let account = match store.account_by_email(email).await? {
            Some(account) => {
                let mailbox = store.mailbox_of_disputes(&account.id, since).await?;
                mailbox.is_none_or(|mailbox| mailbox == email.key()).then_some(account)
            }
            // Of several disputes only the one that counts leads to the account.
            None => match store.account_of_dispute(email.key(), since).await? {
                Some(id) if store.mailbox_of_disputes(&id, since).await?.as_deref() == Some(email.key()) => {
                    store.account(&id).await?
                }
                Some(_) | None => None,
            },
        };
        Ok(account.filter(|account| !account.blocked))
    }

    async fn dispute(&self, token: &str) -> Result<Option<Dispute>, StoreError> {
        let Some(id) = self.inner.keys.parse_dispute_token(token) else { return Ok(None) };
        let dispute = self.adapters().store.dispute(&id).await?;
        let now = self.adapters().clock.now();
        Ok(dispute.filter(|dispute| dispute.until > now || dispute.opened_at.is_some()))
    }
}
