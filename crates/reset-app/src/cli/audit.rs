//! `audit`: exports the audit log and verifies its integrity.

use std::{fs, path::PathBuf, process::ExitCode};

use crate::audit;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use reset_core::{
    audit::{Broken, End, Mark, SEAL_STEP, Sealer, Verified, seal_all, verify},
    keys::Keys,
    ports::Store,
};

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Print every event as a line of JSON, each sealed to the one before it
    Export {
        /// Start after this place in the log
        #[arg(long, value_name = "PLACE", default_value_t = 0)]
        after: i64,
    },
    /// Verify the chain of seals: exit 0 if it is intact, 1 if not, 2 on any error
    Verify {
        /// An exported file; defaults to the database
        file: Option<PathBuf>,
        /// A mark that an earlier run printed; the log must still contain it
        #[arg(long, value_name = "PLACE:SEAL", value_parser = mark)]
        known: Option<Mark>,
    },
}

pub(super) async fn run(settings: Settings, command: AuditCommand) -> Result<ExitCode> {
    let roots = settings.database.secret.existing_roots()?;
    let sealer = Sealer::of(&Keys::rotated(&roots));
    let verified = match command {
        AuditCommand::Export { after } => {
            let store = deployment::existing_store(&settings).await?;
            seal_all(&*store, &sealer).await?;
            export(&*store, &sealer, after).await?;
            return Ok(ExitCode::SUCCESS);
        }
        AuditCommand::Verify { file: Some(file), known } => {
            let text = fs::read_to_string(&file).with_context(|| format!("FILE {}", file.display()))?;
            audit::verify(text.lines(), sealer, known).map_err(|error| error.to_string())
        }
        // Verification changes nothing, so it does not seal new events first.
        AuditCommand::Verify { file: None, known } => {
            let store = deployment::existing_store(&settings).await?;
            verify(&*store, &sealer, known).await?.map_err(|broken| broken.to_string())
        }
    };
    match verified {
        Ok(Verified { count, end }) => {
            print(&format!("{count} events verified; the last mark is {end}\n"));
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            print(&format!("{reason}\n"));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn export(store: &dyn Store, sealer: &Sealer, after: i64) -> Result<()> {
    let Some(ends) = store.ends().await? else {
        print(&audit::head(Mark::START));
        return Ok(());
    };
    let (base, tag) = ends.base;
    if !sealer.is_ours(End::Base, base, tag) {
        bail!(Broken::Ends);
    }
    let mut from = base;
    if after > base.place {
        let start = store.sealed(after - 1, 1).await?;
        let start = start.first().filter(|event| event.mark.place == after);
        from = start.with_context(|| format!("--after {after}: the log has no such place"))?.mark;
    }
    let mut place = from.place;
    loop {
        let events = store.sealed(place, SEAL_STEP).await?;
        if events.first().is_some_and(|first| first.mark.place != place + 1) {
            bail!("expired events were deleted during the export: run it again");
        }
        if place == from.place {
            print(&audit::head(from));
        }
        print(&events.iter().map(audit::event).collect::<String>());
        match events.last() {
            Some(last) => place = last.mark.place,
            None => return Ok(()),
        }
    }
}

fn mark(text: &str) -> Result<Mark, &'static str> {
    Mark::parse(text).ok_or("expected PLACE:SEAL, as `audit verify` prints it")
}
