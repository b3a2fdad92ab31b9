//! Migration of a server: concurrent and interrupted runs, up and down, and errors while migrations are pending.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{Server, error_chain, on_each_server};

on_each_server! {
    one_of_eight_concurrent_migrations_applies_it_and_all_succeed,
    interrupted_migration_is_completed_by_the_next_run,
    database_is_ready_after_migration,
    newer_schema_is_ready,
    down_migration_undoes_up_migration,
}

async fn one_of_eight_concurrent_migrations_applies_it_and_all_succeed(server: Server) {
    let Some(fresh) = server.empty() else { return };
    let together = Arc::new(Barrier::new(8));
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (database, together) = (fresh.database(), together.clone());
            tokio::spawn(async move {
                together.wait().await;
                database.migrate().await
            })
        })
        .collect();
    let mut migrated = 0;
    for one in all {
        migrated += usize::from(!one.await.unwrap().unwrap().is_empty());
    }
    assert_eq!(migrated, 1);
    assert!(fresh.database().pending().await.unwrap().is_empty());
}

/// On MariaDB, where DDL is not transactional: an interrupted migration leaves tables without a recorded version.
async fn interrupted_migration_is_completed_by_the_next_run(server: Server) {
    if server == Server::Postgres {
        return;
    }
    let Some(fresh) = server.fresh().await else { return };
    fresh.execute("DROP TABLE polyreset_disputes; DELETE FROM polyreset_migrations");
    let database = fresh.database();
    let pending = database.pending().await.unwrap();
    assert_eq!(database.migrate().await.unwrap(), pending);
    database.open().await.unwrap().ready().await.unwrap();
}

async fn database_is_ready_after_migration(server: Server) {
    let Some(fresh) = server.empty() else { return };
    let database = fresh.database();
    let all = database.pending().await.unwrap();
    assert!(!all.is_empty());
    let store = database.open().await.unwrap();
    let behind = error_chain(&store.ready().await.unwrap_err());
    assert!(behind.contains("missing") && behind.contains("migrate"), "{behind}");
    assert_eq!(database.pending().await.unwrap(), all, "`pending` creates nothing");
    assert_eq!(database.migrate().await.unwrap(), all);
    store.ready().await.unwrap();
    assert!(database.pending().await.unwrap().is_empty());
    assert!(database.migrate().await.unwrap().is_empty());
}

async fn newer_schema_is_ready(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let table = match server {
        Server::Postgres => "polyreset.migrations",
        Server::Mariadb => "polyreset_migrations",
    };
    // During an update, the new program has already expanded the schema.
    fresh.execute(&format!("INSERT INTO {table} (version) VALUES ('99990101000000')"));
    let store = fresh.database().open().await.unwrap();
    store.ready().await.unwrap();
    let difference = fresh.database().schema().await.unwrap();
    assert_eq!((difference.pending, difference.newer), (Vec::new(), vec!["99990101000000".to_owned()]));
    fresh.execute(&format!("DELETE FROM {table}"));
    let behind = error_chain(&store.ready().await.unwrap_err());
    assert!(behind.contains("migrations are pending"), "{behind}");
}

async fn down_migration_undoes_up_migration(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let (down, delete_record) = match server {
        Server::Postgres => (
            concat!(
                include_str!("../../migrations/postgres/2026-11-30-000100_comparisons/down.sql"),
                include_str!("../../migrations/postgres/2026-11-30-000000_initial/down.sql"),
            ),
            "DELETE FROM polyreset.migrations; \
             DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_tables WHERE schemaname = 'polyreset') = 1; END $$",
        ),
        Server::Mariadb => (
            concat!(
                include_str!("../../migrations/mysql/2026-11-30-000100_comparisons/down.sql"),
                include_str!("../../migrations/mysql/2026-11-30-000000_initial/down.sql"),
            ),
            "DELETE FROM polyreset_migrations",
        ),
    };
    fresh.execute(down);
    fresh.execute(delete_record);
    assert_eq!(fresh.database().migrate().await.unwrap().len(), 2);
    fresh.database().open().await.unwrap().ready().await.unwrap();
}
