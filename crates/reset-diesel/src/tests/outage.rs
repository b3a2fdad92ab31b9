//! A server that goes away and comes back.

use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use conformance::own_server::OwnServer;
use diesel::connection::SimpleConnection;
use reset_core::ports::{Issued, PasswordChange, Store};

use super::{Server, account, at, happened, job, on_each_server, servers::Fresh, ticket, told};
use crate::{Database, Options};

on_each_server! {
    cut_connections_are_replaced_and_nobody_notices,
    errors_name_the_kind_and_no_value,
}

async fn cut_connections_are_replaced_and_nobody_notices(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    for round in 0..5 {
        for number in 0..8 {
            store.push(&job(&format!("job{round}x{number}"))).await.unwrap();
            store.next_due().await.unwrap();
        }
        fresh.cut();
        store.ready().await.unwrap();
    }
    assert_eq!(store.claim(100, at(0), at(1)).await.unwrap().len(), 40);
}

async fn errors_name_the_kind_and_no_value(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    store.push(&job("one")).await.unwrap();
    let twice = told(&store.push(&job("one")).await.unwrap_err());
    assert!(twice.contains("a value exists already"), "{twice}");
    assert!(!twice.contains("canary") && !twice.contains("jobs"), "{twice}");
}

/// A server of nobody: refused at once, and said so.
#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once_and_without_the_password() {
    for scheme in ["postgres", "mysql"] {
        let began = Instant::now();
        let database = Database::at(&format!("{scheme}://u:hunter2@127.0.0.1:1/x")).unwrap();
        let said = told(&database.open().await.err().unwrap());
        assert!(said.to_lowercase().contains("connection refused") && !said.contains("hunter2"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

pub(super) fn quick(url: &str) -> Database {
    let limit = Duration::from_secs(2);
    let options =
        Options { connections: 3, connect_timeout: limit, statement_timeout: limit, ..Options::default() };
    Database::at(url).unwrap().with(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_server_is_down_every_job_fails_soon_and_after_that_all_work_again() {
    let Some(mut server) = OwnServer::start() else { return };
    let database = quick(&server.url());
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
            assert!(told(&down).contains("cannot be reached"), "{}", told(&down));
            assert!(store.ready().await.is_err() && store.next_due().await.is_err());
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        server.run();
        store.ready().await.unwrap();
    }
    assert_eq!(store.claim(100, at(0), at(1)).await.unwrap().len(), accepted, "and what failed was not done");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_standby_is_promoted_it_is_gone_on_with() {
    let Some(mut primary) = OwnServer::start() else { return };
    quick(&primary.url()).migrate().await.unwrap();
    let standby = primary.standby();
    // The standby comes first: only what may be written to is used.
    let both = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, primary.port);
    let store = quick(&both).open().await.unwrap();
    store.push(&job("before")).await.unwrap();
    store.ready().await.unwrap();
    // Until it is there, too: replication is asynchronous.
    let copy = quick(&standby.url()).open().await.unwrap();
    while copy.next_due().await.ok().flatten().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(copy.ready().await.is_err(), "a standby is not ready");
    primary.stop();
    assert!(store.push(&job("between")).await.is_err());
    standby.promote();
    store.push(&job("after")).await.unwrap();
    let claimed = store.claim(10, at(0), at(1)).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_holds_nobody_longer_than_the_limits() {
    // It accepts connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    for scheme in ["postgres", "mysql"] {
        let began = Instant::now();
        let said = told(&quick(&format!("{scheme}://u@{url}")).open().await.err().unwrap());
        assert!(said.contains("no answer within 2 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_one_that_can_be_written_to_is_used() {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    let url = fresh.url();
    let (before, after) = url.split_once("127.0.0.1:3306").unwrap_or((&url, ""));
    if after.is_empty() {
        return;
    }
    let url = format!("{before}127.0.0.1:1,127.0.0.1:3306{after}");
    quick(&url).open().await.unwrap().ready().await.unwrap();
}

/// Holds every account's row for `time`, as a forgotten transaction does.
fn hold_accounts(fresh: &Arc<Fresh>, time: Duration) -> JoinHandle<()> {
    let (held, holds) = mpsc::channel();
    let fresh = fresh.clone();
    let holder = thread::spawn(move || {
        fresh.mysql(|db| {
            db.batch_execute("START TRANSACTION").unwrap();
            db.batch_execute("SELECT id FROM polyreset_users FOR UPDATE").unwrap();
            held.send(()).unwrap();
            thread::sleep(time);
            db.batch_execute("ROLLBACK").unwrap();
        });
    });
    holds.recv().unwrap();
    holder
}

/// A redemption meets held rows; its caller gives up after `patience`. Long after that nothing has come of it.
async fn nothing_comes_of_a_redemption(held: Duration, patience: Duration) {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    let fresh = Arc::new(fresh);
    // Each try waits for a lock for one second.
    let limit = Duration::from_millis(1900);
    let options =
        Options { connections: 2, connect_timeout: limit, statement_timeout: limit, ..Options::default() };
    let store: Arc<dyn Store> = Database::at(&fresh.url()).unwrap().with(options).open().await.unwrap();
    let ann = account(&store, "ann").await;
    let one = ticket(&ann, "one");
    assert_eq!(store.issue(&one, None, &happened(at(0))).await.unwrap(), Issued::Live);
    let event = happened(at(1));
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
    let holder = hold_accounts(&fresh, held);
    let told = tokio::time::timeout(patience, redeem()).await;
    assert!(told.is_err() || told.is_ok_and(|told| told.is_err()));
    tokio::task::spawn_blocking(|| holder.join().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(store.password_hash(&ann.id).await.unwrap().as_deref(), Some("the first hash"));
    assert!(redeem().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_that_failed_for_a_lock_stays_undone() {
    nothing_comes_of_a_redemption(Duration::from_secs(7), Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_that_nobody_waits_for_is_not_tried_again() {
    nothing_comes_of_a_redemption(Duration::from_millis(1600), Duration::from_millis(500)).await;
}
