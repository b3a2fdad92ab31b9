//! Use case: the owner reports "this wasn't me" after a reset (R30).
//!
//! The notice after a reset carries a link that is valid for [`DISPUTE_LIFE`]. The link opens a page; nothing changes
//! until the owner presses the button there. That opens a dispute: the account's password is replaced by a random
//! one, all its sessions and tickets end, and for [`DISPUTE_LIFE`] resets are mailed only to the mailbox that
//! received the notice. An attacker who took the account over, even one who changed its address, has no way to
//! continue. The owner requests a reset with the address of that mailbox and sets a new password.
//!
//! If the account still has that address, the reset closes the dispute, and the unused links of other mailboxes end.
//! Otherwise the dispute stays open, so that the owner can restore the account's address before the attacker requests a
//! reset with the other one. An administrator can close a dispute, and end unused links.
//!
//! A link is a right of the mailbox that got it, not of the account's present address: that is what saves an owner whose
//! address an attacker changed. The reverse is an attack, too: who once had the account, and lost it to its owner, can use
//! a link of that time. Nothing in the database tells the two apart, so an administrator ends such links
//! (docs/hosted-pages.md#former-owners).

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

/// How long the link of a notice is valid, and how long an opened dispute lasts. 72 hours.
pub const DISPUTE_LIFE: Duration = Duration::from_secs(72 * 60 * 60);

/// Length in bytes of a job id, and of the tag that follows it in a dispute token.
const TOKEN_PART: usize = 16;

/// The right to dispute one reset, and whether it was used.
#[derive(Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The job of the notice that carries the link.
    pub id: JobId,
    /// The account whose password was set.
    pub account: AccountId,
    /// The reference of the reset.
    pub reference: Reference,
    /// The dialect of the reset.
    pub dialect: String,
    /// Canonical form of the address that the notice went to.
    pub mailbox: String,
    /// When the link expires.
    pub until: Timestamp,
    /// When the owner opened the dispute.
    pub opened_at: Option<Timestamp>,
}

impl fmt::Debug for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispute").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The state of a notice's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeLinkState {
    /// The owner can open a dispute.
    Usable,
    /// The owner has opened the dispute.
    Disputed,
    /// The link is forged or has expired.
    Invalid,
}

/// The parameters of [`Disputes::open_dispute`](crate::ports::Disputes::open_dispute): a dispute and every change
/// that belongs to it.
pub struct DisputeOpening<'a> {
    /// The dispute to open.
    pub dispute: &'a Dispute,
    /// Hash of a random password that is never revealed.
    pub password_hash: &'a str,
    /// The notification jobs, such as the webhook that ends sessions in other systems.
    pub jobs: &'a [Job],
    /// The event to record.
    pub event: &'a Event,
    /// The current time.
    pub now: Timestamp,
}

/// The result of [`Disputes::close_disputes`](crate::ports::Disputes::close_disputes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosedDisputes {
    /// Number of disputes that were open.
    pub disputes: usize,
    /// Number of links that ended unused.
    pub links: usize,
}

/// Why a dispute was not opened.
#[derive(Debug, Error)]
pub enum DisputeError {
    /// The link is forged or has expired.
    #[error("the link is not valid")]
    Invalid,
    /// Hashing failed or is at capacity; nothing changed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed; usually nothing changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// Returns the token of a notice's link: the job id and a tag, so that a forged token is rejected without a
    /// query.
    fn dispute_token(&self, job: &JobId) -> Zeroizing<String> {
        let tag = self.current().disputes.tag(&[job.as_str().as_bytes()]);
        Zeroizing::new(format!("{}{}", job.as_str(), hex(&tag[..TOKEN_PART])))
    }

    /// Returns the job id in a token if its tag is valid.
    fn parse_dispute_token(&self, token: &str) -> Option<JobId> {
        let (id, tag) = token.split_at_checked(2 * TOKEN_PART)?;
        let tag = unhex(tag)?;
        let authentic =
            |set: &KeySet| bool::from(set.disputes.tag(&[id.as_bytes()])[..TOKEN_PART].ct_eq(&tag));
        // Links made under a previous secret stay valid, for at most three days.
        self.all().iter().any(authentic).then(|| JobId::new(id))
    }
}

impl Resets {
    /// Creates the link of a notice if a dispute page is configured. Repeated calls return the same link.
    pub(crate) async fn allow_dispute(
        &self,
        job: &Job,
        account: &AccountId,
        to: &StoredAddress,
    ) -> Result<Option<Zeroizing<String>>, StoreError> {
        let Some(page) = &self.inner.notices.dispute_page else { return Ok(None) };
        let (store, mailbox) = (&self.adapters().store, email_key(to.as_str()));
        let since = self.adapters().clock.now().minus(DISPUTE_LIFE);
        let open = store.mailbox_of_disputes(account, since).await?;
        if open.is_some_and(|open| open != mailbox) {
            // The account was moved to this address during a dispute: its new holder must not dispute what the owner
            // does.
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

    /// Returns the state of a notice's link. Changes nothing, so that link scanners do no harm (R32).
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn dispute_link_state(&self, token: &str) -> Result<DisputeLinkState, StoreError> {
        Ok(match self.dispute_by_token(token).await? {
            Some(dispute) if dispute.opened_at.is_some() => DisputeLinkState::Disputed,
            Some(_) => DisputeLinkState::Usable,
            None => DisputeLinkState::Invalid,
        })
    }

    /// Opens the dispute: replaces the password by a random one, ends sessions and tickets, and restricts resets to
    /// the notice's mailbox. Does nothing if the dispute is already open.
    ///
    /// # Errors
    /// Returns [`DisputeError`]; usually nothing changed then.
    pub async fn open_dispute(&self, token: &str, network: Option<Network>) -> Result<(), DisputeError> {
        let dispute = self.dispute_by_token(token).await?.ok_or(DisputeError::Invalid)?;
        if dispute.opened_at.is_some() {
            return Ok(());
        }
        let adapters = self.adapters();
        let account = adapters.store.account(&dispute.account).await?.ok_or(DisputeError::Invalid)?;
        let password = NewPassword::unguessable(&random(&*adapters.entropy));
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
            // Notify the holder of the account's current address, the owner or an attacker, that the password was
            // changed.
            let to = StoredAddress::new(&account.email);
            let notice = JobKind::Notice { account: account.id.clone(), to, locale: None };
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
            // A concurrent call opened it first, or the link expired in the meantime.
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

    /// Finds the account whose password may be reset by a mail to `email`. Returns `None` for an unknown address and
    /// for a blocked account. While a dispute is open, only its mailbox reaches the account, whatever address the
    /// account has now.
    pub(crate) async fn resettable_account(
        &self,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let (store, since) = (&self.adapters().store, now.minus(DISPUTE_LIFE));
        // A dispute's mailbox leads to the disputed account even if another account has its address now: an attacker could
        // have registered that one. Of several open disputes, only the mailbox of the one that takes precedence does.
        let disputed = match store.account_of_dispute(email.key(), since).await? {
            Some(id) if store.mailbox_of_disputes(&id, since).await?.as_deref() == Some(email.key()) => {
                Some(id)
            }
            Some(_) | None => None,
        };
        let account = if let Some(id) = disputed {
            store.account(&id).await?
        } else {
            let account = store.account_by_email(email).await?;
            // The disputes of an unknown address are looked up as well (R14).
            let nobody = AccountId::new("");
            let id = account.as_ref().map_or(&nobody, |account| &account.id);
            let mailbox = store.mailbox_of_disputes(id, since).await?;
            account.filter(|_| mailbox.is_none_or(|mailbox| mailbox == email.key()))
        };
        Ok(account.filter(|account| !account.blocked))
    }

    async fn dispute_by_token(&self, token: &str) -> Result<Option<Dispute>, StoreError> {
        let Some(id) = self.inner.keys.parse_dispute_token(token) else { return Ok(None) };
        let dispute = self.adapters().store.dispute(&id).await?;
        let now = self.adapters().clock.now();
        Ok(dispute.filter(|dispute| dispute.until > now || dispute.opened_at.is_some()))
    }
}
