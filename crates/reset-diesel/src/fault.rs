//! What can go wrong in a database, told without the contents of any row.

use diesel::result::{DatabaseErrorKind, Error};
use reset_core::error::StoreError;
use thiserror::Error;

/// Why a job failed. Cheap to clone: a failed commit is told to every job of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DatabaseFault {
    /// The queue is full. Failing at once beats memory without bound.
    #[error("too many jobs are waiting for the database")]
    Full,
    /// The threads ended.
    #[error("the database is closed")]
    Closed,
    /// The job panicked, and was rolled back.
    #[error("a database job panicked")]
    Panicked,
    /// The row or query is at fault.
    #[error("the database refused: {0}")]
    Refused(&'static str),
    /// No connection was free in time; nothing was done.
    #[error("no database connection became free in time")]
    Waited,
    /// The server did not answer in time; what it did is not known.
    #[error("the database did not answer in time")]
    Slow,
    /// Two transactions were in each other's way, and that several times in a row.
    #[error("the database is too busy with the same rows")]
    Conflict,
    /// Another transaction held a row for longer than a statement may take.
    #[error("the database held a row for another transaction for too long")]
    Locked,
    /// There is no connection to be had.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke while the transaction was being committed.
    #[error("the connection broke during the commit: {0}")]
    Commit(String),
    /// The engine itself is: locked for too long, disk full, input or output failed.
    #[error("the database failed: {0}")]
    Engine(String),
}

impl DatabaseFault {
    /// A unique value exists already.
    pub(crate) const EXISTS: Self = Self::Refused("a value exists already");
}

impl From<Error> for DatabaseFault {
    /// The fault that an error on SQLite is.
    fn from(error: Error) -> Self {
        match error {
            // For every kind that a value could cause, the message stays here: it may quote the value (R70).
            Error::DatabaseError(kind, information) => match kind {
                DatabaseErrorKind::UniqueViolation => Self::EXISTS,
                DatabaseErrorKind::NotNullViolation => Self::Refused("a value is missing"),
                DatabaseErrorKind::CheckViolation => Self::Refused("a check failed"),
                DatabaseErrorKind::ForeignKeyViolation => Self::Refused("a reference leads nowhere"),
                // SQLite words these without values: `database is locked`, `database or disk is full`.
                _ => Self::Engine(information.message().to_owned()),
            },
            Error::DeserializationError(_) => Self::Refused("a row cannot be read"),
            Error::SerializationError(_) => Self::Refused("a value cannot be stored"),
            Error::RollbackTransaction => Self::Refused("the rows changed under the job"),
            Error::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            _ => Self::Engine("unexpected answer".to_owned()),
        }
    }
}

impl From<DatabaseFault> for StoreError {
    fn from(fault: DatabaseFault) -> Self {
        Self::new(fault)
    }
}
