//! `secret rotate`: replaces the generated secret next to the SQLite database.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;

use super::print;
use crate::{
    deployment,
    settings::{Settings, rotate},
};

#[derive(Subcommand)]
pub(super) enum SecretCommand {
    /// Replace `reset.secret` with a new secret; the next start uses it and still accepts the old one
    Rotate,
}

pub(super) fn run(settings: &Settings, command: &SecretCommand) -> Result<ExitCode> {
    let SecretCommand::Rotate = command;
    let Some(path) = settings.database.secret.generated() else {
        bail!(
            "secret is set in your settings, not generated: set secret to the new value and secret_previous \
             (POLYRESET_SECRET_PREVIOUS) to the old one"
        )
    };
    let rotated = rotate(path, &*deployment::entropy())?;
    print(&format!(
        "{} holds a new secret, used from the next start; previous secrets still accepted: {} ({})\n",
        path.display(),
        rotated.accepted,
        rotated.previous.display()
    ));
    if rotated.dropped > 0 {
        print(&format!("oldest secrets no longer accepted: {}\n", rotated.dropped));
    }
    Ok(ExitCode::SUCCESS)
}
