//! Ports: what the domain needs of the world. Adapters live in other crates; `memory` has one of each.
//!
//! Three things to note. Absence is no error: look-ups return `Option`. Time is always an argument, so that
//! one clock decides. Whatever must not happen by halves is one method, and says so.

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
    events::{Disputes, Events},
    jobs::{Backlog, Jobs, Outbox, Queued},
};

/// Everything that is remembered, in one database.
#[async_trait]
pub trait Store: Accounts + Tickets + Jobs + Outbox + Budgets + Events + Disputes {
    /// Answers when the database does and its schema is the one this program was built for.
    ///
    /// # Errors
    /// When it does not.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Forgets tickets that ended, jobs that were finished, budgets whose windows were empty again and links of
    /// notices that ended before `before`. Jobs that still owe a mail ([`Outcome::OWED`](crate::job::Outcome::OWED)) are kept longer by
    /// [`RETRY_RETENTION`](crate::job::RETRY_RETENTION).
    ///
    /// # Errors
    /// When the store fails.
    async fn purge(&self, before: Timestamp) -> Result<(), StoreError>;
}

/// The users table.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account whose canonical address is `email`.
    ///
    /// # Errors
    /// When the store fails.
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// The account `id`.
    ///
    /// # Errors
    /// When the store fails.
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// The stored hash of the account's password. Nothing on the request path reads it.
    ///
    /// # Errors
    /// When the store fails.
    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError>;

    /// Makes an account. Its canonical address is unique.
    ///
    /// # Errors
    /// [`AddAccountError::Taken`] when another account has the address.
    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError>;

    /// Blocks or unblocks the account, and writes `event` down as its; blocking voids its tickets in the same
    /// transaction. Returns whether there is such an account.
    ///
    /// # Errors
    /// When the store fails.
    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        event: &Event,
    ) -> Result<bool, StoreError>;
}

/// What became of [`Tickets::issue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// The ticket is live, and every earlier one of the account in this dialect is void.
    Live,
    /// Another live ticket of the dialect has this digest; nothing changed. Draw again (R11).
    Collision,
    /// Other accounts have as many live tickets of this kind as there may be; nothing changed.
    LimitReached,
    /// The account has a ticket of a later job in this dialect; nothing changed.
    Superseded,
}

/// A new password, and all that changes with it.
pub struct PasswordChange<'a> {
    /// The ticket that is spent.
    pub ticket: &'a TicketId,
    /// The account whose password is set.
    pub account: &'a AccountId,
    /// The hash to store.
    pub password_hash: &'a str,
    /// The jobs that tell the owner and the webhook, where wanted.
    pub jobs: &'a [Job],
    /// What is written down.
    pub event: &'a Event,
    /// When.
    pub now: Timestamp,
}

/// Tickets.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// Stores a ticket, writes `event` down, and voids the earlier ones of the same account and dialect, in one
    /// transaction: expired ones too, lest [`Self::restart_clock`] revive them. So is an expired one of the same digest.
    ///
    /// One that is void already changes nothing for anybody: it is stored open and voided in the same transaction, so
    /// that it costs what any other does (R14), and no event is written of it.
    ///
    /// With `max_live`, it is stored only while other accounts have fewer live tickets of its kind in its
    /// dialect. The count and the issue are one transaction: parallel workers cannot exceed it.
    ///
    /// # Errors
    /// When the store fails, or the job has issued a ticket already: a second worker at one job must
    /// find the first one's ticket, not void it.
    async fn issue(
        &self,
        ticket: &Ticket,
        max_live: Option<u64>,
        event: &Event,
    ) -> Result<Issued, StoreError>;

    /// The ticket that this job issued, whatever its state.
    ///
    /// # Errors
    /// When the store fails.
    async fn ticket_of(&self, job: &JobId) -> Result<Option<Ticket>, StoreError>;

    /// The dialect's ticket with this digest, whatever its state; a live one before a dead one.
    ///
    /// # Errors
    /// When the store fails.
    async fn ticket_with(
        &self,
        dialect: &str,
        digest: &TicketDigest,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError>;

    /// Starts the ticket's clock anew, unless it is spent or void: its secret is about to be mailed again.
    ///
    /// # Errors
    /// When the store fails.
    async fn restart_clock(
        &self,
        ticket: &TicketId,
        minted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Takes one guess from the account's live ticket of `kind`, if it has one with fewer than `max` guesses
    /// spent, and returns that ticket, this guess counted. The guess is taken before anything is compared, so
    /// that parallel guesses cannot outnumber the limit (R45).
    ///
    /// Every guess is counted durably, whether or not there is a ticket: finding none costs what finding one
    /// costs.
    ///
    /// # Errors
    /// When the store fails.
    async fn take_guess(
        &self,
        account: &AccountId,
        dialect: &str,
        kind: TicketKind,
        max: u32,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError>;

    /// The dialects in which the account has a live code, short or long.
    ///
    /// # Errors
    /// When the store fails.
    async fn dialects_with_codes(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError>;

    /// Spends the live ticket `spent`, stores `token` in its place and writes `event` down, in one transaction. Of two
    /// concurrent calls exactly one returns `true`.
    ///
    /// # Errors
    /// When the store fails.
    async fn exchange(&self, spent: &TicketId, token: &Ticket, event: &Event) -> Result<bool, StoreError>;

    /// Spends the ticket and sets the password, in one transaction: the conditional spend, the new hash, the
    /// account's epoch, the end of its other tickets, and of disputes to earlier resets whose mailbox is the
    /// account's address, the jobs that tell of it, and the event. Of any number of concurrent calls
    /// exactly one returns `true`; `false` means that nothing changed.
    ///
    /// The ticket is spent only while it is live, its account is not blocked, and the account's epoch and
    /// address are those of the time of issue (R4, R5, R7, R69).
    ///
    /// # Errors
    /// When the store fails. As a rule nothing changed then; where it is not known what became of a commit, or its
    /// caller gave up while it was under way, all of it did or nothing (see [`StoreError`]).
    async fn redeem(&self, change: PasswordChange<'_>) -> Result<bool, StoreError>;
}

/// Budgets, shared by all replicas; they outlive the process.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Takes one from each of `budgets` if all their windows have room, else from none; returns whether it did. Any
    /// number of concurrent takes together get no more than the windows hold (R45, R52). A refusal is written down,
    /// too, as one more in a number: a row does not grow by it, and it takes as long as a take.
    ///
    /// # Errors
    /// When the store fails; then nothing was taken.
    async fn take(&self, budgets: &[Budget], now: Timestamp) -> Result<bool, StoreError>;

    /// Gives back what was taken from each of `budgets` at `taken_at`.
    ///
    /// # Errors
    /// When the store fails; then nothing was given back.
    async fn give_back(&self, budgets: &[Budget], taken_at: Timestamp) -> Result<(), StoreError>;

    /// Whether there is room now, without taking any.
    ///
    /// # Errors
    /// When the store fails.
    async fn has_room(&self, budget: &Budget, now: Timestamp) -> Result<bool, StoreError>;
}

/// Delivers mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over and returns the reply, such as `250 2.0.0`, once somebody else is responsible.
    ///
    /// # Errors
    /// [`MailError`] says whether to try again.
    async fn send(&self, mail: &Mail) -> Result<String, MailError>;

    /// Does what sending costs on this machine, as far as that can be done, and sends nothing: for addresses without
    /// an account, whose mail that is not shall take as long as one that is (R14). By default nothing.
    async fn prepare_decoy(&self, _mail: &Mail) {}

    /// Checks that mail could be sent now, without sending any.
    ///
    /// # Errors
    /// [`MailError`] says what failed.
    async fn check(&self) -> Result<(), MailError>;
}

/// A reset that other systems want to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordReset {
    /// The same for every try.
    pub id: JobId,
    /// Whose password was reset.
    pub account: AccountId,
    /// Through which dialect.
    pub dialect: String,
    /// When.
    pub at: Timestamp,
}

/// Tells other systems.
#[async_trait]
pub trait Webhook: Send + Sync {
    /// Hands the news over and returns the reply, such as `204`.
    ///
    /// # Errors
    /// [`MailError`] says whether to try again.
    async fn post(&self, reset: &PasswordReset) -> Result<String, MailError>;
}

/// Turns passwords into stored hashes.
#[async_trait]
pub trait Hasher: Send + Sync {
    /// Hashes a password, with a salt of its own, into the form that is stored. In the place of a hash of the
    /// same algorithm, `like`, it keeps that one's version letter, and its cost where it is sane and not lower.
    ///
    /// # Errors
    /// [`HashError::Busy`] when too much is being hashed already.
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError>;

    /// Whether `stored` is a hash of `password`.
    ///
    /// # Errors
    /// [`HashError::Busy`] when too much is being hashed already; [`HashError::Failed`] when `stored` is in
    /// no form that is understood, or demands more memory or time than any sane hash (R59).
    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError>;
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// Yields randomness.
pub trait Entropy: Send + Sync {
    /// Fills `out` with bytes that nobody can guess.
    fn fill(&self, out: &mut [u8]);
}

/// `N` bytes of randomness.
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
    /// Who else is told of a reset, if anybody.
    pub webhook: Option<Arc<dyn Webhook>>,
    /// The password hash.
    pub hasher: Arc<dyn Hasher>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}
