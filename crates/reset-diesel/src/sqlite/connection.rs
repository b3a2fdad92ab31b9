//! Connections: how each is set up, and how the file comes to be.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use diesel::{connection::SimpleConnection, prelude::*, result::Error, sqlite::SqliteConnection};

/// How often, and after which pause, the switch to WAL is tried: five seconds in all, as `busy_timeout`.
const SWITCH_TRIES: u32 = 250;
const SWITCH_PAUSE: Duration = Duration::from_millis(20);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Changes the database; makes the file where there is none.
    Writer,
    /// Looks up, and cannot do anything else.
    Reader,
}

impl Role {
    /// Opens the file in this role. The error is a reason in words.
    pub(super) fn connect(self, path: &Path) -> Result<SqliteConnection, String> {
        if self == Self::Writer {
            make_file(path).map_err(|error| error.to_string())?;
        }
        let name = path.to_str().ok_or("the path is no UTF-8")?;
        let mut db = SqliteConnection::establish(name).map_err(|error| error.to_string())?;
        self.set_up(&mut db).map_err(|error| error.to_string())?;
        Ok(db)
    }

    fn set_up(self, db: &mut SqliteConnection) -> QueryResult<()> {
        // First of all the wait for other writers, five seconds: longer than any transaction of ours, shorter
        // than a client's patience. Even what follows may meet one.
        db.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;")?;
        match self {
            // FULL: WAL alone would lose the last commits with the power, and accepted means accepted.
            Self::Writer => {
                switch_to_wal(db)?;
                db.batch_execute("PRAGMA synchronous = FULL;")
            }
            Self::Reader => db.batch_execute("PRAGMA query_only = ON;"),
        }
    }
}

/// Switches to the write-ahead log, where readers and the writer do not wait for each other; the file remembers.
///
/// The one statement that SQLite lets fail at once instead of waiting: when several processes open a new file,
/// all but one are told that it is locked.
fn switch_to_wal(db: &mut SqliteConnection) -> QueryResult<()> {
    for _ in 0..SWITCH_TRIES {
        match db.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(Error::DatabaseError(_, information)) if information.message() == "database is locked" => {
                thread::sleep(SWITCH_PAUSE);
            }
            switched => return switched,
        }
    }
    db.batch_execute("PRAGMA journal_mode = WAL;")
}

/// Makes an empty file that only its owner may read; SQLite would make it readable for all. Its companions
/// (`-wal`, `-shm`) get the same rights from SQLite.
fn make_file(path: &Path) -> std::io::Result<()> {
    // POSIX drops all of a process's locks on a file when any descriptor of it is closed, those of SQLite's
    // other connections included. So while one thread of ours is in here, none goes on to connect.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}
