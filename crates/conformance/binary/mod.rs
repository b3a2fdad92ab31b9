//! The binary as its operator runs it: a process, a database file, a mail folder, an environment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod commands;
mod durability;
mod flows;
mod hygiene;
mod settings;

use std::time::Duration;

use conformance::{
    mails::{self, Letter},
    server::Deployment,
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An empty deployment and the folder that it lives in.
fn deployment() -> (Deployment, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Deployment::new(env!("CARGO_BIN_EXE_server-axum"), folder.path()), folder)
}

/// Waits for a mail to `to` whose subject is about a reset.
fn reset_mail(deployment: &Deployment, to: &str) -> Letter {
    mails::wait_for(&deployment.mails(), to, PATIENCE, |letter| {
        letter.code().is_some() || letter.link().is_some()
    })
    .unwrap()
}
