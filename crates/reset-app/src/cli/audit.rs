//! `audit`: what was written down, out of the database and checked.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use reset_core::{
    audit::{Mark, SEAL_STEP, Sealer, Walk, seal_all},
    keys::Keys,
    ports::Store,
};
use reset_dialects::audit;

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum Command {
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

pub(super) async fn run(settings: Settings, command: Command) -> Result<ExitCode> {
    let roots = settings.database.secret.existing_roots()?;
    let sealer = Sealer::of(&Keys::rotated(&roots));
    let (count, checked) = match command {
        Command::Export { after } => {
            let store = deployment::existing_store(&settings).await?;
            seal_all(&*store, &sealer).await?;
            export(&*store, after).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Verify { file: Some(file), known } => {
            let text = fs::read_to_string(&file).with_context(|| format!("FILE {}", file.display()))?;
            match audit::verify(text.lines(), sealer, known) {
                Ok((count, end)) => (count, Ok(end)),
                Err(error) => (0, Err(anyhow!(error))),
            }
        }
        Command::Verify { file: None, known } => {
            let store = deployment::existing_store(&settings).await?;
            seal_all(&*store, &sealer).await?;
            verify(&*store, sealer, known).await?
        }
    };
    match checked {
        Ok(end) => {
            print(&format!("{count} events hold; the last mark is {end}\n"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            print(&format!("{error}\n"));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn export(store: &dyn Store, after: i64) -> Result<()> {
    let base = store.base().await?;
    let mut from = base;
    if after > base.place {
        let before = store.sealed(after - 1, 1).await?;
        let before = before.first().filter(|sealed| sealed.mark.place == after);
        from = before.with_context(|| format!("--after {after}: there is no such place"))?.mark;
    }
    print(&audit::head(from));
    let mut place = from.place;
    loop {
        let some = store.sealed(place, SEAL_STEP).await?;
        print(&some.iter().map(audit::event).collect::<String>());
        match some.last() {
            Some(last) => place = last.mark.place,
            None => return Ok(()),
        }
    }
}

async fn verify(store: &dyn Store, sealer: Sealer, known: Option<Mark>) -> Result<(u64, Result<Mark>)> {
    let base = store.base().await?;
    let (mut walk, mut place, mut count) = (Walk::new(sealer, base, known), base.place, 0);
    loop {
        let some = store.sealed(place, SEAL_STEP).await?;
        for one in &some {
            if let Err(broken) = walk.step(one) {
                return Ok((count, Err(anyhow!(broken))));
            }
            count += 1;
        }
        match some.last() {
            Some(last) => place = last.mark.place,
            None => return Ok((count, walk.end().map_err(|broken| anyhow!(broken)))),
        }
    }
}

fn mark(text: &str) -> Result<Mark, &'static str> {
    Mark::parse(text).ok_or("write PLACE:SEAL as `audit verify` prints it")
}
