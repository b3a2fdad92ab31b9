//! `openapi`: the OpenAPI document of the endpoints that these settings enable.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use reset_http::{Dialect, openapi};

use super::print;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct OpenApiArgs {
    /// Format of the document
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Only one dialect, named as in the settings, as its publisher documents it
    #[arg(long, value_name = "D", value_parser = PossibleValuesParser::new(reset_dialects::names()))]
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
        Some(name) => openapi::slice(served(&dialects, name)?),
    };
    print(&match arguments.format {
        Format::Json => openapi::to_json(&document),
        Format::Yaml => openapi::to_yaml(&document),
    });
    Ok(ExitCode::SUCCESS)
}

/// Returns the dialect of this name.
///
/// # Errors
/// Fails with one sentence if these settings do not serve it.
pub(super) fn served<'a>(dialects: &'a [Dialect], name: &str) -> Result<&'a Dialect> {
    dialects.iter().find(|dialect| dialect.name == name).with_context(|| {
        let served = dialects.iter().filter(|dialect| dialect.client.is_some()).map(|dialect| dialect.name);
        let served = served.collect::<Vec<_>>().join(", ");
        format!("--dialect {name} is not served: set {name}.enabled = true, or choose one of: {served}")
    })
}
