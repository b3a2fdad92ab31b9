//! The judge: sends one probe to every front-end and holds their answers against one another.
//!
//! `exchange` sends and reads, `answer` makes answers comparable, `shrink` makes a difference small, and `run`
//! sends many probes at once. There is no list of differences that are let pass.

mod answer;
mod exchange;
mod run;
mod shrink;

use std::{fmt::Write, io, time::Duration};

pub use self::{
    answer::ParsedAnswer,
    exchange::{End, ExchangeOutcome, exchange},
    run::{Report, Run},
};
use crate::{endpoint::Endpoint, random::Probe};

/// Silence of this length is an answer, when all are silent.
const SHORT: Duration = Duration::from_millis(300);
/// Silence of this length is an answer where others spoke.
const LONG: Duration = Duration::from_secs(2);
/// How often a difference must show itself. A machine at its limit makes some that are none.
const CONFIRMATIONS: usize = 2;

/// A front-end to compare.
#[derive(Clone, Debug)]
pub struct Front {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub place: Endpoint,
}

/// What came of one probe.
#[derive(Debug)]
pub enum Verdict {
    /// All said the same.
    Same(ExchangeOutcome),
    /// They differed once and then no more.
    Unsteady(String),
    /// They differ: what each said.
    Different(Vec<ExchangeOutcome>),
}

/// Sends `probe` to each of `fronts` and compares what they say.
///
/// # Errors
/// When one of them does not listen.
pub fn compare(fronts: &[Front], probe: &Probe) -> io::Result<Verdict> {
    let mut outcomes = ask(fronts, probe, SHORT)?;
    if let Some(same) = agreed(&outcomes) {
        return Ok(Verdict::Same(same));
    }
    let first = outcomes.clone();
    for _ in 0..CONFIRMATIONS {
        outcomes = ask(fronts, probe, LONG)?;
        if agreed(&outcomes).is_some() {
            return Ok(Verdict::Unsteady(story(fronts, probe, &first)));
        }
    }
    Ok(Verdict::Different(outcomes))
}

/// The smallest probe found that makes the same difference, and the story of it.
///
/// # Errors
/// When a front-end does not listen.
pub fn explain(fronts: &[Front], probe: &Probe, outcomes: &[ExchangeOutcome]) -> io::Result<String> {
    let wanted = kind(outcomes);
    let small = shrink::shrink(probe, |smaller| {
        let outcomes = ask(fronts, smaller, SHORT)?;
        Ok(kind(&outcomes) == wanted && agreed(&outcomes).is_none())
    })?;
    Ok(story(fronts, &small, &ask(fronts, &small, LONG)?))
}

fn ask(fronts: &[Front], probe: &Probe, patience: Duration) -> io::Result<Vec<ExchangeOutcome>> {
    fronts.iter().map(|front| exchange(&front.place, probe, patience)).collect()
}

/// What all of them said, and how the connection ended; nothing if they differ.
fn agreed(outcomes: &[ExchangeOutcome]) -> Option<ExchangeOutcome> {
    let (first, others) = outcomes.split_first()?;
    others.iter().all(|other| other == first).then(|| first.clone())
}

/// What makes two differences the same one: statuses and ends.
type OutcomePattern = Vec<(Vec<u16>, End)>;

fn kind(outcomes: &[ExchangeOutcome]) -> OutcomePattern {
    let statuses = |outcome: &ExchangeOutcome| outcome.answers.iter().map(|answer| answer.status).collect();
    outcomes.iter().map(|outcome| (statuses(outcome), outcome.end)).collect()
}

fn story(fronts: &[Front], probe: &Probe, outcomes: &[ExchangeOutcome]) -> String {
    let mut story = String::new();
    for part in &probe.parts {
        let shown = &part[..part.len().min(2_000)];
        let _ = writeln!(story, "  sent {} bytes: {}", part.len(), shown.escape_ascii());
    }
    for (front, outcome) in fronts.iter().zip(outcomes) {
        let _ = writeln!(story, "  {}\n{outcome}", front.name);
    }
    story
}
