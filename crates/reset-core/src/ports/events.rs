//! The ports for audit events and for disputes.

use async_trait::async_trait;

use crate::{
    account::AccountId,
    audit::{Ends, Sealed, Sealer},
    dispute::{ClosedDisputes, Dispute, DisputeOpening},
    error::StoreError,
    event::{AddressTag, Event},
    job::{JobId, Reference},
    time::Timestamp,
};

/// The append-only audit log.
#[async_trait]
pub trait Events: Send + Sync {
    /// Records an event that belongs to no other change.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// Returns all events with this reference, in the order in which they were recorded.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError>;

    /// Returns the last `limit` events with this address that have a reference, newest first.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Records an event, unless one with the same reference, kind and detail exists. For steps that a client can
    /// repeat any number of times.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn record_once(&self, event: &Event) -> Result<(), StoreError>;

    /// Seals up to `limit` unsealed events and returns how many. The order is the order in which they were recorded,
    /// as far as it is known. Only one caller seals at a time; concurrent callers get 0. The new head is passed to
    /// [`Sealer::saw`].
    ///
    /// # Errors
    /// Fails if the store fails or the stored head is not the sealer's ([`Sealer::is_ours`]); then nothing was
    /// sealed.
    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError>;

    /// Returns the stored base and head of the chain; `None` before the first seal.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn ends(&self) -> Result<Option<Ends>, StoreError>;

    /// Returns whether the log was emptied: there are no marks, and a job, a ticket or the reset password of an own account
    /// is older than every event. Each of these is recorded by an event, and marks stay when events expire.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn has_lost_events(&self) -> Result<bool, StoreError>;

    /// Returns the first `limit` sealed events after position `place`, in order.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError>;

    /// Deletes sealed events from the start of the chain up to the first that is not older than `before`, and moves
    /// the base accordingly.
    ///
    /// # Errors
    /// Fails if the store fails or the stored base is not the sealer's.
    async fn forget_events(&self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError>;
}

/// Disputes: owners' reports that a reset was not theirs.
#[async_trait]
pub trait Disputes: Send + Sync {
    /// Stores the right to dispute a reset; does nothing if it is already stored.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn allow_dispute(&self, dispute: &Dispute) -> Result<(), StoreError>;

    /// Returns the dispute that belongs to this notice.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn dispute(&self, notice: &JobId) -> Result<Option<Dispute>, StoreError>;

    /// Opens a dispute and replaces the password, in one transaction. The transaction stores the hash, increments the
    /// account's epoch, ends all its sessions and tickets, queues the notification jobs and records the event.
    /// Exactly one of any number of concurrent calls returns `true`; `false` means that nothing changed. A blocked
    /// account makes no difference.
    ///
    /// Of several disputes, the one with the oldest notice takes precedence, because an attacker who moved the
    /// account to their own address also gets notices, but later ones. While an older dispute of another mailbox is
    /// open, a younger one cannot be opened. When an older one is opened, all younger ones of other mailboxes are
    /// closed and their links end.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn open_dispute(&self, opening: DisputeOpening<'_>) -> Result<bool, StoreError>;

    /// Returns the mailbox of the account's open dispute, if one was opened after `since`. Of several, the dispute
    /// with the oldest notice counts; see [`Self::open_dispute`].
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn mailbox_of_disputes(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError>;

    /// Returns the account with an open dispute for this mailbox that was opened after `since`. Of several, the one
    /// with the oldest notice counts.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn account_of_dispute(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError>;

    /// Closes every open dispute of the account, and ends the unused links of other mailboxes than `present`, the canonical
    /// address of the account. Records `event` if anything changed.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn close_disputes(
        &self,
        account: &AccountId,
        present: &str,
        event: &Event,
    ) -> Result<ClosedDisputes, StoreError>;

    /// Ends every unused dispute link of the account, and records `event`, with their number as its detail, if there was
    /// one. Returns the number.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn void_dispute_links(&self, account: &AccountId, event: &Event) -> Result<usize, StoreError>;
}
