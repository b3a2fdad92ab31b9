//! The black-box suite of the binary: a process with environment variables, a database file and a mail folder.
//!
//! All servers share this suite: each `crates/server-*/tests/binary.rs` sets `crate::BINARY` to its program and
//! includes this folder. Every test has its own folder and a free port, so that the suites run in parallel.

mod administration;
mod commands;
mod connections;
mod demo;
mod durability;
mod ending;
mod enumeration;
mod first_start;
mod flows;
mod hashes;
mod health;
mod hosts;
mod hygiene;
mod limits;
mod mail;
mod metrics;
mod pages;
mod races;
mod readiness;
mod redis;
mod rotation;
mod routes;
mod settings;
mod shadow;
mod slow_readers;
mod upstream;
mod webhook;

use std::{net::SocketAddr, time::Duration};

use conformance::{
    clients::{self, Client},
    http::{self, Connection, RawResponse},
    mails::{self, ReceivedMail},
    server::TestDeployment,
};
use tempfile::TempDir;

/// Timeout of any wait, generous for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns an empty deployment and its folder. The limits on reset requests are high, because tests send many requests
/// from one address; all other limits are the defaults.
fn deployment() -> (TestDeployment, TempDir) {
    let (mut deployment, folder) = limited();
    deployment.set("POLYRESET_LIMITS__REQUEST_SPACING", "1ms");
    for limit in
        ["REQUESTS_PER_HOUR", "REQUESTS_PER_DAY", "CLIENT_REQUESTS_PER_15M", "CLIENT_REQUESTS_PER_DAY"]
    {
        deployment.set(&format!("POLYRESET_LIMITS__{limit}"), "10000");
    }
    (deployment, folder)
}

/// Returns the same deployment with the default limits.
fn limited() -> (TestDeployment, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (TestDeployment::new(crate::BINARY, folder.path()).watched(), folder)
}

/// Posts a form of a hosted page, as a browser does.
fn send_form(address: SocketAddr, path: &str, cookie: &str, form: &str) -> RawResponse {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    Connection::open(address).unwrap().send(head.as_bytes()).unwrap()
}

/// Returns the client of the tests that need a reset in any dialect. px0's code alone sets a password.
fn px0() -> Client {
    clients::named("px0")
}

/// Requests a reset for `email`, waits for the mail, and returns its secret.
fn mailed_secret(deployment: &TestDeployment, address: SocketAddr, client: &Client, email: &str) -> String {
    let answer = http::send(address, &client.request_for(email)).unwrap();
    assert!(answer.status < 300, "{}: {} {}", client.dialect, answer.status, answer.body);
    let wanted = |mail: &ReceivedMail| clients::secret_in(client, mail).is_some();
    let mail = mails::wait_for(&deployment.mails(), email, TIMEOUT, wanted).unwrap();
    clients::secret_in(client, &mail).unwrap()
}

/// Waits for a mail to `to` that holds a code or a link.
fn reset_mail(deployment: &TestDeployment, to: &str) -> ReceivedMail {
    mails::wait_for(&deployment.mails(), to, TIMEOUT, |mail| mail.code().is_some() || mail.link().is_some())
        .unwrap()
}
