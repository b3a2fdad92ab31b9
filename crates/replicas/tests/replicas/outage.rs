//! PostgreSQL stops under three running servers, and restarts.

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
/// Additional time for a busy machine.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn servers_fail_fast_while_postgres_is_down_and_recover_after_that() {
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
    let code = secret(&DIALECTS[0], servers[0].address, &admin.mails(), "user0@example.com");
    // Accepted just before the outage: some are already mailed, some are in progress, some are queued.
    for number in 1..12 {
        let email = format!("user{number}@example.com");
        let response = post(servers[number % 3].address, DIALECTS[number % 4].ask, &asked(&email)).unwrap();
        assert!(response.status < 300, "{}", response.body);
    }
    postgres.stop();
    thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| check_outage(server, &code));
        }
    });
    postgres.run();

    for number in 1..12 {
        let (email, dialect) = (format!("user{number}@example.com"), &DIALECTS[number % 4]);
        let has_secret = |mail: &mails::ReceivedMail| (dialect.secret)(mail).is_some();
        mails::wait_for(&admin.mails(), &email, TIMEOUT, has_secret).unwrap();
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
            let response = post(servers[(number + 2) % 3].address, dialect.reset, &body).unwrap();
            assert_eq!(response.status, 200, "{}", response.body);
        }
    }
    let reset = (DIALECTS[0].body)(&code, "New Password 1!");
    let status = post(servers[1].address, DIALECTS[0].reset, &reset).unwrap().status;
    assert_eq!(status, 200, "the outage must not spend the code");
    for server in servers {
        assert!(server.terminate().unwrap().success(), "the server must survive the outage");
    }
}

/// Checks the responses of a server whose database is down.
fn check_outage(server: &Server, code: &str) {
    let begun = Instant::now();
    let px0 = (DIALECTS[0].body)(code, "New Password 1!");
    let requests = DIALECTS.iter().map(|dialect| (dialect.ask, asked("user0@example.com")));
    for (path, body) in requests.chain([(DIALECTS[0].reset, px0)]) {
        let sent = Instant::now();
        let response = post(server.address, path, &body).unwrap();
        assert!((500..=599).contains(&response.status), "{path}: {} {}", response.status, response.body);
        assert!(response.body.starts_with('{'), "{path}: {}", response.body);
        assert!(sent.elapsed() < CONNECT + SLACK, "{path}: {:?}", sent.elapsed());
    }
    let ready = get(server.address, "/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    assert!(begun.elapsed() < TIMEOUT);
}
