//! Connections to the owner's file.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    dsl::sql,
    prelude::*,
    result::Error,
    sql_types::{Integer, Text},
    sqlite::SqliteConnection,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{super::connection::Role, change::LOCKED};

/// How long a change waits for the owner's programs, as in polyreset's own file.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two attempts to lock the file.
const ATTEMPTS: Duration = Duration::from_millis(5);

/// The characters of a path that are encoded in a `file:` URI.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Opens the file as it is, and never creates it. The error is a message.
pub(super) fn connect(path: &Path, role: Role) -> Result<SqliteConnection, String> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(
                "its directory cannot be entered: run polyreset as the user of the other system".to_owned()
            );
        }
        _ => {
            return Err(
                "there is no such file. It is never created: name the file that the other system uses, and \
                 start that system once"
                    .to_owned(),
            );
        }
    }
    let name = path.to_str().ok_or("the path is not valid UTF-8")?;
    let uri = format!("file:{}?mode=rw", utf8_percent_encode(name, ENCODED));
    let mut db = SqliteConnection::establish(&uri).map_err(|error| error.to_string())?;
    // Five seconds, as in polyreset's own file. Constraints hold as they do for the owner, whose programs enforce them.
    // FULL: a password must be on disk before polyreset records that it is.
    let set_up = match role {
        Role::Writer => "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;",
        Role::Reader => "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;",
    };
    db.batch_execute(set_up).map_err(|error| error.to_string())?;
    Ok(db)
}

/// Runs a transaction that writes, when no other connection uses the file.
///
/// A transaction that holds a lock while it waits makes the next write of an owner's transaction fail at once if that has
/// read already, whatever the owner's busy timeout: SQLite sees a deadlock. A failed `BEGIN EXCLUSIVE` without a busy
/// timeout holds no lock. In WAL mode this changes nothing: there, a write of such a transaction fails if another one was
/// committed since it read.
pub(super) fn write_when_idle<T, E: From<Error>>(
    db: &mut SqliteConnection,
    write: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> Result<T, E> {
    begin_when_idle(db)?;
    match write(db) {
        Ok(written) => {
            AnsiTransactionManager::commit_transaction(db)?;
            Ok(written)
        }
        Err(error) => {
            // If this fails, the transaction stays open, and the caller replaces the connection.
            let _open = AnsiTransactionManager::rollback_transaction(db);
            Err(error)
        }
    }
}

fn begin_when_idle(db: &mut SqliteConnection) -> QueryResult<()> {
    let begun = Instant::now();
    db.batch_execute("PRAGMA busy_timeout = 0")?;
    let result = loop {
        match AnsiTransactionManager::begin_transaction_sql(db, "BEGIN EXCLUSIVE") {
            Err(Error::DatabaseError(_, info)) if info.message() == LOCKED && begun.elapsed() < TIMEOUT => {
                sleep(ATTEMPTS);
            }
            result => break result,
        }
    };
    db.batch_execute("PRAGMA busy_timeout = 5000")?;
    result
}

/// Checks that the file can be written, with its journal beside it, and leaves it as it is. The error is a message.
pub(super) fn check_writable(db: &mut SqliteConnection) -> Result<(), String> {
    let checked = write_when_idle(db, |db| {
        let version: i32 = sql::<Integer>("PRAGMA user_version").get_result(db)?;
        db.batch_execute(&format!("PRAGMA user_version = {version}"))?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    let checked = match checked {
        Err(Error::RollbackTransaction) => Ok(()),
        checked => checked,
    };
    checked.map_err(|error| match error.to_string() {
        locked if locked.contains("locked") => {
            "another program keeps the file locked for longer than 5 s".to_owned()
        }
        reason => format!(
            "the file cannot be written ({reason}): polyreset needs write permission for the file, its directory, and the \
             files -journal, -wal and -shm beside it"
        ),
    })
}

/// Returns the journal mode of the file, such as `wal` or `delete`. The error is a message.
pub(super) fn journal_mode(db: &mut SqliteConnection) -> Result<String, String> {
    sql::<Text>("PRAGMA journal_mode").get_result(db).map_err(|error| error.to_string())
}

/// Returns advice if polyreset runs as another user than the one that the file belongs to.
#[cfg(unix)]
pub(super) fn other_owner(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    let owner = path.metadata().ok()?.uid();
    // The directory of this process belongs to its effective user.
    let user = Path::new("/proc/self").metadata().ok()?.uid();
    (user != owner).then(|| {
        format!(
            "the file belongs to the user {owner}, and this process runs as {user}: either of them creates the files -wal, \
             -shm and -journal, which the other must be able to write. Run polyreset as the same user"
        )
    })
}

/// Returns nothing: other systems have no owners of this kind.
#[cfg(not(unix))]
pub(super) fn other_owner(_: &Path) -> Option<String> {
    None
}
