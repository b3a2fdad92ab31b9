//! Why a database could not be opened.

use std::path::PathBuf;

use thiserror::Error;

use crate::foreign_users::MappingError;

/// Why a database could not be opened or migrated. The messages name the fix and never contain a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No engine supports the URL's scheme.
    #[error(
        "no database engine for `{0}`; supported: `sqlite://PATH`, `postgres://…`, `mysql://…` (MySQL and MariaDB)"
    )]
    Unsupported(String),
    /// The text has no scheme, such as the path of a file.
    #[error("it is not a URL: write `sqlite://PATH` for a file, `postgres://…` or `mysql://…` for a server")]
    NoScheme,
    /// The path of a SQLite URL is not a file path.
    #[error(
        "`{0}` is not the path of a SQLite file; write `sqlite://reset.db` or `sqlite:///var/lib/reset.db`"
    )]
    Path(String),
    /// The file could not be created, opened or migrated.
    #[error("cannot open the database {}: {reason}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The error of the system or the engine.
        reason: String,
    },
    /// The SQLite file with another system's users table could not be used.
    #[error("users.database_url: {}: {reason}", path.display())]
    UsersFile {
        /// Path of the file.
        path: PathBuf,
        /// Why it cannot be used, and what to do.
        reason: String,
    },
    /// The URL of a server could not be parsed.
    #[error("not a valid URL of a {engine} server: {expected}")]
    Address {
        /// Engine that the URL selects.
        engine: &'static str,
        /// Expected format.
        expected: &'static str,
    },
    /// The trusted certificates could not be read.
    #[error(
        "{of}: {reason}; set sslrootcert or ssl-ca to a PEM file with the certificate of the database's CA"
    )]
    Certificates {
        /// Path of the file, or a phrase for the system's certificates.
        of: String,
        /// Why they cannot be used.
        reason: String,
    },
    /// The client's certificate or private key could not be used.
    #[error(
        "{}: {reason}; sslcert or ssl-cert and sslkey or ssl-key name PEM files with the client's certificate and its \
         unencrypted private key", path.display()
    )]
    ClientCertificate {
        /// Path of the file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// The mapping does not fit the users table.
    #[error(transparent)]
    Mapping(MappingError),
    /// The server could not be reached, or rejected the connection or a statement.
    #[error("{engine} database error: {reason}")]
    Server {
        /// Engine of the server.
        engine: &'static str,
        /// The error of the system or the server.
        reason: String,
    },
}
