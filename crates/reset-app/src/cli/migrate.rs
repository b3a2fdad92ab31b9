//! `migrate`: applies the pending database migrations.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::print;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// Change nothing; exit 1 if migrations are pending
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(settings: Settings, arguments: MigrateArgs) -> Result<ExitCode> {
    let database = &settings.database.address;
    if arguments.check {
        let pending = database.pending().await.context("database_url")?;
        if !pending.is_empty() {
            bail!("migrations are pending: {}; run the command `migrate`", pending.join(", "));
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
