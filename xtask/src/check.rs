//! `cargo xtask check`: what to run before each commit, in the order of the time it takes.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::root;

/// The commands, each with its arguments.
const COMMANDS: [&[&str]; 4] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    // `--all-targets` leaves out tests that a plain `cargo test` does not run.
    &["clippy", "-p", "server-axum", "--test", "binary", "--locked", "--", "-D", "warnings"],
    &["test", "--locked"],
];

pub(crate) fn run() -> anyhow::Result<()> {
    for arguments in COMMANDS {
        println!("== cargo {}", arguments.join(" "));
        #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
        let mut cargo = Command::new("cargo");
        let status = cargo.args(arguments).current_dir(root()).status().context("starting cargo")?;
        ensure!(status.success(), "cargo {} failed", arguments[0]);
    }
    Ok(())
}
