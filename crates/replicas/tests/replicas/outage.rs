//! PostgreSQL stops under three running servers, and restarts.

use std::{
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients::{self, Client},
    http::{self, get},
    own_server::OwnServer,
    server::{Server, TestDeployment},
};

use crate::{
    TIMEOUT,
    site::{deployment, exchanged, mailed, secret},
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
        .collect::<Option<Vec<TestDeployment>>>()
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
    let (px0, clients) = (clients::named("px0"), clients::all());
    let code = secret(&px0, servers[0].address, &admin.mails(), "user0@example.com");
    // Accepted just before the outage: some are already mailed, some are in progress, some are queued.
    for number in 1..12 {
        let email = format!("user{number}@example.com");
        let step = clients[number % clients.len()].request_for(&email);
        let response = http::send(servers[number % 3].address, &step).unwrap();
        assert!(response.status < 300, "{}", response.body);
    }
    postgres.stop();
    thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| check_outage(server, &clients, &px0, &code));
        }
    });
    postgres.run();

    for number in 1..12 {
        mailed(&clients[number % clients.len()], &admin.mails(), &format!("user{number}@example.com"));
    }
    for (number, server) in servers.iter().enumerate() {
        let begun = Instant::now();
        while get(server.address, "/readyz").unwrap().status != 200 {
            assert!(begun.elapsed() < TIMEOUT, "{}", admin.logged());
            thread::sleep(Duration::from_millis(20));
        }
        for client in &clients {
            let email = format!("after{number}-{}@example.com", client.dialect);
            admin.add_user(&email, "the old password").unwrap();
            let secret = secret(client, server.address, &admin.mails(), &email);
            let secret = exchanged(client, servers[(number + 1) % 3].address, &email, secret);
            let step = client.redeem_with(&secret, "New Password 1!");
            let response = http::send(servers[(number + 2) % 3].address, &step).unwrap();
            assert!(response.is_success(), "{}", response.body);
        }
    }
    let status = http::send(servers[1].address, &px0.redeem_with(&code, "New Password 1!")).unwrap().status;
    assert!(http::is_success(status), "the outage must not spend the code");
    for server in servers {
        assert!(server.terminate().unwrap().success(), "the server must survive the outage");
    }
}

/// Checks the responses of a server whose database is down.
fn check_outage(server: &Server, clients: &[Client], px0: &Client, code: &str) {
    let begun = Instant::now();
    let requests = clients.iter().map(|client| client.request_for("user0@example.com"));
    for step in requests.chain([px0.redeem_with(code, "New Password 1!")]) {
        let (sent, path) = (Instant::now(), &step.path);
        let response = http::send(server.address, &step).unwrap();
        assert!((500..=599).contains(&response.status), "{path}: {} {}", response.status, response.body);
        assert!(response.body.starts_with('{'), "{path}: {}", response.body);
        assert!(sent.elapsed() < CONNECT + SLACK, "{path}: {:?}", sent.elapsed());
    }
    let ready = get(server.address, "/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    assert!(begun.elapsed() < TIMEOUT);
}
