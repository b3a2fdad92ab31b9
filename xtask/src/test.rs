//! `cargo xtask test`: every test of the workspace, documentation included, on throw-away database servers.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::{root, servers::Servers};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    // Stopped when this function returns, whatever the tests said.
    let servers = Servers::start();
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let status = cargo
        .args(["test", "--workspace", "--locked"])
        .args(args)
        .envs(servers.variables.iter().map(|(name, url)| (name, url)))
        .current_dir(root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "tests failed");
    Ok(())
}
