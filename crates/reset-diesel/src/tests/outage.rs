//! A server that fails and comes back.

use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use conformance::own_server::OwnServer;
use diesel::connection::SimpleConnection;
use reset_core::ports::{Issued, PasswordChange, Store};

use reset_testkit::contract::claim_any;

use super::{Server, account, at, error_chain, event_at, job, on_each_server, servers::Fresh, ticket};
use crate::{Database, Options};

on_each_server! {
    closed_connections_are_replaced_without_errors,
    errors_contain_no_values,
}

async fn closed_connections_are_replaced_without_errors(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    for round in 0..5 {
        for number in 0..8 {
            store.push(&job(&format!("job{round}x{number}"))).await.unwrap();
            store.oldest_waiting().await.unwrap();
        }
        fresh.close_connections();
        store.ready().await.unwrap();
    }
    assert_eq!(claim_any(&store, 100, at(0), at(1)).await.unwrap().len(), 40);
}

async fn errors_contain_no_values(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    store.push(&job("one")).await.unwrap();
    let twice = error_chain(&store.push(&job("one")).await.unwrap_err());
    assert!(twice.contains("a value exists already"), "{twice}");
    assert!(!twice.contains("canary") && !twice.contains("jobs"), "{twice}");
}

#[tokio::test]
async fn missing_server_is_an_immediate_error_without_the_password() {
    for scheme in ["postgres", "mysql"] {
        let began = Instant::now();
        let database = Database::at(&format!("{scheme}://u:hunter2@127.0.0.1:1/x")).unwrap();
        let error = error_chain(&database.open().await.err().unwrap());
        assert!(error.to_lowercase().contains("connection refused") && !error.contains("hunter2"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

/// Returns a database with short timeouts.
pub(super) fn with_short_timeouts(url: &str) -> Database {
    let limit = Duration::from_secs(2);
    let options =
        Options { connections: 3, connect_timeout: limit, statement_timeout: limit, ..Options::default() };
    Database::at(url).unwrap().with(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_fail_quickly_while_the_server_is_down_and_succeed_afterwards() {
    let Some(mut server) = OwnServer::start() else { return };
    let database = with_short_timeouts(&server.url());
    database.migrate().await.unwrap();
    let store = database.open().await.unwrap();
    let mut accepted = 0;
    for round in 0..3 {
        for number in 0..6 {
            store.push(&job(&format!("up{round}x{number}"))).await.unwrap();
            accepted += 1;
        }
        server.stop();
        let began = Instant::now();
        for number in 0..10 {
            let down = store.push(&job(&format!("down{round}x{number}"))).await.unwrap_err();
            assert!(error_chain(&down).contains("cannot be reached"), "{}", error_chain(&down));
            assert!(store.ready().await.is_err() && store.oldest_waiting().await.is_err());
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        server.run();
        store.ready().await.unwrap();
    }
    assert_eq!(
        claim_any(&store, 100, at(0), at(1)).await.unwrap().len(),
        accepted,
        "failed pushes stored nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn store_uses_the_standby_after_its_promotion() {
    let Some(mut primary) = OwnServer::start() else { return };
    with_short_timeouts(&primary.url()).migrate().await.unwrap();
    let standby = primary.standby();
    // The standby is listed first, but only a writable server is used.
    let both = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, primary.port);
    let store = with_short_timeouts(&both).open().await.unwrap();
    store.push(&job("before")).await.unwrap();
    store.ready().await.unwrap();
    // Replication is asynchronous, so wait until the job has arrived.
    let copy = with_short_timeouts(&standby.url()).open().await.unwrap();
    while copy.oldest_waiting().await.ok().flatten().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(copy.ready().await.is_err(), "a standby is not ready");
    primary.stop();
    assert!(store.push(&job("between")).await.is_err());
    standby.promote();
    store.push(&job("after")).await.unwrap();
    let claimed = claim_any(&store, 10, at(0), at(1)).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_to_a_silent_server_times_out() {
    // It accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    for scheme in ["postgres", "mysql"] {
        let began = Instant::now();
        let error =
            error_chain(&with_short_timeouts(&format!("{scheme}://u@{url}")).open().await.err().unwrap());
        assert!(error.contains("no response within 2 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writable_server_of_several_hosts_is_used() {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    let url = fresh.url();
    let (before, after) = url.split_once("127.0.0.1:3306").unwrap_or((&url, ""));
    if after.is_empty() {
        return;
    }
    let url = format!("{before}127.0.0.1:1,127.0.0.1:3306{after}");
    with_short_timeouts(&url).open().await.unwrap().ready().await.unwrap();
}

/// Locks every account's row for `time`, like an abandoned transaction.
fn lock_accounts(fresh: &Arc<Fresh>, time: Duration) -> JoinHandle<()> {
    let (locked, is_locked) = mpsc::channel();
    let fresh = fresh.clone();
    let holder = thread::spawn(move || {
        fresh.mysql(|db| {
            db.batch_execute("START TRANSACTION").unwrap();
            db.batch_execute("SELECT id FROM polyreset_users FOR UPDATE").unwrap();
            locked.send(()).unwrap();
            thread::sleep(time);
            db.batch_execute("ROLLBACK").unwrap();
        });
    });
    is_locked.recv().unwrap();
    holder
}

/// Redeems a ticket while the accounts are locked for `lock_time`. The caller gives up after `timeout`. Checks that
/// the redemption is not done later.
async fn redemption_stays_undone(lock_time: Duration, timeout: Duration) {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    let fresh = Arc::new(fresh);
    // Each attempt waits one second for a lock.
    let limit = Duration::from_millis(1900);
    let options =
        Options { connections: 2, connect_timeout: limit, statement_timeout: limit, ..Options::default() };
    let store: Arc<dyn Store> = Database::at(&fresh.url()).unwrap().with(options).open().await.unwrap();
    let ann = account(&store, "ann").await;
    let one = ticket(&ann, "one");
    assert_eq!(store.issue(&one, None, &event_at(at(0))).await.unwrap(), Issued::Live);
    let event = event_at(at(1));
    let redeem = || {
        let redemption = PasswordChange {
            ticket: &one.id,
            account: &one.account,
            password_hash: "another hash",
            jobs: &[],
            event: &event,
            now: at(1),
        };
        store.redeem(redemption)
    };
    let holder = lock_accounts(&fresh, lock_time);
    let result = tokio::time::timeout(timeout, redeem()).await;
    assert!(result.is_err() || result.is_ok_and(|result| result.is_err()));
    tokio::task::spawn_blocking(|| holder.join().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(store.password_hash(&ann.id).await.unwrap().as_deref(), Some("the first hash"));
    assert!(redeem().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn redemption_that_failed_with_a_lock_timeout_stays_undone() {
    redemption_stays_undone(Duration::from_secs(7), Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redemption_without_a_waiting_caller_is_not_retried() {
    redemption_stays_undone(Duration::from_millis(1600), Duration::from_millis(500)).await;
}
