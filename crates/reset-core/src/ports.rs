//! Ports: the traits through which the engine reaches the database, the mail transport and the rest of the world.
//! Adapters live in other crates.
//!
//! Three conventions: absence is not an error, so look-ups return `Option`. Time is always an argument, so that one
//! clock decides. Every change that must be atomic is one method, and its documentation says so.

mod comparisons;
mod events;
mod jobs;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    account::{Account, AccountId, NewAccount},
    budget::Budget,
    email::EmailAddress,
    error::{AddAccountError, HashError, MailError, StoreError},
    event::Event,
    hasher::HashForm,
    job::{Job, JobId},
    mail::Mail,
    password::NewPassword,
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
};

pub use self::{
    comparisons::{Comparisons, FINDING_TEXT_MAX, FINDINGS_MAX, Finding},
    events::{Disputes, Events},
    jobs::{Backlog, COUNTED_MOST, Jobs, LONGEST_LEASE, LONGEST_WAIT, Outbox, Postponement, Queued},
};

/// The database: everything that outlives the process.
#[async_trait]
pub trait Store: Accounts + Tickets + Jobs + Outbox + Budgets + Events + Disputes + Comparisons {
    /// Checks that the database can be written to, by a committed change, and that its schema is the one this program
    /// was built for.
    ///
    /// # Errors
    /// Fails if either is not the case.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Returns the number of quarantined jobs that still owe a mail. The cost does not depend on the number of other
    /// jobs.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn quarantined(&self) -> Result<u64, StoreError>;

    /// Deletes the rows that ended before `before`: tickets, finished jobs, budgets whose windows are empty again,
    /// and dispute links. Jobs that still owe a mail ([`Outcome::OWED`](crate::job::Outcome::OWED)) are kept longer
    /// by [`RETRY_RETENTION`](crate::job::RETRY_RETENTION).
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn purge(&self, before: Timestamp) -> Result<(), StoreError>;
}

/// The users table.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Finds the account whose canonical address is `email`.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// Finds the account with the key `id`.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// Returns the stored hash of the account's password. Of the request handlers, only a repeated reset reads it
    /// ([`Resets::has_just_set`](crate::Resets::has_just_set)).
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError>;

    /// Adds an account. Its canonical address must be unique.
    ///
    /// # Errors
    /// [`AddAccountError::Taken`] if another account has the address; [`AddAccountError::Store`] if the store fails.
    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError>;

    /// Blocks or unblocks the account and records `event` for it. Blocking also voids the account's tickets, in the
    /// same transaction. Returns whether the account exists.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        event: &Event,
    ) -> Result<bool, StoreError>;
}

/// The result of [`Tickets::issue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// The ticket is live, and all earlier tickets of the account in this dialect are void.
    Live,
    /// Another live ticket of the dialect has this digest; nothing changed. The caller draws another secret (R11).
    Collision,
    /// Other accounts already hold the maximum number of live tickets of this kind; nothing changed.
    LimitReached,
    /// The account has a ticket of a later job in this dialect; nothing changed.
    Superseded,
}

/// The parameters of [`Tickets::redeem`]: the new password hash and every change that belongs to it.
pub struct PasswordChange<'a> {
    /// The ticket to spend.
    pub ticket: &'a TicketId,
    /// The account whose password is set.
    pub account: &'a AccountId,
    /// The hash to store.
    pub password_hash: &'a str,
    /// The jobs that notify the owner and the webhook, if configured.
    pub jobs: &'a [Job],
    /// The event to record.
    pub event: &'a Event,
    /// The current time.
    pub now: Timestamp,
}

/// Tickets.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// Stores a ticket, records `event`, and voids the earlier tickets of the same account and dialect, in one
    /// transaction. Expired tickets are voided too, because [`Self::restart_clock`] could otherwise revive them. An
    /// expired ticket with the same digest is voided as well.
    ///
    /// With `max_live`, the ticket is stored only while other accounts have fewer live tickets of its kind in its
    /// dialect. The count and the insert are one transaction, so parallel workers cannot exceed the limit.
    ///
    /// # Errors
    /// Fails if the store fails, or if the job has already issued a ticket: a second worker on the same job must find
    /// the first worker's ticket instead of voiding it.
    async fn issue(
        &self,
        ticket: &Ticket,
        max_live: Option<u64>,
        event: &Event,
    ) -> Result<Issued, StoreError>;

    /// Returns the ticket that this job issued, in any state.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn ticket_of(&self, job: &JobId) -> Result<Option<Ticket>, StoreError>;

    /// Finds the dialect's ticket with this digest, in any state. A live ticket takes precedence over a dead one.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn ticket_with(
        &self,
        dialect: &str,
        digest: &TicketDigest,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError>;

    /// Sets a new lifetime for the ticket, unless it is spent or void. Called before its secret is mailed again.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn restart_clock(
        &self,
        ticket: &TicketId,
        minted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Counts one attempt against the account's live ticket of `kind` and returns that ticket, this attempt included.
    /// Returns `None` if there is no such ticket or `max` attempts are used up. The attempt is counted before
    /// anything is compared, so parallel guesses cannot exceed the limit (R45).
    ///
    /// Every attempt costs one durable write, whether or not a ticket exists, so that the response time does not
    /// reveal which.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn take_guess(
        &self,
        account: &AccountId,
        dialect: &str,
        kind: TicketKind,
        max: u32,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError>;

    /// Spends the live ticket `spent`, stores `token` as its successor and records `event`, in one transaction.
    /// Exactly one of several concurrent calls returns `true`.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn exchange(&self, spent: &TicketId, token: &Ticket, event: &Event) -> Result<bool, StoreError>;

    /// Voids the tickets of `account`, or of every account if it is `None`, and records `event` with their number, in one
    /// transaction. Returns how many were live. Expired tickets are voided too, because [`Self::restart_clock`] could
    /// otherwise revive them.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn void_tickets(&self, account: Option<&AccountId>, event: &Event) -> Result<u64, StoreError>;

    /// Spends the ticket and sets the password, in one transaction. The transaction spends the ticket conditionally,
    /// stores the new hash, increments the account's epoch, ends its other tickets, closes disputes of earlier resets
    /// whose mailbox is the account's address, queues the notification jobs and records the event. Exactly one of any
    /// number of concurrent calls returns `true`; `false` means that nothing changed.
    ///
    /// The ticket is spent only if it is live, its account is not blocked, and the account's epoch and address are
    /// the same as at issue (R4, R5, R7, R69).
    ///
    /// # Errors
    /// Fails if the store fails. Usually nothing changed then. If the result of the commit is unknown, or the caller
    /// gave up before it, either everything changed or nothing did (see [`StoreError`]).
    async fn redeem(&self, change: PasswordChange<'_>) -> Result<bool, StoreError>;
}

/// Budgets: counters shared by all replicas. They outlive the process.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Takes one from each of `budgets` if all their windows have room, and from none otherwise. Returns whether they
    /// had room. Concurrent calls together never take more than the windows allow (R45, R52). A rejected take increments
    /// a counter, so that it takes as long as a successful one without growing the row.
    ///
    /// # Errors
    /// Fails if the store fails; then nothing was taken.
    async fn take(&self, budgets: &[Budget], now: Timestamp) -> Result<bool, StoreError>;

    /// Takes as [`Self::take`] does, at the time of `event`, and records the event in the same transaction whether or not
    /// there was room: one commit either way (R14).
    ///
    /// # Errors
    /// Fails if the store fails; then nothing was taken or recorded.
    async fn take_and_record(&self, budgets: &[Budget], event: &Event) -> Result<bool, StoreError>;

    /// Returns to each of `budgets` what was taken at `taken_at`.
    ///
    /// # Errors
    /// Fails if the store fails; then nothing was given back.
    async fn give_back(&self, budgets: &[Budget], taken_at: Timestamp) -> Result<(), StoreError>;

    /// Returns whether the budget has room now, without taking from it.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn has_room(&self, budget: &Budget, now: Timestamp) -> Result<bool, StoreError>;
}

/// Delivers mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends the mail and returns the reply, such as `250 2.0.0`, once the server has accepted responsibility for it.
    ///
    /// # Errors
    /// Returns [`MailError`], which says whether to retry.
    async fn send(&self, mail: &Mail) -> Result<String, MailError>;

    /// Does the local work of sending this mail without sending it. The worker calls it for addresses without an
    /// account, so that they take as long as addresses with one (R14). The default does nothing.
    async fn prepare_decoy(&self, _mail: &Mail) {}

    /// Returns how many mails can be sent at once now, at least 1. It can change at any time, because mail servers limit
    /// their connections. The worker holds few more mails than this.
    /// Default 6.
    fn slots(&self) -> usize {
        6
    }

    /// Checks that mail could be sent now, without sending any.
    ///
    /// # Errors
    /// Returns [`MailError`] with the reason.
    async fn check(&self) -> Result<(), MailError>;
}

/// A completed password change, as reported to the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordReset {
    /// Id of the job; the same for every attempt.
    pub id: JobId,
    /// The account whose password was changed.
    pub account: AccountId,
    /// The dialect of the reset.
    pub dialect: String,
    /// When the password was reset.
    pub at: Timestamp,
}

/// Notifies another system of password changes.
#[async_trait]
pub trait Webhook: Send + Sync {
    /// Posts the notification and returns the reply, such as `204`.
    ///
    /// # Errors
    /// Returns [`MailError`], which says whether to retry.
    async fn post(&self, reset: &PasswordReset) -> Result<String, MailError>;
}

/// Turns passwords into stored hashes.
#[async_trait]
pub trait Hasher: Send + Sync {
    /// Hashes a password with a new random salt. If `like` is a hash of the same algorithm, the result keeps its
    /// version letter, and also its cost if that is reasonable and not lower than the configured one.
    ///
    /// # Errors
    /// [`HashError::Busy`] if the hashing queue is full or the wait timed out; [`HashError::Failed`] if the algorithm
    /// rejects the password.
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError>;

    /// Returns whether `stored` is a hash of `password`.
    ///
    /// # Errors
    /// [`HashError::Busy`] if the hashing queue is full or the wait timed out; [`HashError::Failed`] if `stored` has
    /// an unknown format, or parameters that demand too much memory or time (R59).
    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError>;
}

/// The clock.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// A source of cryptographic randomness.
pub trait Entropy: Send + Sync {
    /// Fills `out` with unpredictable bytes.
    fn fill(&self, out: &mut [u8]);
}

/// Returns `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// The adapters of one deployment.
#[derive(Clone)]
pub struct Adapters {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The mail transport.
    pub mailer: Arc<dyn Mailer>,
    /// The webhook, if configured.
    pub webhook: Option<Arc<dyn Webhook>>,
    /// The password hasher.
    pub hasher: Arc<dyn Hasher>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
}
