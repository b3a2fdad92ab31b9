//! Jobs: work that was accepted and that the worker does after the response has been sent.

use std::time::Duration;

use crate::{
    account::{AccountId, StoredAddress},
    email::EmailAddress,
    encoding::crockford,
    time::Timestamp,
    turns::NetworkBlock,
};

/// How long a job is retried before it is given up. 24 hours: a greylisting or broken mail server gets a day, and a
/// ticket could not live longer (see `ticket::HARD_CAP`).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Identifies one job. Random, but not secret. The job's secret is derived from it, among others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// Wraps a stored key.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text that identifies a reset in support requests: ten characters, of the same format whether or not the
/// address has an account. It grants no access.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// Creates a reference from ten random bytes.
    pub fn from_random(bytes: [u8; 10]) -> Self {
        Self(crockford(bytes))
    }

    /// Wraps a stored reference.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kind of a job, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Look up the address and, if it has an account, issue a ticket and mail its secret.
    Reset {
        /// The address in the request.
        email: EmailAddress,
        /// Where the link leads, in dialects that let the client choose.
        redirect_to: Option<String>,
        /// The client's preferred language, as a BCP 47 tag. The account's own language takes precedence.
        locale: Option<String>,
    },
    /// Notify the owner that the password was changed (R30).
    Notice {
        /// The account whose password was changed.
        account: AccountId,
        /// The address at the time of the reset, so that an attacker who then changes it cannot divert the notice.
        to: StoredAddress,
        /// The language of the client that reset the password, as a BCP 47 tag. The account's own language takes
        /// precedence.
        locale: Option<String>,
    },
    /// Notify the deployment's webhook that the password was changed, so that other systems end their sessions.
    Webhook {
        /// The account whose password was changed.
        account: AccountId,
    },
}

impl JobKind {
    /// Returns the name that operators see.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "reset",
            Self::Notice { .. } => "notice",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// Formats `reply` for an event's detail. Replies to notices and webhooks are prefixed with the job kind.
    pub(crate) fn reply_detail(&self, reply: &str) -> String {
        match self {
            Self::Reset { .. } => reply.to_owned(),
            Self::Notice { .. } | Self::Webhook { .. } => format!("{}: {reply}", self.name()),
        }
    }
}

/// One job. It holds no secret and, for a reset request, no knowledge of any account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Key of the row.
    pub id: JobId,
    /// Sequence number in request order. Assigned by the store; zero before.
    pub seq: i64,
    /// The reference in the response's `X-Reset-Reference` header.
    pub reference: Reference,
    /// The dialect of the request.
    pub dialect: String,
    /// What to do.
    pub kind: JobKind,
    /// When the job was queued.
    pub created_at: Timestamp,
    /// The client's network, for the turn of the mail. `None` if there is no client.
    pub network: Option<NetworkBlock>,
    /// Place in the order of its stage; see [`turns`](crate::turns).
    pub turn: i64,
    /// Number of times a worker claimed it.
    pub claims: u32,
    /// Number of attempts at its delivery, the current one included.
    pub attempts: u32,
    /// Number of attempts after which the mail may have been accepted although no reply came.
    pub unconfirmed: u32,
    /// How many workers in a row crashed or vanished while they had claimed it.
    pub lost: u32,
}

impl Job {
    /// Creates a job that nobody has claimed. The store assigns `seq`.
    pub fn new(id: JobId, reference: Reference, dialect: &str, kind: JobKind, created_at: Timestamp) -> Self {
        let (seq, network, turn) = (0, None, 0);
        let (claims, attempts, unconfirmed, lost) = (0, 0, 0, 0);
        let dialect = dialect.to_owned();
        Self {
            id,
            seq,
            reference,
            dialect,
            kind,
            created_at,
            network,
            turn,
            claims,
            attempts,
            unconfirmed,
            lost,
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail, or the webhook, was accepted.
    Mailed,
    /// The address has no account, or a blocked one.
    NoAccount,
    /// A later request, a completed reset or a block made it obsolete.
    Superseded,
    /// The mail server or the webhook rejected it permanently.
    Refused,
    /// It was retried for [`GIVE_UP_AFTER`] without success.
    GivenUp,
    /// Its dialect or webhook is no longer configured.
    Abandoned,
    /// Workers crashed while running it, or it cannot be read: an operator has to look at it.
    Quarantined,
    /// An administrator handed over its secret.
    HandedOver,
}

impl Outcome {
    /// The outcomes that leave a mail or a webhook notification unsent. An operator can retry these jobs.
    pub const OWED: [Self; 3] = [Self::Refused, Self::GivenUp, Self::Quarantined];

    /// Returns the name for stores and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mailed => "mailed",
            Self::NoAccount => "no-account",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::GivenUp => "given-up",
            Self::Abandoned => "abandoned",
            Self::Quarantined => "quarantined",
            Self::HandedOver => "handed-over",
        }
    }
}

/// Number of worker crashes in a row up to which a job is still retried; one more quarantines it, so that other jobs
/// do not wait for it.
pub const MAX_WORKER_CRASHES: u32 = 10;

/// Number of worker crashes in a row beyond which a job runs alone, so that its next crash does not affect other
/// jobs.
pub const SUSPECT_CRASHES: u32 = 2;

/// How long a job waits after an attempt whose mail may have been accepted although no reply came: a server that scans
/// a message for minutes then gets one copy, not dozens.
pub const UNCONFIRMED_WAIT: Duration = Duration::from_secs(60 * 60);

/// Number of such attempts after which a job ends: by then the mail most likely arrived.
pub const UNCONFIRMED_MOST: u32 = 3;

/// How long a job waits that no sending slot was free for.
pub const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Most multiples of [`BUSY_WAIT`] that a mail waits for its recipient's domain: one for each claim of the job.
pub const DOMAIN_WAITS_MOST: u32 = 8;

/// How much longer than others a finished job is kept if its mail was never sent, so that an operator can retry it.
pub const RETRY_RETENTION: Duration = Duration::from_secs(6 * 24 * 60 * 60);

/// Returns the backoff after attempt number `attempts`: one second at first, growing to 15 minutes.
pub fn backoff(attempts: u32) -> Duration {
    const SECONDS: [u64; 10] = [1, 2, 5, 10, 20, 40, 60, 120, 300, 900];
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(SECONDS.len() - 1);
    Duration::from_secs(SECONDS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_a_quarter_of_an_hour_and_stays() {
        let waits: Vec<u64> = (1..=12).map(|attempts| backoff(attempts).as_secs()).collect();
        assert!(waits.is_sorted());
        assert_eq!((waits[0], waits[11]), (1, 900));
        // Six attempts fall into the first minute, so mail is delivered soon after a mail server restarts.
        assert!(waits[..6].iter().sum::<u64>() > 60 && waits[..5].iter().sum::<u64>() < 60);
    }

    #[test]
    fn a_reference_has_ten_readable_characters() {
        let reference = Reference::from_random([0, 31, 32, 255, 10, 17, 18, 20, 21, 24]);
        assert_eq!(reference.as_str(), "0Z0ZAHJMNR");
    }
}
