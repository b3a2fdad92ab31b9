//! `config`: the settings in force, and the schema of the settings file.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{GlobalArgs, print};
use crate::settings::schema::SettingsSchema;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting with its source, secrets redacted, then the takeover bounds and the open weaknesses
    Show,
    /// Print the JSON schema of the settings file
    Schema,
}

pub(super) fn run(global: &GlobalArgs, command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Show => print(&global.settings()?.show()?),
        ConfigCommand::Schema => print(&reset_http::to_json_pretty(&SettingsSchema::new())),
    }
    Ok(ExitCode::SUCCESS)
}
