//! Opening and configuring connections, and creating the file.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use diesel::{connection::SimpleConnection, prelude::*, result::Error, sqlite::SqliteConnection};

/// Number and interval of attempts to switch to WAL: five seconds in total, like `busy_timeout`.
const WAL_ATTEMPTS: u32 = 250;
const WAL_INTERVAL: Duration = Duration::from_millis(20);

/// The role of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Writes, and creates a missing file.
    Writer,
    /// Only reads; SQLite rejects its writes.
    Reader,
}

impl Role {
    /// Opens the file in this role. The error is a message.
    pub(super) fn connect(self, path: &Path) -> Result<SqliteConnection, String> {
        if self == Self::Writer {
            create_file(path).map_err(|error| error.to_string())?;
        }
        let name = path.to_str().ok_or("the path is not valid UTF-8")?;
        let mut db = SqliteConnection::establish(name).map_err(|error| error.to_string())?;
        self.set_up(&mut db).map_err(|error| error.to_string())?;
        Ok(db)
    }

    fn set_up(self, db: &mut SqliteConnection) -> QueryResult<()> {
        // The timeout for other writers comes first, because even the next statements may wait for one. Five seconds
        // is longer than any transaction of polyreset and shorter than a client's timeout.
        db.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;")?;
        // In memory, because each savepoint of the writer would otherwise copy the pages it changes to a temporary file.
        db.batch_execute("PRAGMA temp_store = MEMORY;")?;
        match self {
            // FULL: with WAL, a weaker setting can lose the last commits in a power failure, and accepted jobs must
            // survive it.
            Self::Writer => {
                switch_to_wal(db)?;
                db.batch_execute("PRAGMA synchronous = FULL;")?;
                // Four times the default: rows that change several times are copied into the file less often.
                db.batch_execute("PRAGMA wal_autocheckpoint = 4000;")?;
                // 16 MiB: the ends of all indexes, so that the writer rarely reads a page again. Used as it is needed.
                db.batch_execute("PRAGMA cache_size = -16384;")
            }
            Self::Reader => db.batch_execute("PRAGMA query_only = ON;"),
        }
    }
}

/// Switches to the write-ahead log, in which readers and the writer do not wait for each other. The setting is stored
/// in the file.
///
/// SQLite ignores `busy_timeout` for this statement: when several processes open a new file, it fails at once in all
/// but one. Therefore it is retried.
fn switch_to_wal(db: &mut SqliteConnection) -> QueryResult<()> {
    for _ in 0..WAL_ATTEMPTS {
        match db.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(Error::DatabaseError(_, information)) if information.message() == "database is locked" => {
                thread::sleep(WAL_INTERVAL);
            }
            result => return result,
        }
    }
    db.batch_execute("PRAGMA journal_mode = WAL;")
}

/// Creates an empty file that only its owner can read; SQLite would create it readable for everyone. SQLite gives the
/// same permissions to the files `-wal` and `-shm`.
fn create_file(path: &Path) -> std::io::Result<()> {
    // POSIX releases all locks of a process on a file when any descriptor of the file is closed, including the locks
    // of SQLite's other connections. The mutex keeps other threads from connecting until this descriptor is closed.
    static CREATING: Mutex<()> = Mutex::new(());
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}
