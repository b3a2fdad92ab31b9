//! `secret rotate`: a new secret in the place of the one that lies beside the SQLite file.

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
    /// Put a new secret in the place of `reset.secret`; the next start uses it and still accepts the old one
    Rotate,
}

pub(super) fn run(settings: &Settings, command: &SecretCommand) -> Result<ExitCode> {
    let SecretCommand::Rotate = command;
    let Some(path) = settings.database.secret.kept() else {
        bail!(
            "secret is set by you, so its place is yours: set the new one, and the old one as secret_previous \
             (POLYRESET_SECRET_PREVIOUS)"
        )
    };
    let done = rotate(path, &*deployment::entropy())?;
    print(&format!(
        "{} is new from the next start on; {} holds the {} before it, which are still accepted\n",
        path.display(),
        done.previous.display(),
        done.accepted
    ));
    if done.dropped > 0 {
        print(&format!("the oldest {} of them not any more\n", done.dropped));
    }
    Ok(ExitCode::SUCCESS)
}
