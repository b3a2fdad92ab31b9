//! What is written down, and what owners say of it.

use async_trait::async_trait;

use crate::{
    account::AccountId,
    audit::{Ends, Sealed, Sealer},
    dispute::{Dispute, DisputeOpening},
    error::StoreError,
    event::{AddressTag, Event},
    job::{JobId, Reference},
    time::Timestamp,
};

/// What is written down and never changed.
#[async_trait]
pub trait Events: Send + Sync {
    /// Writes an event down that goes with no other change.
    ///
    /// # Errors
    /// When the store fails.
    async fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// Every event with this reference, in the order in which they were written.
    ///
    /// # Errors
    /// When the store fails.
    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError>;

    /// The last `limit` events that have a reference and this address, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Writes an event down, unless one of the same reference, kind and detail is there: what may come a thousand times
    /// is told once.
    ///
    /// # Errors
    /// When the store fails.
    async fn record_once(&self, event: &Event) -> Result<(), StoreError>;

    /// Seals up to `limit` events that are not sealed yet, in the order in which they were written as far as it is
    /// known, and returns how many. One caller at a time seals; to the others there is nothing to seal. The sealer sees
    /// the head.
    ///
    /// # Errors
    /// When the store fails, or the stored head is not the sealer's ([`Sealer::is_ours`]); then nothing was sealed.
    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError>;

    /// Where the chain begins and ends, as it is stored; nothing before the first seal.
    ///
    /// # Errors
    /// When the store fails.
    async fn ends(&self) -> Result<Option<Ends>, StoreError>;

    /// The first `limit` sealed events behind `place`, in order.
    ///
    /// # Errors
    /// When the store fails.
    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError>;

    /// Forgets sealed events from the beginning of the chain as long as they happened before `before`, and moves the
    /// base behind them.
    ///
    /// # Errors
    /// When the store fails, or the stored base is not the sealer's.
    async fn forget_events(&self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError>;
}

/// Disputes of owners to resets that were not theirs.
#[async_trait]
pub trait Disputes: Send + Sync {
    /// Stores the right to object; does nothing where it is stored already.
    ///
    /// # Errors
    /// When the store fails.
    async fn allow_dispute(&self, dispute: &Dispute) -> Result<(), StoreError>;

    /// The right to object of this notice.
    ///
    /// # Errors
    /// When the store fails.
    async fn dispute(&self, notice: &JobId) -> Result<Option<Dispute>, StoreError>;

    /// Raises a dispute and sets the password, in one transaction: the hash, the account's epoch and sessions, the
    /// end of all its tickets, the jobs that tell of it, and the event. Of any number of concurrent calls exactly
    /// one returns `true`; `false` means that nothing changed. Whether the account is blocked does not matter.
    ///
    /// A dispute whose notice is older than another one's counts before it (an attacker who moved the account to an
    /// address of his own gets notices, too): while an older one of another mailbox stands, a younger one is not raised,
    /// and when an older one is raised, all younger ones of other mailboxes end, and so do their links.
    ///
    /// # Errors
    /// When the store fails.
    async fn open_dispute(&self, opening: DisputeOpening<'_>) -> Result<bool, StoreError>;

    /// The mailbox of the account's dispute that was raised after `since` and is not closed; of several the one whose
    /// notice is the oldest: an attacker who moved the account to an address of his own gets notices, too, but later
    /// ones.
    ///
    /// # Errors
    /// When the store fails.
    async fn mailbox_of_disputes(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError>;

    /// The account whose standing dispute has this mailbox, raised after `since`; of several that of the oldest notice.
    ///
    /// # Errors
    /// When the store fails.
    async fn account_of_dispute(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError>;

    /// Lifts every dispute of the account, and writes `event` down if there was one. Returns whether there was.
    ///
    /// # Errors
    /// When the store fails.
    async fn close_disputes(&self, account: &AccountId, event: &Event) -> Result<bool, StoreError>;
}
