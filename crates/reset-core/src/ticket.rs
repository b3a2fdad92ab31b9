//! Tickets: the stored right to set one new password, and when it ends.

use std::{fmt, time::Duration};

use crate::{
    account::AccountId,
    job::{JobId, Reference},
    secret::TicketDigest,
    time::Timestamp,
};

/// Maximum lifetime of a ticket from issue, however long its mail was delayed. 24 hours (NIST SP 800-63B-4, 4.2.1.2:
/// recovery codes sent by mail).
pub const HARD_CAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Number of new passwords rejected for account names after which the ticket is void (R17).
pub const REFUSALS_MAX: u32 = 10;

/// Identifies one ticket. Random, but not secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TicketId(String);

impl TicketId {
    /// Wraps a stored key.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kind of secret that redeems a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketKind {
    /// Six digits, short enough to type: guessable, so attempts are counted and limited.
    Code,
    /// A secret that can be typed but not guessed.
    LongCode,
    /// A secret for machines, in a link or returned in exchange for a code.
    Token,
}

impl TicketKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Code, Self::LongCode, Self::Token];

    /// Returns the name for stores and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::LongCode => "long-code",
            Self::Token => "token",
        }
    }

    /// Returns the kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The right of one account to set one new password through one dialect. `Debug` shows only the id and the dialect
/// (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Key of the row.
    pub id: TicketId,
    /// The account whose password can be set.
    pub account: AccountId,
    /// The dialect.
    pub dialect: String,
    /// The kind of its secret.
    pub kind: TicketKind,
    /// Keyed digest of the secret.
    pub digest: TicketDigest,
    /// Canonical address of the account at issue. The ticket is void once the account has another address (R7).
    pub email: String,
    /// The account's epoch at issue.
    pub epoch: i64,
    /// The reset that the ticket belongs to; `None` for tickets issued by older versions.
    pub reference: Option<Reference>,
    /// The job that issued it; for a token from an exchange, the ticket's own id.
    pub job: JobId,
    /// The job's sequence number; a later request supersedes an earlier one.
    pub job_seq: i64,
    /// The number of the draw, incremented when a code collides with a live one (R11).
    pub nonce: u32,
    /// Where the link leads; checked against the allow-list at the request and again when the link is opened.
    pub redirect_to: Option<String>,
    /// Attempts used up: wrong guesses, or rejected passwords if the secret identifies the ticket on its own.
    pub attempts: u32,
    /// When it was first issued.
    pub issued_at: Timestamp,
    /// When the secret was last derived for mailing: the `iat` of a JWT.
    pub minted_at: Timestamp,
    /// When it expires. Moved when the mail is accepted, but never beyond [`HARD_CAP`] after issue.
    pub expires_at: Timestamp,
    /// When it set a password or was exchanged.
    pub spent_at: Option<Timestamp>,
    /// When a newer ticket, a completed reset or a block voided it.
    pub voided_at: Option<Timestamp>,
}

/// The state of a ticket at some point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// It can be redeemed.
    Live,
    /// It has expired.
    Expired,
    /// It was redeemed or exchanged.
    Spent,
    /// A newer ticket, a completed reset, a dispute, a block or too many rejected passwords voided it.
    Void,
}

impl TicketState {
    /// Returns the name for events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Spent => "spent",
            Self::Void => "void",
        }
    }
}

impl Ticket {
    /// Returns the state at `now`. The store decides again, in the statement that spends the ticket (R4).
    pub fn state(&self, now: Timestamp) -> TicketState {
        if self.spent_at.is_some() {
            TicketState::Spent
        } else if self.voided_at.is_some() {
            TicketState::Void
        } else if self.expires_at <= now {
            TicketState::Expired
        } else {
            TicketState::Live
        }
    }

    /// Returns the state of a ticket found by its secret: as [`Self::state`], but void after too many rejected
    /// passwords.
    pub fn standing(&self, now: Timestamp) -> TicketState {
        match self.state(now) {
            TicketState::Live if self.attempts >= REFUSALS_MAX => TicketState::Void,
            state => state,
        }
    }

    /// Returns the end of a lifetime that starts at `start`, at most [`HARD_CAP`] after issue.
    pub fn end_of(&self, start: Timestamp, lifetime: Duration) -> Timestamp {
        start.plus(lifetime).min(self.issued_at.plus(HARD_CAP))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
