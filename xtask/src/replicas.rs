//! `cargo xtask replicas`: runs only the tests of several servers on one database, which `cargo xtask test` includes.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::{root, servers::Servers};

/// The packages whose binaries the suite starts.
const SERVERS: [&str; 6] = ["-p", "server-axum", "-p", "server-actix", "-p", "server-warp"];

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    cargo(&[&["build", "--locked"], &SERVERS[..]].concat(), &[])?;
    // The servers stop when this function returns, even if tests fail.
    let servers = Servers::start();
    cargo(&[&["test", "--locked", "-p", "replicas"], args].concat(), &servers.variables)
}

fn cargo(args: &[&str], variables: &[(&'static str, String)]) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    cargo.args(args).envs(variables.iter().map(|(name, url)| (name, url)));
    let status = cargo.current_dir(root()).status().context("starting cargo")?;
    ensure!(status.success(), "cargo {} failed", args[0]);
    Ok(())
}
