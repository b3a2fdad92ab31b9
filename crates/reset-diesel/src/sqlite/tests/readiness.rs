//! Readiness, and the inspection of damaged and used files.

use std::fs;

use diesel::connection::SimpleConnection;
use reset_core::{
    event::{Event, EventKind},
    job::Reference,
    ports::{Jobs, Store},
};

use super::{NOW, error_chain, fresh, job};
use crate::{Database, sqlite::Sqlite};

async fn reason(store: &Sqlite) -> String {
    error_chain(&store.ready().await.expect_err("the store is not ready"))
}

/// A transaction without a change would also succeed on a full or failed disk.
#[tokio::test]
async fn every_readiness_check_writes_to_the_disk() {
    let (store, directory) = fresh().await;
    let log = directory.path().join("reset.db-wal");
    let mut written = fs::read(&log).unwrap_or_default();
    for _ in 0..3 {
        store.ready().await.unwrap();
        let now = fs::read(&log).unwrap();
        assert_ne!(now, written);
        written = now;
    }
}

#[tokio::test]
async fn store_whose_writes_fail_is_not_ready_although_it_can_begin_a_transaction() {
    let (store, _directory) = fresh().await;
    store.ready().await.unwrap();
    let refuse =
        "CREATE TEMP TRIGGER refuse BEFORE UPDATE ON probes BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    store.write(move |db| db.batch_execute(refuse)).await.unwrap();
    assert!(store.ready().await.is_err());
    store.write(|db| db.batch_execute("DROP TRIGGER refuse")).await.unwrap();
    store.ready().await.unwrap();
}

#[tokio::test]
async fn deleted_file_is_not_ready_although_it_still_accepts_writes() {
    let (store, directory) = fresh().await;
    let path = directory.path().join("reset.db");
    let aside = directory.path().join("aside.db");
    fs::rename(&path, &aside).unwrap();
    store.push(&job("lost-at-the-restart")).await.unwrap();
    assert!(reason(&store).await.contains("deleted while it was open"));
    fs::copy(&aside, &path).unwrap();
    assert!(reason(&store).await.contains("replaced while it was open"));
    fs::rename(&aside, &path).unwrap();
    store.ready().await.unwrap();
}

#[tokio::test]
async fn damage_is_found_in_a_file_that_opens() {
    let (store, directory) = fresh().await;
    for number in 0..200 {
        store.push(&job(&format!("job-{number}"))).await.unwrap();
    }
    drop(store);
    let path = directory.path().join("reset.db");
    let database = Database::at(&format!("sqlite://{}", path.display())).unwrap();
    assert_eq!(database.damage().await.unwrap(), None);
    let mut bytes = fs::read(&path).unwrap();
    // Keep the header and the schema, so that the file opens.
    for page in bytes.chunks_mut(4096).skip(1).step_by(3) {
        page[..64].fill(0xA5);
    }
    fs::write(&path, bytes).unwrap();
    assert!(database.damage().await.unwrap().is_some_and(|damage| !damage.contains('\n')));
    fs::write(&path, "no database, but long enough to be read as the header of one: ".repeat(20)).unwrap();
    assert!(database.damage().await.unwrap().is_some());
}

#[tokio::test]
async fn file_belongs_to_a_secret_once_a_reset_was_requested() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reset.db");
    let database = Database::at(&format!("sqlite://{}", path.display())).unwrap();
    assert!(!database.file_has_events().await.unwrap() && !path.exists(), "a missing file is not created");
    fs::write(&path, "").unwrap();
    assert!(!database.file_has_events().await.unwrap(), "an empty file");
    database.migrate().await.unwrap();
    assert!(!database.file_has_events().await.unwrap(), "a new database");
    let store = database.open().await.unwrap();
    store.record(&Event::new(EventKind::Blocked, NOW)).await.unwrap();
    assert!(!database.file_has_events().await.unwrap(), "an account that was blocked before the first start");
    let reference = Some(Reference::stored("0123456789"));
    store.record(&Event { reference, ..Event::new(EventKind::Accepted, NOW) }).await.unwrap();
    assert!(database.file_has_events().await.unwrap());
}
