//! Tickets: what is stored of the right to set one new password, and when that right ends.

use std::{fmt, time::Duration};

use crate::{
    account::AccountId,
    job::{JobId, Reference},
    secret::TicketDigest,
    time::Timestamp,
};

/// Longest time between issue and end of a ticket, however long its mail was under way. Default 24 hours
/// (NIST SP 800-63B-4, 4.2.1.2: recovery codes sent by mail).
pub const HARD_CAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Most new passwords that may be refused for what the account is called before the ticket is void (R17).
pub const REFUSALS_MAX: u32 = 10;

/// Identifies one ticket; random, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TicketId(String);

impl TicketId {
    /// The ticket whose key reads `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What kind of secret opens a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketKind {
    /// A secret short enough to type, six digits: guessable, so it is counted and capped.
    Code,
    /// A secret that can be typed and not guessed.
    LongCode,
    /// A secret for machines: in a link, or handed over in exchange for a code.
    Token,
}

impl TicketKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Code, Self::LongCode, Self::Token];

    /// Name for stores and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::LongCode => "long-code",
            Self::Token => "token",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The right of one account to set one new password through one dialect. `Debug` shows ids alone (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Key of the row.
    pub id: TicketId,
    /// Whose password may be set.
    pub account: AccountId,
    /// Through which dialect.
    pub dialect: String,
    /// By which kind of secret.
    pub kind: TicketKind,
    /// Keyed digest of the secret.
    pub digest: TicketDigest,
    /// Canonical address at issue: a ticket follows the person, not the address (R7).
    pub email: String,
    /// The account's epoch at issue.
    pub epoch: i64,
    /// The reset it belongs to; unknown for tickets of an older program.
    pub reference: Option<Reference>,
    /// The job that mailed it.
    pub job: JobId,
    /// The job's place in the order of asking: a later ask beats an earlier one.
    pub job_seq: i64,
    /// Which draw of the seed this is; counts up when a code collides with a live one (R11).
    pub nonce: u32,
    /// Where a link is to lead, checked against the allow-list when asked and when opened.
    pub redirect_to: Option<String>,
    /// Guesses spent on it; or, where its secret alone finds it, so that there is nothing to guess, refusals.
    pub attempts: u32,
    /// When it was first issued.
    pub issued_at: Timestamp,
    /// When the secret was last made for mailing: a JWT's `iat`.
    pub minted_at: Timestamp,
    /// When it ends; moved when the mail is accepted, never beyond [`HARD_CAP`] from issue.
    pub expires_at: Timestamp,
    /// When it set a password or was exchanged.
    pub spent_at: Option<Timestamp>,
    /// When a newer ticket, a completed reset or a block voided it.
    pub voided_at: Option<Timestamp>,
}

/// Where a ticket stands at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// It can be spent.
    Live,
    /// Its time is over.
    Expired,
    /// It was used.
    Spent,
    /// A newer ticket, a completed reset, a block or too many refusals voided it.
    Void,
}

impl TicketState {
    /// Name for events.
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
    /// Where the ticket stands at `now`. The store decides again, in the statement that spends it (R4).
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

    /// Where a ticket stands that its secret alone has found: as [`Self::state`], and void after too many refusals.
    pub fn standing(&self, now: Timestamp) -> TicketState {
        match self.state(now) {
            TicketState::Live if self.attempts >= REFUSALS_MAX => TicketState::Void,
            state => state,
        }
    }

    /// The end of a lifetime of `lifetime` that starts at `start`, cut at [`HARD_CAP`] from issue.
    pub fn end_of(&self, start: Timestamp, lifetime: Duration) -> Timestamp {
        start.plus(lifetime).min(self.issued_at.plus(HARD_CAP))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
