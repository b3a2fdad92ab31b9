//! Errors of a server, described without the contents of any row.
//!
//! Diesel returns a server's message but not its error code. The message is therefore searched for known phrases. It
//! is never returned or logged itself, because it may quote a value (R70).

use diesel::result::{DatabaseErrorKind, Error};

use crate::fault::DatabaseFault;

/// Phrases of server messages, in lower case, and the description of each.
const KNOWN: [(&str, &str); 16] = [
    ("statement timeout", "statement timeout"),
    ("max_statement_time", "statement timeout"),
    ("maximum statement execution time", "statement timeout"),
    ("terminating connection", "the server closed the connection"),
    ("shutting down", "the server is shutting down"),
    ("connection closed", "the connection broke"),
    ("communicating with the server", "the connection broke"),
    ("input/output error", "the connection broke"),
    ("connection was killed", "the server closed the connection"),
    ("read-only", "the server is read-only"),
    ("read only", "the server is read-only"),
    ("does not exist", "a table or column is missing: run the migrate command"),
    ("doesn't exist", "a table is missing: run the migrate command"),
    ("too many c", "the server has no free connection"),
    ("synchronous wait failed", "the cluster node is behind the other nodes"),
    ("no space left", "the server's disk is full"),
];

/// Phrase of the message of a Galera node that executes no statements, for example because it is cut off from the
/// majority of its cluster.
const NOT_READY: &str = "wsrep has not yet prepared node";

/// Phrases of messages about conflicting transactions.
const CONFLICTS: [&str; 3] = ["deadlock", "could not serialize", "record has changed since last read"];

/// Phrases of messages about a missing permission.
const DENIED: [&str; 2] = ["permission denied", "command denied"];

/// Phrase of the message about a lock timeout.
const LOCK_TIMEOUT: &str = "lock wait timeout";

/// Returns the fault of a server that does not respond.
pub(super) fn no_response() -> DatabaseFault {
    DatabaseFault::Engine("timeout: the server stopped responding".to_owned())
}

/// Returns the reason of a connection attempt that ended with this fault.
pub(super) fn while_connecting(fault: &DatabaseFault) -> String {
    match fault {
        DatabaseFault::Panicked => "the database driver panicked while it connected".to_owned(),
        DatabaseFault::Engine(reason) => reason.clone(),
        fault => fault.to_string(),
    }
}

/// Converts an error of a server.
pub(super) fn from_error(error: Error) -> DatabaseFault {
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
            let message = information.message().to_lowercase();
            if CONFLICTS.iter().any(|words| message.contains(words)) {
                return DatabaseFault::Conflict;
            }
            if message.contains(NOT_READY) {
                return DatabaseFault::NotReady;
            }
            if message.contains(LOCK_TIMEOUT) {
                return DatabaseFault::LockTimeout;
            }
            if DENIED.iter().any(|words| message.contains(words)) {
                return DatabaseFault::Engine(denied(&message));
            }
            let known = KNOWN.iter().find(|(words, _)| message.contains(words));
            DatabaseFault::Engine(known.map_or("unexpected error", |(_, description)| description).to_owned())
        }
    }
}

/// Describes a missing permission. Of the message, only the name of the table or schema is repeated: MariaDB's also names
/// the user, and the machine that the connection is from.
fn denied(message: &str) -> String {
    let objects = ["table", "relation", "schema", "view", "sequence"];
    let object = objects.into_iter().find_map(|object| {
        let (_, rest) = message.split_once(&format!(" for {object} "))?;
        let name = rest.split([' ', ',', ';', '\n']).next().unwrap_or_default();
        let plain = |c: char| c.is_alphanumeric() || "_-.`\"$".contains(c);
        (!name.is_empty() && name.chars().all(plain))
            .then(|| format!(" for {object} {}", name.replace(['`', '"'], "")))
    });
    format!(
        "a permission is missing{}: grant it to the database role of this server",
        object.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> DatabaseFault {
        from_error(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())))
    }

    #[test]
    fn deadlock_of_either_server_is_a_conflict() {
        for message in
            ["deadlock detected", "Deadlock found when trying to get lock; try restarting transaction"]
        {
            assert_eq!(unknown(message), DatabaseFault::Conflict);
        }
    }

    #[test]
    fn conflict_that_galera_reports_is_a_conflict_and_its_isolated_node_is_not_ready() {
        let aborted =
            "WSREP detected deadlock/conflict and aborted the transaction. Try restarting the transaction";
        assert_eq!(unknown(aborted), DatabaseFault::Conflict);
        let isolated = "WSREP has not yet prepared node for application use";
        assert_eq!(unknown(isolated), DatabaseFault::NotReady);
    }

    #[test]
    fn lock_timeout_is_not_a_conflict() {
        assert_eq!(
            unknown("Lock wait timeout exceeded; try restarting transaction"),
            DatabaseFault::LockTimeout
        );
    }

    #[test]
    fn missing_permission_names_the_table_and_no_user() {
        for (message, object) in [
            ("permission denied for table tickets", " for table tickets"),
            ("permission denied for schema polyreset", " for schema polyreset"),
            (
                "SELECT command denied to user 'ann'@'198.51.100.7' for table `app`.`users`",
                " for table app.users",
            ),
            ("permission denied to set parameter \"x\"", ""),
            ("permission denied for table ann@example.com", ""),
        ] {
            let expected =
                format!("a permission is missing{object}: grant it to the database role of this server");
            assert_eq!(unknown(message), DatabaseFault::Engine(expected));
        }
    }

    #[test]
    fn values_quoted_by_a_server_are_not_reported() {
        let quoting = unknown("Incorrect string value: 'ann@canary.example' for column `email`");
        assert_eq!(quoting, DatabaseFault::Engine("unexpected error".to_owned()));
        let down = unknown("terminating connection due to administrator command");
        assert_eq!(down, DatabaseFault::Engine("the server closed the connection".to_owned()));
    }
}
