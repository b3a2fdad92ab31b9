//! Database errors, described without the contents of any row.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use reset_core::error::StoreError;
use thiserror::Error;

/// How long a client should wait for a program that keeps its users table locked.
const USERS_LOCKED_RETRY: Duration = Duration::from_secs(5);

/// Why a database task failed. Cheap to clone: a failed commit is reported to every task of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DatabaseFault {
    /// The queue is full. Failing at once keeps memory bounded.
    #[error("too many tasks are waiting for the database")]
    Full,
    /// The database threads have ended.
    #[error("the database is closed")]
    Closed,
    /// The task panicked and was rolled back.
    #[error("a database task panicked")]
    Panicked,
    /// The database rejected a row or a query.
    #[error("the database rejected the query: {0}")]
    Rejected(&'static str),
    /// No connection was free before the timeout. Nothing was done.
    #[error("timeout: no database connection became free")]
    PoolTimeout,
    /// The server did not respond before the timeout. The task may or may not have been committed.
    #[error("timeout: the database did not respond")]
    Timeout,
    /// The transaction conflicted with others in every retry.
    #[error("conflicting transactions: every retry failed")]
    Conflict,
    /// Another transaction kept a row locked for longer than the statement timeout.
    #[error("lock timeout: another transaction holds the row")]
    LockTimeout,
    /// Another program keeps the SQLite file with its users table locked. Nothing was done.
    #[error("the users table: database is locked")]
    UsersLocked,
    /// The node of a cluster executes no statements now. Nothing was done.
    #[error("the cluster node is not ready")]
    NotReady,
    /// No connection could be established.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke while the transaction was being committed.
    #[error("the connection broke during the commit: {0}")]
    Commit(String),
    /// The engine failed, for example because the file stayed locked, the disk is full or I/O failed.
    #[error("the database failed: {0}")]
    Engine(String),
}

impl DatabaseFault {
    /// A unique value exists already.
    pub(crate) const DUPLICATE: Self = Self::Rejected("a value exists already");

    /// Whether the transaction was rolled back for certain because of what was in it.
    pub(crate) fn nothing_was_done(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Conflict | Self::LockTimeout | Self::Panicked)
    }
}

impl From<Error> for DatabaseFault {
    /// Converts an error of SQLite.
    fn from(error: Error) -> Self {
        match error {
            // The messages of these constraint violations are dropped, because they may quote the value (R70).
            Error::DatabaseError(kind, information) => match kind {
                DatabaseErrorKind::UniqueViolation => Self::DUPLICATE,
                DatabaseErrorKind::NotNullViolation => Self::Rejected("a value is missing"),
                DatabaseErrorKind::CheckViolation => Self::Rejected("a check failed"),
                DatabaseErrorKind::ForeignKeyViolation => Self::Rejected("a referenced row is missing"),
                // SQLite's other messages contain no values: `database is locked`, `database or disk is full`.
                _ => Self::Engine(information.message().to_owned()),
            },
            Error::DeserializationError(_) => Self::Rejected("a row cannot be read"),
            Error::SerializationError(_) => Self::Rejected("a value cannot be stored"),
            Error::RollbackTransaction => Self::Rejected("the rows changed during the task"),
            Error::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            _ => Self::Engine("unexpected error".to_owned()),
        }
    }
}

impl From<DatabaseFault> for StoreError {
    fn from(fault: DatabaseFault) -> Self {
        if fault == DatabaseFault::UsersLocked {
            return Self::busy(fault, USERS_LOCKED_RETRY);
        }
        Self::new(fault)
    }
}
