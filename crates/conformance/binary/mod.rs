//! The binary as its operator runs it: a process, a database file, a mail folder, an environment.
//!
//! One suite for every server: each `crates/server-*/tests/binary.rs` names its program in `crate::BINARY` and
//! takes this folder in. Every test has a folder and a free port of its own, so that suites run side by side.

mod administration;
mod commands;
mod connections;
mod demo;
mod durability;
mod ending;
mod enumeration;
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
mod redis;
mod rotation;
mod settings;
mod webhook;

use std::{net::SocketAddr, time::Duration};

use conformance::{
    http::{Connection, RawResponse},
    mails::{self, ReceivedMail},
    server::Deployment,
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An empty deployment and the folder that it lives in. It has every limit, but those of asking are wide: tests ask
/// again and again, all from one address.
fn deployment() -> (Deployment, TempDir) {
    let (mut deployment, folder) = limited();
    deployment.set("POLYRESET_LIMITS__REQUEST_SPACING", "1ms");
    for limit in
        ["REQUESTS_PER_HOUR", "REQUESTS_PER_DAY", "CLIENT_REQUESTS_PER_15M", "CLIENT_REQUESTS_PER_DAY"]
    {
        deployment.set(&format!("POLYRESET_LIMITS__{limit}"), "10000");
    }
    (deployment, folder)
}

/// The same within the default limits.
fn limited() -> (Deployment, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Deployment::new(crate::BINARY, folder.path()).watched(), folder)
}

/// Sends a form of a page of ours, as a browser does.
fn send_form(address: SocketAddr, path: &str, cookie: &str, form: &str) -> RawResponse {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    Connection::open(address).unwrap().send(head.as_bytes()).unwrap()
}

/// Waits for a mail to `to` whose subject is about a reset.
fn reset_mail(deployment: &Deployment, to: &str) -> ReceivedMail {
    mails::wait_for(&deployment.mails(), to, TIMEOUT, |letter| {
        letter.code().is_some() || letter.link().is_some()
    })
    .unwrap()
}
