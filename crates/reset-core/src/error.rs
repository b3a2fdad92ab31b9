//! The errors of the use cases, one variant per reaction of the caller. Dialects map each to a response with an
//! exhaustive match. The texts here are for logs and the command line and never reach an API client.

use std::{error::Error, sync::Arc, time::Duration};

use thiserror::Error;

/// A store operation failed. Usually nothing changed then. If the connection breaks during a commit, or the reply
/// comes too late, the result is unknown: either everything changed or nothing did. Such an operation is not retried.
#[derive(Clone, Debug, Error)]
#[error("the store failed")]
pub struct StoreError {
    #[source]
    source: Arc<dyn Error + Send + Sync>,
    retry_after: Option<Duration>,
}

impl StoreError {
    /// Wraps an adapter's error. Its text must hold no address and no secret (R70).
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into().into(), retry_after: None }
    }

    /// Returns the error of an operation that did nothing, because something else used the store for too long.
    pub fn busy(source: impl Into<Box<dyn Error + Send + Sync>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(source) }
    }

    /// Returns how long the caller should wait before it repeats an operation that did nothing; `None` if the store failed.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Why a reset request was not accepted.
#[derive(Debug, Error)]
pub enum RequestError {
    /// No account with this address can reset its password. Only under `Disclosure::AsContracted`.
    #[error("no account with this address can reset its password")]
    Unknown,
    /// Too many jobs wait, so the mail would be late, or the store was in use for too long; nothing was accepted.
    #[error("too many reset requests are waiting, or the store is at capacity")]
    Busy {
        /// Time until the client should try again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        match error.retry_after() {
            Some(retry_after) => Self::Busy { retry_after },
            None => Self::Store(error),
        }
    }
}

/// Why a code was not exchanged for a token.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The code is wrong, expired, used or out of attempts, or the account does not exist; one error for all (R18).
    #[error("the code is not valid")]
    Invalid,
    /// The store was in use for too long; the code stays valid.
    #[error("the store is at capacity")]
    Busy {
        /// How long the client should wait before it retries.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ExchangeError {
    fn from(error: StoreError) -> Self {
        match error.retry_after() {
            Some(retry_after) => Self::Busy { retry_after },
            None => Self::Store(error),
        }
    }
}

/// Why a password was not set.
#[derive(Debug, Error)]
pub enum RedeemError {
    /// The ticket is unknown, expired, used or void; one error for all (R18).
    #[error("the ticket is not valid")]
    Invalid,
    /// The ticket's account is blocked. Dialects whose contract has no such error respond as for `Invalid`.
    #[error("the account is blocked")]
    Blocked,
    /// The password is made of names of the account or the deployment. The ticket stays valid, but counts the
    /// attempt.
    #[error("the password is made of names of the account or the service")]
    OwnName,
    /// The hashing queue is full, or the store was in use for too long; the ticket stays valid.
    #[error("hashing or the store is at capacity")]
    Busy {
        /// How long the client should wait before it retries.
        retry_after: Duration,
    },
    /// Hashing failed; the ticket stays valid.
    #[error("the password could not be hashed")]
    Hash(#[source] HashError),
    /// The store failed. Usually the ticket stays valid and the password is unchanged. If only the result of the
    /// commit was lost, the ticket is spent and the new password is set.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> Self {
        match error.retry_after() {
            Some(retry_after) => Self::Busy { retry_after },
            None => Self::Store(error),
        }
    }
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
    /// The hashing queue is full, or the wait timed out.
    #[error("hashing is at capacity")]
    Busy {
        /// How long the client should wait before it retries.
        retry_after: Duration,
    },
    /// The hash function failed or rejected the input, or the stored hash cannot be verified. The text names the
    /// reason, never the password.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// Why an account was not added.
#[derive(Debug, Error)]
pub enum AddAccountError {
    /// Another account has the address.
    #[error("an account with this address already exists")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a mail or a webhook notification was not accepted. The reply is a code such as `451 4.7.1`, without the
/// server's text, which could quote the address (R70).
#[derive(Debug, Error)]
pub enum MailError {
    /// A temporary failure, worth a retry: connection refused, timeout, 4xx.
    #[error("delivery failed temporarily ({reply})")]
    Temporary {
        /// Reply code, or a word for the failure.
        reply: String,
    },
    /// The message was transferred, and the connection ended before the server's reply: the server may have accepted
    /// it. A retry may be a duplicate, so it waits long and is made only a few times.
    #[error("delivery ended without a reply ({reply})")]
    Uncertain {
        /// A word for the failure.
        reply: String,
    },
    /// Not attempted, because a limit on concurrent deliveries is reached. Says nothing about the server, does not
    /// count as an attempt, and is worth a retry.
    #[error("delivery was not attempted ({reply})")]
    Busy {
        /// A word for the limit.
        reply: String,
        /// Whether the limit is that of the recipient's domain. Otherwise it holds back every mail.
        only_domain: bool,
    },
    /// A permanent failure; a retry would not help: 5xx.
    #[error("delivery was rejected permanently ({reply})")]
    Permanent {
        /// Reply code.
        reply: String,
    },
}
