//! Migration: concurrent runs, up and down, and errors while migrations are pending.

use std::{path::Path, sync::Arc};

use diesel::{connection::SimpleConnection, prelude::*};
use diesel_migrations::MigrationHarness;
use reset_core::ports::Store;
use tokio::sync::Barrier;

use super::{fresh, temporary_path};
use crate::{
    Database, OpenError,
    sqlite::{
        Sqlite, connection::Role, migrate, migrations::MIGRATIONS, schema::sqlite_schema, schema_difference,
    },
};

async fn pending(path: &Path) -> Result<Vec<String>, OpenError> {
    schema_difference(path).await.map(|difference| difference.pending)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_four_concurrent_migrations_of_a_file_applies_it_and_all_succeed() {
    for round in 0..20 {
        let (_directory, path) = temporary_path();
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
async fn database_is_ready_after_migration() {
    let (_directory, path) = temporary_path();
    let database = Database::at(&format!("sqlite://{}", path.display())).unwrap();
    let all = database.pending().await.unwrap();
    assert!(!all.is_empty());
    assert!(!path.exists(), "`pending` creates no file");
    let store = database.open().await.unwrap();
    assert!(store.ready().await.is_err());
    assert_eq!(database.pending().await.unwrap(), all);
    assert_eq!(database.migrate().await.unwrap(), all);
    store.ready().await.unwrap();
    assert!(database.pending().await.unwrap().is_empty());
    assert!(database.migrate().await.unwrap().is_empty());
}

#[tokio::test]
async fn newer_schema_is_ready_and_older_schema_is_not() {
    let (store, directory) = fresh().await;
    let path = directory.path().join("reset.db");
    let mut db = Role::Writer.connect(&path).unwrap();
    // During an update, the new program has already expanded the schema.
    db.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')").unwrap();
    store.ready().await.unwrap();
    let difference = schema_difference(&path).await.unwrap();
    assert_eq!((difference.pending, difference.newer), (Vec::new(), vec!["99990101000000".to_owned()]));
    db.batch_execute("DELETE FROM __diesel_schema_migrations").unwrap();
    assert!(store.ready().await.is_err());
    assert!(!pending(&path).await.unwrap().is_empty());
}

#[tokio::test]
async fn down_migration_undoes_up_migration() {
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
async fn file_that_is_not_a_database_is_rejected() {
    let (_directory, path) = temporary_path();
    std::fs::write(
        &path,
        "This is not a database, but it is long enough to be one if only its length were checked",
    )
    .unwrap();
    for error in [migrate(&path).await.err(), Sqlite::open(&path).await.err(), pending(&path).await.err()] {
        let error = error.unwrap().to_string();
        assert!(error.contains("reset.db: ") && error.contains("not a database"), "{error}");
    }
}
