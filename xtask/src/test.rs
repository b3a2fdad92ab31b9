//! `cargo xtask test`: runs every test of the workspace, including doc tests, on temporary database servers.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::{root, servers::Servers};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    // The servers stop when this function returns, even if tests fail.
    let servers = Servers::start();
    let test = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
        let mut cargo = Command::new("cargo");
        let status = cargo
            .args(["test", "--locked"])
            .args(arguments)
            .envs(servers.variables.iter().map(|(name, url)| (name, url)))
            .current_dir(root())
            .status()
            .context("starting cargo")?;
        ensure!(status.success(), "tests failed");
        Ok(())
    };
    let mut of_cargo = args.iter().take_while(|arg| **arg != "--");
    if of_cargo.any(|arg| arg.starts_with("-p") || arg.starts_with("--package")) {
        return test(args);
    }
    test(&[&["--workspace"], args].concat())?;
    // The black-box tests of the default server, which a plain `cargo test` leaves out.
    test(&[&["-p", "server-axum", "--test", "binary"], args].concat())
}
