//! `migrate`: applies the pending database migrations.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::print;
use crate::{deployment::check_not_newer, settings::Settings};

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// Change nothing; exit 1 if migrations are pending, or if a newer version has migrated the database
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(settings: Settings, arguments: MigrateArgs) -> Result<ExitCode> {
    let database = &settings.database.address;
    let schema = database.schema().await.context("database_url")?;
    check_not_newer(&schema)?;
    if arguments.check {
        if !schema.pending.is_empty() {
            bail!("migrations are pending: {}; run the command `migrate`", schema.pending.join(", "));
        }
        print("the database schema is up to date\n");
        return Ok(ExitCode::SUCCESS);
    }
    let applied = database.migrate().await.context("database_url")?;
    if applied.is_empty() {
        print("the database schema is up to date\n");
    }
    for version in applied {
        print(&format!("applied {version}\n"));
    }
    Ok(ExitCode::SUCCESS)
}
