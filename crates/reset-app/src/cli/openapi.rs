//! `openapi`: the OpenAPI document of the endpoints that these settings enable.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use reset_http::{Dialect, openapi};

use super::print;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct OpenApiArgs {
    /// Format of the document
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Only one dialect, named as in the settings, as its publisher documents it
    #[arg(long, value_name = "D")]
    dialect: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub(super) fn run(settings: &Settings, arguments: &OpenApiArgs) -> Result<ExitCode> {
    let dialects = settings.stand_in()?;
    let document = match &arguments.dialect {
        None => openapi::whole(&dialects),
        Some(name) => match dialects.iter().find(|dialect| dialect.name == name) {
            Some(dialect) => openapi::slice(dialect),
            None => bail!("--dialect {name:?} is not served; served dialects: {}", names(&dialects)),
        },
    };
    print(&match arguments.format {
        Format::Json => openapi::to_json(&document),
        Format::Yaml => openapi::to_yaml(&document),
    });
    Ok(ExitCode::SUCCESS)
}

fn names(dialects: &[Dialect]) -> String {
    dialects.iter().map(|dialect| dialect.name).collect::<Vec<_>>().join(", ")
}
