//! `cargo xtask replicas`: the suite of several servers on one database, by itself. `cargo xtask test` holds it, too.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::{root, servers::Servers};

/// The programs that the suite starts.
const SERVERS: [&str; 6] = ["-p", "server-axum", "-p", "server-actix", "-p", "server-warp"];

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    cargo(&[&["build", "--locked"], &SERVERS[..]].concat(), &[])?;
    // Stopped when this function returns, whatever the tests said.
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
