//! Migrating a server: by many at once, there and back, and what is said while it is still to be done.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{Server, on_each_server, told};

on_each_server! {
    of_eight_at_one_empty_database_one_migrates_and_all_succeed,
    a_database_is_ready_once_it_is_migrated,
    a_schema_that_is_ahead_is_ready,
    down_undoes_up,
}

async fn of_eight_at_one_empty_database_one_migrates_and_all_succeed(server: Server) {
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

async fn a_database_is_ready_once_it_is_migrated(server: Server) {
    let Some(fresh) = server.empty() else { return };
    let database = fresh.database();
    let all = database.pending().await.unwrap();
    assert!(!all.is_empty());
    let store = database.open().await.unwrap();
    let behind = told(&store.ready().await.unwrap_err());
    assert!(behind.contains("missing") && behind.contains("migrate"), "{behind}");
    assert_eq!(database.pending().await.unwrap(), all, "a look makes nothing");
    assert_eq!(database.migrate().await.unwrap(), all);
    store.ready().await.unwrap();
    assert!(database.pending().await.unwrap().is_empty());
    assert!(database.migrate().await.unwrap().is_empty());
}

async fn a_schema_that_is_ahead_is_ready(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let table = match server {
        Server::Postgres => "polyreset.migrations",
        Server::Mariadb => "polyreset_migrations",
    };
    // An update in progress: the next program has expanded the schema already.
    fresh.execute(&format!("INSERT INTO {table} (version) VALUES ('99990101000000')"));
    let store = fresh.database().open().await.unwrap();
    store.ready().await.unwrap();
    fresh.execute(&format!("DELETE FROM {table}"));
    let behind = told(&store.ready().await.unwrap_err());
    assert!(behind.contains("migrations are pending"), "{behind}");
}

async fn down_undoes_up(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let (down, forget) = match server {
        Server::Postgres => (
            [
                include_str!("../../migrations/postgres/2026-11-25-200000_events/down.sql"),
                include_str!("../../migrations/postgres/2026-11-25-190000_budgets/down.sql"),
                include_str!("../../migrations/postgres/2026-11-25-180000_first/down.sql"),
            ],
            "DELETE FROM polyreset.migrations; \
             DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_tables WHERE schemaname = 'polyreset') = 1; END $$",
        ),
        Server::Mariadb => (
            [
                include_str!("../../migrations/mysql/2026-11-25-200000_events/down.sql"),
                include_str!("../../migrations/mysql/2026-11-25-190000_budgets/down.sql"),
                include_str!("../../migrations/mysql/2026-11-25-180000_first/down.sql"),
            ],
            "DELETE FROM polyreset_migrations",
        ),
    };
    for down in down {
        fresh.execute(down);
    }
    fresh.execute(forget);
    assert_eq!(fresh.database().migrate().await.unwrap().len(), 3);
    fresh.database().open().await.unwrap().ready().await.unwrap();
}
