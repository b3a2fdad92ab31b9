//! `config`: what is in force, and what may be set.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{Global, print};
use crate::settings::schema::SettingsSchema;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting with its source, secrets redacted, and every weakness that they leave open
    Show,
    /// Print the JSON schema of the settings file
    SettingsSchema,
}

pub(super) fn run(global: &Global, command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Show => print(&global.settings()?.show()?),
        ConfigCommand::SettingsSchema => print(&reset_http::to_json_pretty(&SettingsSchema::new())),
    }
    Ok(ExitCode::SUCCESS)
}
