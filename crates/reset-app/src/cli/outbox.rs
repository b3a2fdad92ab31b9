//! `outbox`: the queue behind the answers. Works beside running servers; shows no address.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use clap::Subcommand;
use reset_core::{
    encoding::hex,
    event::{Event, EventKind},
    job::JobId,
    ports::{Queued, Store, random},
    time::Timestamp,
};
use reset_http::iso;

use super::print;
use crate::{deployment, settings::Settings};

/// Most lines of a list.
const LINES: u32 = 1000;
/// Jobs that are removed at a time.
const STEP: u32 = 500;

#[derive(Subcommand)]
pub(super) enum OutboxCommand {
    /// List what waits, and what ended while a mail was still owed: refused, given up, set aside
    List,
    /// Have one tried again now; one that had ended starts anew, with a new secret
    Retry {
        /// Its id, as `list` shows it
        id: String,
    },
    /// Remove what has ended
    Purge {
        /// Remove what waits, too: mails, notices and webhooks that are never sent then
        #[arg(long)]
        waiting: bool,
    },
}

pub(super) async fn run(settings: Settings, command: OutboxCommand) -> Result<ExitCode> {
    let store = deployment::existing_store(&settings).await?;
    match command {
        OutboxCommand::List => {
            let now = deployment::clock().now();
            let queued = store.queued(LINES + 1).await?;
            let (shown, more) = queued.split_at(queued.len().min(LINES as usize));
            print(&shown.iter().map(|one| line(one, now)).collect::<String>());
            if !more.is_empty() {
                print(&format!("and more: these are the first {LINES}\n"));
            }
        }
        OutboxCommand::Retry { id } => {
            let anew = JobId::new(hex(&random::<16>(&*deployment::entropy())));
            let event = Event::new(EventKind::Retried, deployment::clock().now());
            if !store.retry(&JobId::new(&id), &anew, &event).await? {
                bail!("ID {id:?} is nothing that could be tried again: unknown, done, or under way just now");
            }
        }
        OutboxCommand::Purge { waiting } => {
            let ended = clear(&*store, false).await?;
            let unsent = if waiting { clear(&*store, true).await? } else { 0 };
            let removed = format!("{ended} ended, {unsent} waiting");
            let event = Event::new(EventKind::Cleared, deployment::clock().now()).saying(&removed);
            store.record(&event).await?;
            print(&format!("removed: {removed}\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes step by step, so that nobody waits long.
async fn clear(store: &dyn Store, waiting: bool) -> Result<u64> {
    let mut all = 0;
    loop {
        let some = store.clear(waiting, STEP).await?;
        all += some;
        if some < u64::from(STEP) {
            return Ok(all);
        }
    }
}

/// Id, reference, what it is, since when, how often it was tried, how it stands, and the last reply.
fn line(one: &Queued, now: Timestamp) -> String {
    let state = match &one.outcome {
        Some(outcome) => outcome.clone(),
        None if one.taken && one.due_at > now => "under way".to_owned(),
        None if one.due_at > now => format!("due in {}s", one.due_at.since(now).as_secs().max(1)),
        None => "due".to_owned(),
    };
    let (id, reference, since) = (one.id.as_str(), one.reference.as_str(), iso(one.created_at));
    let mut text =
        format!("{id}  {reference}  {} {}  {since}  tried {}  {state}", one.dialect, one.kind, one.attempts);
    if let Some(reply) = one.reply.as_ref().filter(|reply| !reply.is_empty()) {
        let _ = write!(text, "  {reply}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use reset_core::job::Reference;

    use super::*;

    #[test]
    fn a_line_says_how_a_job_stands() {
        let at = Timestamp::from_millis(1_768_574_400_000);
        let waiting = Queued {
            id: JobId::new("e1"),
            reference: Reference::stored("0123456789"),
            dialect: "px0".to_owned(),
            kind: "reset",
            created_at: at,
            attempts: 2,
            due_at: at,
            taken: false,
            outcome: None,
            reply: None,
        };
        let later = |seconds: u64| at.plus(std::time::Duration::from_secs(seconds));
        for (one, end) in [
            (waiting.clone(), "tried 2  due\n"),
            (
                Queued { due_at: later(90), reply: Some("451 4.7.1".to_owned()), ..waiting.clone() },
                "due in 90s  451 4.7.1\n",
            ),
            (Queued { due_at: later(90), taken: true, ..waiting.clone() }, "under way\n"),
            (
                Queued { outcome: Some("refused".to_owned()), reply: Some(String::new()), ..waiting.clone() },
                "refused\n",
            ),
        ] {
            let line = line(&one, at);
            assert!(line.starts_with("e1  0123456789  px0 reset  2026-01-16T14:40:00.000Z  "), "{line}");
            assert!(line.ends_with(end), "{line}");
        }
    }
}
