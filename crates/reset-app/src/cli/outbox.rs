//! `outbox`: lists, retries and removes queued jobs. Safe to use while servers are running; prints no address.

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

/// Maximum number of jobs that `list` prints.
const LINES: u32 = 1000;
/// Jobs removed per transaction.
const STEP: u32 = 500;

#[derive(Subcommand)]
pub(super) enum OutboxCommand {
    /// List waiting jobs, and jobs that ended without delivery: refused, given up or quarantined
    List,
    /// Retry a job now; a job that had ended starts over with a new secret
    Retry {
        /// Id of the job, as printed by `list`
        id: String,
    },
    /// Remove ended jobs
    Purge {
        /// Also remove waiting jobs; their mails, notices and webhooks are never sent
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
            print(&shown.iter().map(|job| format_job(job, now)).collect::<String>());
            if !more.is_empty() {
                print(&format!("only the first {LINES} jobs are listed\n"));
            }
        }
        OutboxCommand::Retry { id } => {
            let new_id = JobId::new(hex(&random::<16>(&*deployment::entropy())));
            let event = Event::new(EventKind::Retried, deployment::clock().now());
            if !store.retry(&JobId::new(&id), &new_id, &event).await? {
                bail!("ID {id:?}: no such job to retry; it is unknown, done or in progress");
            }
        }
        OutboxCommand::Purge { waiting } => {
            let ended = purge(&*store, false).await?;
            let unsent = if waiting { purge(&*store, true).await? } else { 0 };
            let removed = format!("{ended} ended, {unsent} waiting");
            let event = Event::new(EventKind::Cleared, deployment::clock().now()).saying(&removed);
            store.record(&event).await?;
            print(&format!("removed: {removed}\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes jobs in steps of [`STEP`], so that no other transaction waits long. Returns how many were removed.
async fn purge(store: &dyn Store, waiting: bool) -> Result<u64> {
    let mut total = 0;
    loop {
        let removed = store.clear(waiting, STEP).await?;
        total += removed;
        if removed < u64::from(STEP) {
            return Ok(total);
        }
    }
}

/// Formats a job: id, reference, dialect and task, time of creation, attempts, state, and the last reply.
fn format_job(job: &Queued, now: Timestamp) -> String {
    let state = match &job.outcome {
        Some(outcome) => outcome.clone(),
        None if job.taken && job.due_at > now => "in progress".to_owned(),
        None if job.due_at > now => format!("due in {}s", job.due_at.since(now).as_secs().max(1)),
        None => "due".to_owned(),
    };
    let (id, reference, since) = (job.id.as_str(), job.reference.as_str(), iso(job.created_at));
    let mut text = format!(
        "{id}  {reference}  {} {}  {since}  attempts {}  {state}",
        job.dialect, job.kind, job.attempts
    );
    if let Some(reply) = job.reply.as_ref().filter(|reply| !reply.is_empty()) {
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
    fn job_line_shows_its_state() {
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
        for (job, end) in [
            (waiting.clone(), "attempts 2  due\n"),
            (
                Queued { due_at: later(90), reply: Some("451 4.7.1".to_owned()), ..waiting.clone() },
                "due in 90s  451 4.7.1\n",
            ),
            (Queued { due_at: later(90), taken: true, ..waiting.clone() }, "in progress\n"),
            (
                Queued { outcome: Some("refused".to_owned()), reply: Some(String::new()), ..waiting.clone() },
                "refused\n",
            ),
        ] {
            let line = format_job(&job, at);
            assert!(line.starts_with("e1  0123456789  px0 reset  2026-01-16T14:40:00.000Z  "), "{line}");
            assert!(line.ends_with(end), "{line}");
        }
    }
}
