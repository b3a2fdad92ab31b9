//! What a use case can fail with, named by what its caller can do about it. Dialects turn each into bytes
//! by an exhaustive match; the texts here are for logs and never reach a client.

use std::{error::Error, time::Duration};

use thiserror::Error;

/// The store could not do what it was asked. As a rule whatever it was doing did not happen. Where the connection to a
/// server breaks in the middle of a commit, or its answer comes too late, nobody knows: it happened whole or not at
/// all, and is not tried again.
#[derive(Debug, Error)]
#[error("the store failed")]
pub struct StoreError {
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Wraps an adapter's error. Its text must hold no address and no secret (R70).
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// Why a request for a reset was not accepted.
#[derive(Debug, Error)]
pub enum RequestError {
    /// No account that could reset has this address. Only under `Disclosure::AsContracted`.
    #[error("no such account")]
    Unknown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a code was not exchanged for a token.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// Wrong, expired, used or exhausted code, or no such account: one answer for all (R18).
    #[error("the code is not valid")]
    Invalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password was not set.
#[derive(Debug, Error)]
pub enum RedeemError {
    /// Unknown, expired, used or void ticket: one answer for all (R18).
    #[error("the ticket is not valid")]
    Invalid,
    /// The ticket's account is blocked. Dialects whose contract has no word for it say `Invalid`.
    #[error("the account is blocked")]
    Blocked,
    /// The password is made of what the account or the deployment is called; the ticket is unspent, but counts it.
    #[error("the password is made of names that anybody knows")]
    OwnName,
    /// Too many passwords are being hashed; the ticket is unspent.
    #[error("hashing is at capacity")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// Hashing failed; the ticket is unspent.
    #[error("the password could not be hashed")]
    Hash(#[source] HashError),
    /// The store failed. The ticket is unspent and the password the old one; or, where a commit's answer was lost, the
    /// ticket is spent and the password the new one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<HashError> for RedeemError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::Busy { retry_after },
            HashError::Failed(_) => Self::Hash(error),
        }
    }
}

/// Why a password was not hashed or verified.
#[derive(Debug, Error)]
pub enum HashError {
    /// All workers are busy and the queue is full, or the wait was too long.
    #[error("hashing is at capacity")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The library refused; the text names the rule, never the password.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// Why an account was not added.
#[derive(Debug, Error)]
pub enum AddAccountError {
    /// The address is taken.
    #[error("an account with this address exists already")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a mail, or a webhook's event, was not accepted. The reply is a code such as `451 4.7.1`, without the server's prose: that
/// may quote the address (R70).
#[derive(Debug, Error)]
pub enum MailError {
    /// Worth another try: connection refused, time-out, 4xx.
    #[error("the mail was not accepted for now ({reply})")]
    Temporary {
        /// Reply code or a word for what failed.
        reply: String,
    },
    /// Not tried: enough is on its way already. It says nothing about the server, and is worth another try.
    #[error("the mail was not tried ({reply})")]
    Busy {
        /// A word for what there is enough of.
        reply: String,
    },
    /// Pointless to try again: 5xx.
    #[error("the mail was refused ({reply})")]
    Permanent {
        /// Reply code.
        reply: String,
    },
}
