//! Migrating: by several at once, there and back, and what is said while it is still to be done.

use std::sync::Arc;

use diesel::{connection::SimpleConnection, prelude::*};
use diesel_migrations::MigrationHarness;
use reset_core::ports::Store;
use tokio::sync::Barrier;

use super::{fresh, scratch};
use crate::{
    Database,
    sqlite::{Sqlite, connection::Role, migrate, migrations::MIGRATIONS, pending, schema::sqlite_schema},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_four_at_one_empty_file_one_migrates_and_all_succeed() {
    for round in 0..20 {
        let (_directory, path) = scratch();
        let together = Arc::new(Barrier::new(4));
        let all: Vec<_> = (0..4)
            .map(|_| {
                let (path, together) = (path.clone(), together.clone());
                tokio::spawn(async move {
                    together.wait().await;
                    migrate(&path).await
                })
            })
            .collect();
        let mut migrated = 0;
        for one in all {
            let applied = one.await.unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
            migrated += usize::from(!applied.is_empty());
        }
        assert_eq!(migrated, 1, "round {round}");
        assert!(pending(&path).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_database_is_ready_once_it_is_migrated() {
    let (_directory, path) = scratch();
    let database = Database::at(&format!("sqlite://{}", path.display())).unwrap();
    let all = database.pending().await.unwrap();
    assert!(!all.is_empty());
    assert!(!path.exists(), "a look makes no file");
    let store = database.open().await.unwrap();
    assert!(store.ready().await.is_err());
    assert_eq!(database.pending().await.unwrap(), all);
    assert_eq!(database.migrate().await.unwrap(), all);
    store.ready().await.unwrap();
    assert!(database.pending().await.unwrap().is_empty());
    assert!(database.migrate().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_schema_that_is_behind_is_not_ready_and_one_that_is_ahead_is() {
    let (store, directory) = fresh().await;
    let path = directory.path().join("reset.db");
    let mut db = Role::Writer.connect(&path).unwrap();
    // An update in progress: the next program has expanded the schema already.
    db.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')").unwrap();
    store.ready().await.unwrap();
    assert!(pending(&path).await.unwrap().is_empty());
    db.batch_execute("DELETE FROM __diesel_schema_migrations").unwrap();
    assert!(store.ready().await.is_err());
    assert!(!pending(&path).await.unwrap().is_empty());
}

#[tokio::test]
async fn down_undoes_up() {
    let (store, directory) = fresh().await;
    drop(store);
    let mut db = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    db.revert_all_migrations(MIGRATIONS).unwrap();
    let tables = sqlite_schema::table.select(sqlite_schema::name).load::<String>(&mut db).unwrap();
    let own = |name: &&String| !name.starts_with("sqlite_") && !name.contains("diesel_schema");
    assert_eq!(tables.iter().find(own), None);
    db.run_pending_migrations(MIGRATIONS).unwrap();
    drop(db);
    Sqlite::open(&directory.path().join("reset.db")).await.unwrap().ready().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (_directory, path) = scratch();
    std::fs::write(&path, "this is no database, and long enough to be taken for one if nobody looked")
        .unwrap();
    for error in [migrate(&path).await.err(), Sqlite::open(&path).await.err(), pending(&path).await.err()] {
        let error = error.unwrap().to_string();
        assert!(error.contains("reset.db: ") && error.contains("not a database"), "{error}");
    }
}
