//! The store contract on SQLite, and tests of a file that several processes share.

mod commit;
mod migrate;
mod plans;
mod readiness;

use std::{path::PathBuf, sync::Arc};

use diesel::{connection::SimpleConnection, prelude::*, update};
use reset_core::{
    email::EmailAddress,
    error::StoreError,
    job::{Job, JobId, JobKind, Reference},
    ports::{Jobs, Store},
    time::Timestamp,
};
use tempfile::TempDir;

use super::{
    Sqlite,
    connection::Role,
    migrate,
    queries::{PURGE_STEP, rows::NewJobRow, statements::insert_job},
    schema::jobs,
};
use crate::fault::DatabaseFault;

reset_testkit::store_contract!(async {
    let (store, directory) = fresh().await;
    (store as Arc<dyn Store>, directory)
});

const NOW: Timestamp = Timestamp::from_millis(1_768_574_400_000);

fn temporary_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reset.db");
    (directory, path)
}

/// Returns an empty, migrated database. The directory must outlive the store.
async fn fresh() -> (Arc<Sqlite>, TempDir) {
    let (directory, path) = temporary_path();
    migrate(&path).await.unwrap();
    (Arc::new(Sqlite::open(&path).await.unwrap()), directory)
}

fn job(id: &str) -> Job {
    let kind = JobKind::Reset {
        email: EmailAddress::parse(&format!("{id}@canary.example")).unwrap(),
        redirect_to: None,
        locale: None,
    };
    Job::new(JobId::new(id), Reference::stored("0123456789"), "px0", kind, NOW)
}

/// Returns the ids of all committed jobs, as another process sees them.
fn committed_jobs(directory: &TempDir) -> Vec<String> {
    let mut db = Role::Reader.connect(&directory.path().join("reset.db")).unwrap();
    jobs::table.order(jobs::seq).select(jobs::id).load(&mut db).unwrap()
}

/// Returns the error and all its causes, as in a log.
fn error_chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error} ({error:?})");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn errors_contain_no_values() {
    let (store, _directory) = fresh().await;
    store.push(&job("one")).await.unwrap();
    let twice = error_chain(&store.push(&job("one")).await.unwrap_err());
    assert!(twice.contains("a value exists already"), "{twice}");
    assert!(!twice.contains("canary") && !twice.contains("jobs"), "{twice}");
}

#[tokio::test]
async fn corrupt_job_does_not_block_the_others() {
    let (store, directory) = fresh().await;
    for id in ["one", "two", "three"] {
        store.push(&job(id)).await.unwrap();
    }
    let mut db = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    db.batch_execute("UPDATE jobs SET email = 'no address' WHERE id = 'two'").unwrap();
    let claimed = store.claim_accepted(10, NOW, NOW).await.unwrap();
    assert_eq!(claimed.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["one", "three"]);
}

#[tokio::test]
async fn purge_repeats_until_no_old_row_is_left() {
    let (store, directory) = fresh().await;
    let many = usize::from(PURGE_STEP) * 2 + 1;
    let filled = store.write(move |db| {
        for number in 0..many {
            insert_job(db, &NewJobRow::from(&job(&format!("job{number}"))))?;
        }
        update(jobs::table).set(jobs::finished_at.eq(NOW.as_millis())).execute(db)
    });
    assert_eq!(filled.await.unwrap(), many);
    store.purge(NOW).await.unwrap();
    assert_eq!(committed_jobs(&directory).len(), many);
    store.purge(Timestamp::from_millis(NOW.as_millis() + 1)).await.unwrap();
    assert!(committed_jobs(&directory).is_empty());
}

#[tokio::test]
async fn reader_connection_cannot_write() {
    let (store, directory) = fresh().await;
    let result = store.readers.run(|db| db.batch_execute("DELETE FROM jobs")).await;
    assert!(matches!(result, Err(DatabaseFault::Engine(_))));
    assert!(committed_jobs(&directory).is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let (store, directory) = fresh().await;
    store.push(&job("one")).await.unwrap();
    for name in ["reset.db", "reset.db-wal", "reset.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn error_names_a_missing_directory() {
    let (directory, _) = temporary_path();
    let path = directory.path().join("missing").join("reset.db");
    let error = Sqlite::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("missing/reset.db") && error.contains("No such file"), "{error}");
}
