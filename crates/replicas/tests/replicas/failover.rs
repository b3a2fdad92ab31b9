//! Failover to a synchronous standby: no acknowledged request or reset is lost when the primary dies.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients::{self, Client},
    databases, http,
    own_server::OwnServer,
};

use crate::{
    TIMEOUT,
    site::{deployment, secret},
    sql,
};

/// Number of prepared resets; the primary fails in the middle of them.
const RESETS: usize = 60;
/// Number of answered resets when the primary fails.
const BEFORE: usize = 12;

#[test]
fn failover_with_synchronous_replication_loses_no_acknowledged_reset() {
    let Some(mut primary) = OwnServer::start() else { return };
    let standby = primary.standby();
    let url = primary.url();
    sql::execute(
        databases::DatabaseServer::Postgres,
        &url,
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    sql::execute(databases::DatabaseServer::Postgres, &url, "SELECT pg_reload_conf()");
    let synchronous = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    let begun = Instant::now();
    while sql::number(databases::DatabaseServer::Postgres, &url, synchronous) == 0 {
        assert!(begun.elapsed() < TIMEOUT, "the standby is not synchronous");
        thread::sleep(Duration::from_millis(20));
    }
    let folder = tempfile::tempdir().unwrap();
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port, standby.port
    );
    let Some(mut deployment) = deployment("server-axum", folder.path(), &both) else { return };
    deployment.set("POLYRESET_DATABASE__CONNECT_TIMEOUT", "2s");
    let server = deployment.start().unwrap();
    let owner = |number: usize| format!("owner{number}@example.com");
    // The resets use one dialect, and the requests the others, so that no request ends a prepared ticket.
    let (strapi, px0) = (clients::named("strapi"), clients::named("px0"));
    let others: Vec<Client> = clients::all().into_iter().filter(|client| *client != strapi).collect();
    let mut secrets = Vec::new();
    for number in 0..RESETS {
        deployment.add_user(&owner(number), "the old password").unwrap();
        secrets.push(secret(&strapi, server.address, &deployment.mails(), &owner(number)));
    }

    // Requests and resets run continuously; the primary dies in the middle of both.
    let (finished, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (requested, reset) = thread::scope(|scope| {
        let requesting = scope.spawn(|| {
            let mut results = Vec::new();
            for number in 0.. {
                if finished.load(Ordering::Relaxed) {
                    break;
                }
                let email = owner(number % RESETS);
                let client = &others[number / RESETS % others.len()];
                let response = http::send(server.address, &client.request_for(&email));
                results.push((client.dialect, email, response.unwrap().status < 300));
            }
            results
        });
        let resetting = scope.spawn(|| {
            let each = secrets.iter().map(|secret| {
                let step = strapi.redeem_with(secret, "New Password 1!");
                let status = http::send(server.address, &step).unwrap().status;
                answered.fetch_add(1, Ordering::Relaxed);
                status
            });
            each.collect::<Vec<u16>>()
        });
        while answered.load(Ordering::Relaxed) < BEFORE {
            thread::yield_now();
        }
        primary.kill();
        let reset = resetting.join().unwrap();
        finished.store(true, Ordering::Relaxed);
        (requesting.join().unwrap(), reset)
    });
    standby.promote();
    let begun = Instant::now();
    while conformance::http::get(server.address, "/readyz").unwrap().status != 200 {
        assert!(begun.elapsed() < TIMEOUT, "{}", deployment.logged());
        thread::sleep(Duration::from_millis(20));
    }

    for (number, status) in reset.iter().enumerate() {
        if *status == 200 {
            let is_stored = deployment.accepts(&owner(number), "New Password 1!").unwrap();
            assert!(is_stored, "an acknowledged reset was lost");
        }
    }
    let resets = reset.iter().filter(|status| **status == 200).count();
    assert!(reset.iter().all(|status| [200, 400, 500, 503].contains(status)), "{reset:?}");
    // The standby has a row for every acknowledged request, and processes all of them.
    let acknowledged = requested.iter().filter(|(.., good)| *good).count();
    assert!(
        acknowledged > 0 && (BEFORE..RESETS).contains(&resets),
        "{acknowledged} requests, {resets} resets"
    );
    let count = |condition: &str| {
        let query = format!("SELECT COUNT(*) FROM polyreset.jobs WHERE {condition}");
        sql::number(databases::DatabaseServer::Postgres, &standby.url(), &query)
    };
    assert!(count("email IS NOT NULL") >= i64::try_from(RESETS + acknowledged).unwrap());
    let begun = Instant::now();
    let expire_leases = "UPDATE polyreset.jobs SET due_at = 0 WHERE stage >= 4";
    thread::sleep(Duration::from_secs(1));
    sql::execute(databases::DatabaseServer::Postgres, &standby.url(), expire_leases);
    while count("finished_at IS NULL") > 0 {
        assert!(begun.elapsed() < TIMEOUT, "{}", deployment.logged());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(count("outcome NOT IN ('mailed', 'superseded')"), 0);
    // The service still works: a new request yields a working code.
    deployment.add_user("after@example.com", "the old password").unwrap();
    let code = secret(&px0, server.address, &deployment.mails(), "after@example.com");
    let step = px0.redeem_with(&code, "New Password 1!");
    assert_eq!(http::send(server.address, &step).unwrap().status, 200);
}
