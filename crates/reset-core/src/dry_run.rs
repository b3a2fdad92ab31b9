//! Runs the use cases without an effect: [`Adapters::dry_run`] returns adapters that read the database and change nothing.
//!
//! Shadow mode processes each request with them, to compare the result with the response of the back end that polyreset
//! will replace. A request is accepted and no job is stored, a ticket is found and not spent, a password is accepted and
//! neither hashed nor stored, and no budget, guess or event is counted.
//!
//! Every port method is written out below, so a new one does not compile until its effect was considered.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    account::{Account, AccountId, NewAccount},
    audit::{Ends, Sealed, Sealer},
    budget::Budget,
    dispute::{ClosedDisputes, Dispute, DisputeOpening},
    email::EmailAddress,
    error::{AddAccountError, HashError, MailError, StoreError},
    event::{AddressTag, Event},
    hasher::HashForm,
    job::{Job, JobId, Outcome, Reference},
    mail::Mail,
    password::NewPassword,
    ports::{
        Accounts, Adapters, Backlog, Budgets, Comparisons, Disputes, Events, Finding, Hasher, Issued, Jobs,
        Mailer, Outbox, PasswordChange, Postponement, Queued, Store, Tickets,
    },
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
};

impl Adapters {
    /// Returns adapters that read the same database and change nothing, mail nothing and hash nothing.
    pub fn dry_run(&self) -> Self {
        Self {
            store: Arc::new(DryRunStore(self.store.clone())),
            mailer: Arc::new(NoMailer),
            webhook: None,
            hasher: Arc::new(NoHasher),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        }
    }
}

/// Returns the error of operations that only workers and operators need.
fn unsupported<T>() -> Result<T, StoreError> {
    Err(StoreError::new("a dry run does not support this operation"))
}

/// Rejects every mail. No use case of a request sends one.
struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        Err(MailError::Permanent { reply: "dry run".to_owned() })
    }

    async fn check(&self) -> Result<(), MailError> {
        Ok(())
    }
}

/// Accepts every password. The hash would not be stored, so the time for it would be wasted.
struct NoHasher;

#[async_trait]
impl Hasher for NoHasher {
    async fn hash(&self, _: NewPassword, _: Option<&HashForm>) -> Result<String, HashError> {
        Ok(String::new())
    }

    async fn verify(&self, _: NewPassword, _: &str) -> Result<bool, HashError> {
        Ok(false)
    }
}

/// A store that reads and does not write. Writes report the success that they would most likely have.
struct DryRunStore(Arc<dyn Store>);

#[async_trait]
impl Store for DryRunStore {
    async fn ready(&self) -> Result<(), StoreError> {
        unsupported()
    }

    async fn quarantined(&self) -> Result<u64, StoreError> {
        self.0.quarantined().await
    }

    async fn purge(&self, _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }
}

#[async_trait]
impl Accounts for DryRunStore {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        self.0.account_by_email(email).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.0.account(id).await
    }

    async fn password_hash(&self, _: &AccountId) -> Result<Option<String>, StoreError> {
        unsupported()
    }

    async fn add_account(&self, _: &EmailAddress, _: NewAccount) -> Result<AccountId, AddAccountError> {
        Ok(unsupported()?)
    }

    async fn set_blocked(&self, _: &EmailAddress, _: bool, _: &Event) -> Result<bool, StoreError> {
        unsupported()
    }
}

#[async_trait]
impl Tickets for DryRunStore {
    async fn issue(&self, _: &Ticket, _: Option<u64>, _: &Event) -> Result<Issued, StoreError> {
        unsupported()
    }

    async fn ticket_of(&self, _: &JobId) -> Result<Option<Ticket>, StoreError> {
        unsupported()
    }

    async fn ticket_with(
        &self,
        dialect: &str,
        digest: &TicketDigest,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        self.0.ticket_with(dialect, digest, now).await
    }

    async fn restart_clock(&self, _: &TicketId, _: Timestamp, _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }

    /// A guess is counted in the statement that finds the ticket, so no ticket can be found here.
    async fn take_guess(
        &self,
        _: &AccountId,
        _: &str,
        _: TicketKind,
        _: u32,
        _: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        Ok(None)
    }

    async fn exchange(&self, _: &TicketId, _: &Ticket, _: &Event) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn void_tickets(&self, _: Option<&AccountId>, _: &Event) -> Result<u64, StoreError> {
        unsupported()
    }

    async fn redeem(&self, _: PasswordChange<'_>) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// Every budget has room: what this process takes from none is not known.
#[async_trait]
impl Budgets for DryRunStore {
    async fn take(&self, _: &[Budget], _: Timestamp) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn take_and_record(&self, _: &[Budget], _: &Event) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn give_back(&self, _: &[Budget], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn has_room(&self, _: &Budget, _: Timestamp) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// Accepts jobs and forgets them. No worker runs on a dry run.
#[async_trait]
impl Jobs for DryRunStore {
    async fn push(&self, _: &Job) -> Result<(), StoreError> {
        Ok(())
    }

    async fn push_within(&self, _: &Job, _: &[Budget], _: &Event) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn push_done(&self, _: &Job, _: Outcome, _: Timestamp) -> Result<i64, StoreError> {
        unsupported()
    }

    async fn claim_accepted(&self, _: u32, _: Timestamp, _: Timestamp) -> Result<Vec<Job>, StoreError> {
        Ok(Vec::new())
    }

    async fn claim_ready(&self, _: u32, _: u32, _: Timestamp, _: Timestamp) -> Result<Vec<Job>, StoreError> {
        Ok(Vec::new())
    }

    async fn claim_suspect(&self, _: Timestamp, _: Timestamp) -> Result<Option<Job>, StoreError> {
        Ok(None)
    }

    async fn make_ready(&self, _: &Job, _: i64) -> Result<(), StoreError> {
        unsupported()
    }

    async fn finish(
        &self,
        _: &JobId,
        _: Outcome,
        _: &str,
        _: Option<(&TicketId, Timestamp)>,
        _: &Event,
    ) -> Result<(), StoreError> {
        unsupported()
    }

    async fn postpone(&self, _: &Job, _: Postponement<'_>, _: Option<&Event>) -> Result<(), StoreError> {
        unsupported()
    }

    async fn renew(&self, _: &[JobId], _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }

    async fn reclaim(&self, _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }

    async fn release(&self, _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl Outbox for DryRunStore {
    async fn queued(&self, _: u32) -> Result<Vec<Queued>, StoreError> {
        unsupported()
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        unsupported()
    }

    async fn retry(&self, _: &JobId, _: &JobId, _: &Event) -> Result<bool, StoreError> {
        unsupported()
    }

    async fn clear(&self, _: bool, _: u32) -> Result<u64, StoreError> {
        unsupported()
    }
}

/// Records no event.
#[async_trait]
impl Events for DryRunStore {
    async fn record(&self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }

    async fn trace(&self, _: &Reference) -> Result<Vec<Event>, StoreError> {
        unsupported()
    }

    async fn asked_with(&self, _: &AddressTag, _: u32) -> Result<Vec<Event>, StoreError> {
        unsupported()
    }

    async fn record_once(&self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }

    async fn seal(&self, _: &Sealer, _: u32) -> Result<u32, StoreError> {
        unsupported()
    }

    async fn ends(&self) -> Result<Option<Ends>, StoreError> {
        unsupported()
    }

    async fn has_lost_events(&self) -> Result<bool, StoreError> {
        unsupported()
    }

    async fn sealed(&self, _: i64, _: u32) -> Result<Vec<Sealed>, StoreError> {
        unsupported()
    }

    async fn forget_events(&self, _: &Sealer, _: Timestamp) -> Result<(), StoreError> {
        unsupported()
    }
}

#[async_trait]
impl Disputes for DryRunStore {
    async fn allow_dispute(&self, _: &Dispute) -> Result<(), StoreError> {
        Ok(())
    }

    async fn dispute(&self, notice: &JobId) -> Result<Option<Dispute>, StoreError> {
        self.0.dispute(notice).await
    }

    async fn open_dispute(&self, _: DisputeOpening<'_>) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn mailbox_of_disputes(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        self.0.mailbox_of_disputes(account, since).await
    }

    async fn account_of_dispute(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError> {
        self.0.account_of_dispute(mailbox, since).await
    }

    async fn close_disputes(&self, _: &AccountId, _: &str, _: &Event) -> Result<ClosedDisputes, StoreError> {
        unsupported()
    }

    async fn void_dispute_links(&self, _: &AccountId, _: &Event) -> Result<usize, StoreError> {
        unsupported()
    }
}

/// The comparisons themselves are counted by the real store.
#[async_trait]
impl Comparisons for DryRunStore {
    async fn add_findings(&self, _: &[Finding]) -> Result<(), StoreError> {
        unsupported()
    }

    async fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        unsupported()
    }

    async fn clear_findings(&self) -> Result<(), StoreError> {
        unsupported()
    }
}
