//! `config`: what is in force, and what may be set.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{Global, print};
use crate::settings::schema::Schema;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print every setting with its source, secrets redacted, and every weakness that they leave open
    Show,
    /// Print the JSON schema of the settings file
    Schema,
}

pub(super) fn run(global: &Global, command: &Command) -> Result<ExitCode> {
    match command {
        Command::Show => print(&global.settings()?.show()?),
        Command::Schema => print(&reset_dialects::to_json_pretty(&Schema::new())),
    }
    Ok(ExitCode::SUCCESS)
}
