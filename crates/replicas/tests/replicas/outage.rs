//! PostgreSQL goes away under three running servers, and comes back.

use std::{
    thread,
    time::{Duration, Instant},
};

use conformance::{
    dialects::{DIALECTS, asked},
    http::{get, post},
    mails,
    own_server::OwnServer,
    server::{Deployment, Server},
};

use crate::{
    TIMEOUT,
    site::{deployment, exchanged, secret},
};

/// `database.connect_timeout` of these servers.
const CONNECT: Duration = Duration::from_secs(2);
/// What a busy machine adds to a time.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn while_postgres_is_down_every_dialect_says_so_soon_and_after_that_all_goes_on() {
    let Some(mut postgres) = OwnServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(deployments) = ["server-axum", "server-actix", "server-warp"]
        .iter()
        .map(|name| deployment(name, folder.path(), &postgres.url()))
        .collect::<Option<Vec<Deployment>>>()
    else {
        return;
    };
    let servers: Vec<Server> = deployments
        .into_iter()
        .map(|mut deployment| {
            deployment.set("POLYRESET_DATABASE__CONNECT_TIMEOUT", "2s");
            deployment.start().unwrap()
        })
        .collect();
    let admin = deployment("server-axum", folder.path(), &postgres.url()).unwrap();
    for number in 0..12 {
        admin.add_user(&format!("user{number}@example.com"), "the old password").unwrap();
    }
    let spent = secret(&DIALECTS[0], servers[0].address, &admin.mails(), "user0@example.com");
    // Accepted a moment before the end: some are mailed already, some are under way, some wait.
    for number in 1..12 {
        let email = format!("user{number}@example.com");
        let answer = post(servers[number % 3].address, DIALECTS[number % 4].ask, &asked(&email)).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }
    postgres.stop();
    thread::scope(|scope| servers.iter().for_each(|server| drop(scope.spawn(|| down(server, &spent)))));
    postgres.run();

    for number in 1..12 {
        let (email, dialect) = (format!("user{number}@example.com"), &DIALECTS[number % 4]);
        let wanted = |letter: &mails::ReceivedMail| (dialect.secret)(letter).is_some();
        mails::wait_for(&admin.mails(), &email, TIMEOUT, wanted).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        let begun = Instant::now();
        while get(server.address, "/readyz").unwrap().status != 200 {
            assert!(begun.elapsed() < TIMEOUT, "{}", admin.logged());
            thread::sleep(Duration::from_millis(20));
        }
        for dialect in &DIALECTS {
            let email = format!("after{number}-{}@example.com", dialect.name);
            admin.add_user(&email, "the old password").unwrap();
            let secret = secret(dialect, server.address, &admin.mails(), &email);
            let secret = exchanged(dialect, servers[(number + 1) % 3].address, &email, secret);
            let body = (dialect.body)(&secret, "New Password 1!");
            let answer = post(servers[(number + 2) % 3].address, dialect.reset, &body).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }
    let unspent = (DIALECTS[0].body)(&spent, "New Password 1!");
    assert_eq!(post(servers[1].address, DIALECTS[0].reset, &unspent).unwrap().status, 200, "it was unspent");
    for server in servers {
        assert!(server.terminate().unwrap().success(), "it lived through all of it");
    }
}

/// What a server says whose database is not there.
fn down(server: &Server, code: &str) {
    let begun = Instant::now();
    let px0 = (DIALECTS[0].body)(code, "New Password 1!");
    let asks = DIALECTS.iter().map(|dialect| (dialect.ask, asked("user0@example.com")));
    for (path, body) in asks.chain([(DIALECTS[0].reset, px0)]) {
        let asked = Instant::now();
        let answer = post(server.address, path, &body).unwrap();
        assert!((500..=599).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        assert!(answer.body.starts_with('{'), "{path}: {}", answer.body);
        assert!(asked.elapsed() < CONNECT + SLACK, "{path}: {:?}", asked.elapsed());
    }
    let ready = get(server.address, "/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    assert!(begun.elapsed() < TIMEOUT);
}
