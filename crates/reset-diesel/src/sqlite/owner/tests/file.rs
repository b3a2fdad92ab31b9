//! The owner's file: it stays as it is, and what cannot work is an error at the start.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use diesel::connection::SimpleConnection;
use reset_core::ports::Store;

use super::{super::super::Sqlite, Files, HASH, SECOND, THIRD, find, issued, redeem, strapi};
use crate::{
    Database,
    foreign_users::{Mapping, Name},
};

async fn error_of(files: &Files, mapping: &Mapping) -> String {
    let store = Sqlite::open(&files.0.path().join("reset.db")).await.unwrap();
    let opened = store.with_users(&files.0.path().join("owner.db"), mapping).await;
    opened.err().expect("the table cannot be used").to_string()
}

#[tokio::test]
async fn missing_file_is_an_error_and_is_not_created() {
    let files = Files::strapi().await;
    let owner = files.0.path().join("owner.db");
    fs::remove_file(&owner).unwrap();
    let error = error_of(&files, &strapi()).await;
    assert!(error.starts_with("users.database_url: ") && error.contains("no such file"), "{error}");
    assert!(!owner.exists());
}

#[tokio::test]
async fn missing_table_missing_column_and_view_are_errors_at_the_start() {
    let files = Files::strapi().await;
    files.owner().batch_execute("CREATE VIEW people AS SELECT * FROM up_users").unwrap();
    let named = |table: &str| Mapping { table: Name::parse(table).unwrap(), ..strapi() };
    let error = error_of(&files, &named("nowhere")).await;
    assert!(error.starts_with("users.table: ") && error.contains("does not exist"), "{error}");
    let error = error_of(&files, &named("people")).await;
    assert!(error.contains("people is a view"), "{error}");
    let locale = Some(Name::parse("language").unwrap());
    let error = error_of(&files, &Mapping { locale, ..strapi() }).await;
    assert!(error.starts_with("users.locale: ") && error.contains("no column `language`"), "{error}");
}

#[tokio::test]
async fn file_that_cannot_be_written_is_an_error_at_the_start() {
    let files = Files::strapi().await;
    let owner = files.0.path().join("owner.db");
    files.owner().batch_execute("PRAGMA journal_mode = DELETE").unwrap();
    fs::set_permissions(&owner, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&owner).is_ok() {
        return; // Nothing is forbidden to root.
    }
    let error = error_of(&files, &strapi()).await;
    assert!(error.contains("cannot be written") && error.contains("write permission"), "{error}");
}

#[tokio::test]
async fn reset_leaves_the_journal_mode_the_schema_and_the_version_of_the_file() {
    for mode in ["wal", "delete"] {
        let files = Files::strapi().await;
        files
            .owner()
            .batch_execute(&format!("PRAGMA journal_mode = {mode}; PRAGMA user_version = 7"))
            .unwrap();
        let schema = || files.of_owner("SELECT sql AS text FROM sqlite_schema");
        let before = schema();
        let store = files.open(&strapi()).await;
        let ticket = issued(&store, "ann@example.org", "one").await;
        assert_eq!(redeem(&store, &ticket, SECOND).await, Ok(true), "{mode}");
        drop(store);
        assert_eq!(schema(), before, "{mode}");
        assert_eq!(files.of_owner("SELECT journal_mode AS text FROM pragma_journal_mode"), [mode]);
        let version = "SELECT CAST(user_version AS text) AS text FROM pragma_user_version";
        assert_eq!(files.of_owner(version), ["7"], "{mode}");
    }
}

#[tokio::test]
async fn reset_waits_for_a_busy_owner_and_then_fails_with_nothing_lost() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    let mut owner = files.owner();
    owner.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = redeem(&store, &ticket, SECOND).await.unwrap_err();
    assert!(error.starts_with("busy: ") && error.contains("database is locked"), "{error}: 503");
    assert!(find(&store, "ann@example.org").await.is_some(), "look-ups do not wait in WAL mode");
    assert_eq!(files.counts(), ["0", "0", "0"]);
    let waiting = tokio::spawn({
        let (store, ticket) = (store.clone(), ticket.clone());
        async move { redeem(&store, &ticket, SECOND).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    owner.batch_execute("ROLLBACK").unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(true), "a short transaction of the owner is waited for");
    assert_eq!(files.counts(), ["1", "1", "0"]);
}

/// Strapi's transactions read first and write later.
#[tokio::test]
async fn owners_transaction_that_has_read_can_write_while_a_reset_waits() {
    let files = Files::strapi().await;
    let mut owner = files.owner();
    owner.batch_execute("PRAGMA journal_mode = DELETE; PRAGMA busy_timeout = 5000;").unwrap();
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    owner.batch_execute("BEGIN; SELECT count(*) FROM up_users;").unwrap();
    let reset = tokio::spawn({
        let store = store.clone();
        async move { redeem(&store, &ticket, SECOND).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!reset.is_finished(), "the reset waits for the owner");
    owner.batch_execute("UPDATE up_users SET username = 'anna' WHERE id = 1; COMMIT;").unwrap();
    assert_eq!(reset.await.unwrap(), Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_resets_with_one_secret_in_two_processes_one_succeeds() {
    let files = Files::strapi().await;
    let (one, other) = (files.open(&strapi()).await, files.open(&strapi()).await);
    let ticket = issued(&one, "ann@example.org", "one").await;
    let attempts: Vec<_> = (0..8)
        .map(|number| {
            let (store, ticket) = (if number % 2 == 0 { &one } else { &other }.clone(), ticket.clone());
            let hash = format!("{}{number}", &SECOND[..SECOND.len() - 1]);
            tokio::spawn(async move { redeem(&store, &ticket, &hash).await.map(|done| (done, hash)) })
        })
        .collect();
    let mut done = Vec::new();
    for attempt in attempts {
        let (succeeded, hash) = attempt.await.unwrap().unwrap();
        done.extend(succeeded.then_some(hash));
    }
    assert_eq!(done.len(), 1);
    assert_eq!(files.of_owner("SELECT password AS text FROM up_users WHERE username = 'ann'"), done);
    assert_eq!(files.counts(), ["1", "1", "0"]);
}

#[tokio::test]
async fn replaced_file_is_not_ready_and_gets_no_password() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    store.ready().await.unwrap();
    let (path, copy) = (files.0.path().join("owner.db"), files.0.path().join("copy.db"));
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    let ready = crate::tests::error_chain(&store.ready().await.unwrap_err());
    assert!(ready.contains("users.database_url"), "{ready}");
    assert!(redeem(&store, &ticket, SECOND).await.unwrap_err().contains("replaced"));
}

#[tokio::test]
async fn error_of_the_owners_trigger_does_not_reach_the_log_and_undoes_the_reset() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON up_users \
         BEGIN SELECT RAISE(ABORT, 'canary@example.org is frozen'); END";
    files.owner().batch_execute(refuse).unwrap();
    let error = redeem(&store, &ticket, SECOND).await.unwrap_err();
    assert!(!error.contains("canary"), "{error}");
    files.owner().batch_execute("DROP TRIGGER refuse").unwrap();
    assert_eq!(redeem(&store, &ticket, THIRD).await, Ok(true), "the secret works once the owner allows it");
    assert_eq!(files.counts(), ["1", "1", "0"]);
}

#[tokio::test]
async fn password_change_by_the_owner_voids_the_ticket_and_blocked_accounts_get_none() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    assert!(find(&store, "sso@example.org").await.is_none(), "another provider");
    let blocked = issued(&store, "bob@example.org", "two").await;
    assert_eq!(redeem(&store, &blocked, SECOND).await, Ok(false));
    let ticket = issued(&store, "ann@example.org", "one").await;
    files.owner().batch_execute(&format!("UPDATE up_users SET password = '{THIRD}' WHERE id = 1")).unwrap();
    assert_eq!(redeem(&store, &ticket, SECOND).await, Ok(false));
    assert_eq!(files.counts(), ["0", "0", "0"]);
}

#[tokio::test]
async fn survey_reports_hashes_duplicates_and_the_journal_mode_and_prints_no_grants() {
    let files = Files::strapi().await;
    let insert = format!(
        "PRAGMA journal_mode = DELETE; INSERT INTO up_users (username, email, provider, password) VALUES \
         ('eve', 'eve@example.org', 'local', 'unknown'), ('two', 'bob@example.org', 'local', '{HASH}')"
    );
    files.owner().batch_execute(&insert).unwrap();
    let url = |name: &str| format!("sqlite://{}", files.0.path().join(name).display());
    let database = Database::at(&url("reset.db")).unwrap().with_users_file(&url("owner.db")).unwrap();
    let database = database.with_users(Some(strapi()));
    let survey = database.survey(Some("any")).await.unwrap().unwrap();
    assert_eq!((survey.rows, survey.grants.len(), survey.statements.len()), (5, 0, 4));
    let hashes: Vec<(&str, i64)> =
        survey.hashes.iter().map(|count| (count.form.as_str(), count.rows)).collect();
    assert_eq!(hashes, [("bcrypt $2a$10$", 4), ("unknown form", 1)]);
    assert!(survey.problems[0].contains("unknown form: 1 rows"), "{:?}", survey.problems);
    for advice in ["1 addresses belong to several rows", "the journal mode of the file is delete"] {
        assert!(survey.advice.iter().any(|line| line.starts_with(advice)), "{advice}: {:?}", survey.advice);
    }
    let sampled = database.survey_of_hashes().await.unwrap().unwrap();
    assert_eq!((sampled.hashes, &sampled.problems[0]), (survey.hashes, &survey.problems[0]));
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO up_users \
         (username, email, provider, password) SELECT 'n' || i, i || '@example.org', 'local', '{HASH}' FROM n"
    );
    files.owner().batch_execute(&many).unwrap();
    let sampled = database.survey_of_hashes().await.unwrap().unwrap();
    assert_eq!(
        sampled.hashes.iter().map(|count| count.rows).sum::<i64>(),
        1_000,
        "a start reads no more rows"
    );
}
