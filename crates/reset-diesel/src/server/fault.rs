//! What an error of a server means, told without the contents of any row.
//!
//! Diesel passes a server's words on and not its code. So the words are looked at for those that matter, and never
//! passed on: they may quote a value (R70).

use diesel::result::{DatabaseErrorKind, Error};

use crate::fault::DatabaseFault;

/// Words of the servers, in small letters, and ours for them.
const WORDS: [(&str, &str); 17] = [
    ("statement timeout", "a statement took too long"),
    ("max_statement_time", "a statement took too long"),
    ("maximum statement execution time", "a statement took too long"),
    ("terminating connection", "the server closed the connection"),
    ("shutting down", "the server shuts down"),
    ("connection closed", "the connection broke"),
    ("communicating with the server", "the connection broke"),
    ("input/output error", "the connection broke"),
    ("connection was killed", "the server closed the connection"),
    ("read-only", "the server is read-only"),
    ("read only", "the server is read-only"),
    ("does not exist", "a table or column is missing: run the command migrate"),
    ("doesn't exist", "a table is missing: run the command migrate"),
    ("permission denied", "a permission is missing"),
    ("command denied", "a permission is missing"),
    ("too many c", "the server has no connection left"),
    ("no space left", "the server's disk is full"),
];

/// Words of a transaction that another one was in the way of.
const CONFLICTS: [&str; 3] = ["deadlock", "could not serialize", "record has changed since last read"];

/// Words for having waited for another transaction as long as a statement may.
const LOCKED: &str = "lock wait timeout";

/// The fault of a server that does not answer.
pub(super) fn silent() -> DatabaseFault {
    DatabaseFault::Engine("the server stopped answering".to_owned())
}

/// The fault that `error` is.
pub(super) fn of(error: Error) -> DatabaseFault {
    let Error::DatabaseError(kind, information) = error else { return DatabaseFault::from(error) };
    match kind {
        DatabaseErrorKind::SerializationFailure => DatabaseFault::Conflict,
        DatabaseErrorKind::ReadOnlyTransaction => DatabaseFault::Engine("the server is read-only".to_owned()),
        DatabaseErrorKind::UniqueViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::ForeignKeyViolation => {
            DatabaseFault::from(Error::DatabaseError(kind, information))
        }
        _ => {
            let said = information.message().to_lowercase();
            if CONFLICTS.iter().any(|words| said.contains(words)) {
                return DatabaseFault::Conflict;
            }
            if said.contains(LOCKED) {
                return DatabaseFault::Locked;
            }
            let known = WORDS.iter().find(|(words, _)| said.contains(words));
            DatabaseFault::Engine(known.map_or("unexpected answer", |(_, ours)| ours).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> DatabaseFault {
        of(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())))
    }

    #[test]
    fn a_deadlock_is_a_conflict_in_either_servers_words() {
        for message in
            ["deadlock detected", "Deadlock found when trying to get lock; try restarting transaction"]
        {
            assert_eq!(unknown(message), DatabaseFault::Conflict);
        }
    }

    #[test]
    fn a_lock_that_was_waited_for_in_vain_is_no_deadlock() {
        assert_eq!(unknown("Lock wait timeout exceeded; try restarting transaction"), DatabaseFault::Locked);
    }

    #[test]
    fn what_a_server_quotes_is_not_told() {
        let said = unknown("Incorrect string value: 'ann@canary.example' for column `email`");
        assert_eq!(said, DatabaseFault::Engine("unexpected answer".to_owned()));
        let down = unknown("terminating connection due to administrator command");
        assert_eq!(down, DatabaseFault::Engine("the server closed the connection".to_owned()));
    }
}
