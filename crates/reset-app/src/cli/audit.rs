//! `audit`: what was written down, out of the database and checked.

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
    /// Print every event as a line of JSON, in a chain of seals
    Export {
        /// Begin behind this place
        #[arg(long, value_name = "PLACE", default_value_t = 0)]
        after: i64,
    },
    /// Check the chain of seals: exit 0 when it holds, 1 when not, 2 on any other error
    Verify {
        /// An export; without it, the database
        file: Option<PathBuf>,
        /// The mark that an earlier check printed: it must still be there
        #[arg(long, value_name = "PLACE:SEAL", value_parser = mark)]
        known: Option<Mark>,
    },
}

pub(super) async fn run(settings: Settings, command: AuditCommand) -> Result<ExitCode> {
    let roots = settings.database.secret.existing_roots()?;
    let sealer = Sealer::of(&Keys::rotated(&roots));
    let checked = match command {
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
        // Nothing is sealed here: a check changes nothing.
        AuditCommand::Verify { file: None, known } => {
            let store = deployment::existing_store(&settings).await?;
            verify(&*store, &sealer, known).await?.map_err(|broken| broken.to_string())
        }
    };
    match checked {
        Ok(Verified { count, end }) => {
            print(&format!("{count} events hold; the last mark is {end}\n"));
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
        let before = store.sealed(after - 1, 1).await?;
        let before = before.first().filter(|sealed| sealed.mark.place == after);
        from = before.with_context(|| format!("--after {after}: there is no such place"))?.mark;
    }
    let mut place = from.place;
    loop {
        let some = store.sealed(place, SEAL_STEP).await?;
        if some.first().is_some_and(|first| first.mark.place != place + 1) {
            bail!("events were forgotten while they were read: run it again");
        }
        if place == from.place {
            print(&audit::head(from));
        }
        print(&some.iter().map(audit::event).collect::<String>());
        match some.last() {
            Some(last) => place = last.mark.place,
            None => return Ok(()),
        }
    }
}

fn mark(text: &str) -> Result<Mark, &'static str> {
    Mark::parse(text).ok_or("write PLACE:SEAL as `audit verify` prints it")
}
