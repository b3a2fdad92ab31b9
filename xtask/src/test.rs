//! `cargo xtask test`: every test of the workspace, documentation included.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::root;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let status = cargo
        .args(["test", "--workspace", "--locked"])
        .args(args)
        .current_dir(root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "tests failed");
    Ok(())
}
