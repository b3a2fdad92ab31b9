//! Jobs: what was asked of us and has to be done behind the answer. The worker works them off.

use std::time::Duration;

use crate::{
    account::{AccountId, StoredAddress},
    email::EmailAddress,
    encoding::crockford,
    time::Timestamp,
};

/// Longest time a job is tried before it is given up. Default 24 hours: a greylisting or broken mail
/// server gets a day, and a ticket could not outlive it (see `ticket::HARD_CAP`).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Identifies one job; random, and no secret. Part of what a secret is derived from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// The job whose key reads `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person can quote to the help desk: ten characters, the same format whether or not the address has
/// an account. It opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// A reference from ten random bytes.
    pub fn from_random(bytes: [u8; 10]) -> Self {
        Self(crockford(bytes))
    }

    /// The reference as it was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to quote.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Look the address up and, if there is an account, issue a ticket and mail its secret.
    Reset {
        /// The address that somebody typed.
        email: EmailAddress,
        /// Where the link is to lead, in dialects whose clients choose.
        redirect_to: Option<String>,
        /// The language that the client asked for, as a BCP 47 tag; the account's own goes first.
        locale: Option<String>,
    },
    /// Tell the owner that the password was changed (R30).
    Notice {
        /// Whose password it was.
        account: AccountId,
        /// The address at the moment of the reset: whoever took the account over cannot have the notice sent
        /// to an address of his own.
        to: StoredAddress,
    },
    /// Tell the deployment's webhook that the password was changed, so that other systems end their sessions.
    Webhook {
        /// Whose password it was.
        account: AccountId,
    },
}

impl JobKind {
    /// Name for operators.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "reset",
            Self::Notice { .. } => "notice",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// What an event says of `reply`: whose it was, where it was not that of the secret's mail.
    pub(crate) fn saying(&self, reply: &str) -> String {
        match self {
            Self::Reset { .. } => reply.to_owned(),
            Self::Notice { .. } | Self::Webhook { .. } => format!("{}: {reply}", self.name()),
        }
    }
}

/// One job. It holds no secret and, until the worker's turn, no knowledge of any account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Key of the row.
    pub id: JobId,
    /// Place in the order of asking; given by the store, zero before.
    pub seq: i64,
    /// What the answer's `X-Reset-Reference` said.
    pub reference: Reference,
    /// The dialect that was asked.
    pub dialect: String,
    /// What is to be done.
    pub kind: JobKind,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How often it has been tried, this time included.
    pub attempts: u32,
    /// How often in a row a worker took it and was never heard of again.
    pub lost: u32,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail, or the webhook, was accepted.
    Mailed,
    /// There was nobody to mail to: no account, or a blocked one.
    NoAccount,
    /// A later ask, a completed reset or a block made it pointless.
    Superseded,
    /// The mail server refused the mail, or the webhook the event, for good.
    Refused,
    /// It was tried for [`GIVE_UP_AFTER`].
    GivenUp,
    /// Its dialect is no longer served here.
    Abandoned,
    /// Workers were lost over it, or it cannot be read: an operator has to look at it.
    Quarantined,
    /// An administrator handed its secret over.
    HandedOver,
}

impl Outcome {
    /// Those after which a mail, or an event, is still owed to somebody: an operator may try once more.
    pub const OWED: [Self; 3] = [Self::Refused, Self::GivenUp, Self::Quarantined];

    /// Name for stores and logs.
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

/// Workers that may be lost in a row over one job before it is set aside. A process that is killed ten times is
/// killed by something; others must not wait for it.
pub const MAX_WORKER_CRASHES: u32 = 10;

/// Workers lost in a row over one job, beyond which it is taken alone: what kills a worker shall not take others with
/// it again and again.
pub const SUSPECT_CRASHES: u32 = 2;

/// How much longer than others a job is kept whose mail never left, so that it can be tried once more.
pub const RETRY_RETENTION: Duration = Duration::from_secs(6 * 24 * 60 * 60);

/// How long to wait after the `attempts`-th try: quickly at first, then every quarter of an hour.
pub fn backoff(attempts: u32) -> Duration {
    const SECONDS: [u64; 10] = [1, 2, 5, 10, 20, 40, 60, 120, 300, 900];
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(SECONDS.len() - 1);
    Duration::from_secs(SECONDS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_to_a_quarter_of_an_hour_and_stays() {
        let waits: Vec<u64> = (1..=12).map(|attempts| backoff(attempts).as_secs()).collect();
        assert!(waits.is_sorted());
        assert_eq!((waits[0], waits[11]), (1, 900));
        // The first minute is tried seven times: a mail server that restarts is met soon.
        assert!(waits[..6].iter().sum::<u64>() > 60 && waits[..5].iter().sum::<u64>() < 60);
    }

    #[test]
    fn a_reference_has_ten_readable_characters() {
        let reference = Reference::from_random([0, 31, 32, 255, 10, 17, 18, 20, 21, 24]);
        assert_eq!(reference.as_str(), "0Z0ZAHJMNR");
    }
}
