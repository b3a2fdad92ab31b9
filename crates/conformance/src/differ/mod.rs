//! Sends a probe to every server and compares their responses.
//!
//! `exchange` sends and reads, `answer` parses responses, `shrink` minimizes a probe that shows a difference, and `run`
//! sends many probes concurrently. There is no list of accepted differences.

mod answer;
mod exchange;
mod run;
mod shrink;

use std::{fmt::Write, io, time::Duration};

pub use self::{
    answer::ParsedAnswer,
    exchange::{ConnectionEnd, ExchangeOutcome, exchange},
    run::{Report, Run},
};
use crate::{endpoint::ServerAddress, random::Probe};

/// Read timeout of the first comparison.
const SHORT: Duration = Duration::from_millis(300);
/// Read timeout when the servers differed, so that a slow server is not taken for a silent one.
const LONG: Duration = Duration::from_secs(2);
/// Number of repetitions that must confirm a difference. An overloaded machine causes false ones.
const CONFIRMATIONS: usize = 2;

/// A server to compare.
#[derive(Clone, Debug)]
pub struct Front {
    /// Name of the server.
    pub name: &'static str,
    /// Address that the server listens on.
    pub place: ServerAddress,
}

/// Result of one probe.
#[derive(Debug)]
pub enum Verdict {
    /// All servers responded alike.
    Same(ExchangeOutcome),
    /// The servers differed at first, but not when repeated.
    Unsteady(String),
    /// The servers differ; one outcome per server.
    Different(Vec<ExchangeOutcome>),
}

/// Sends `probe` to each of `fronts` and compares the outcomes.
///
/// # Errors
/// Fails if a server cannot be connected to.
pub fn compare(fronts: &[Front], probe: &Probe) -> io::Result<Verdict> {
    let mut outcomes = send_to_all(fronts, probe, SHORT)?;
    if let Some(same) = agreed(&outcomes) {
        return Ok(Verdict::Same(same));
    }
    let first = outcomes.clone();
    for _ in 0..CONFIRMATIONS {
        outcomes = send_to_all(fronts, probe, LONG)?;
        if agreed(&outcomes).is_some() {
            return Ok(Verdict::Unsteady(describe(fronts, probe, &first)));
        }
    }
    Ok(Verdict::Different(outcomes))
}

/// Shrinks `probe` while it shows the same kind of difference, and describes the result.
///
/// # Errors
/// Fails if a server cannot be connected to.
pub fn explain(fronts: &[Front], probe: &Probe, outcomes: &[ExchangeOutcome]) -> io::Result<String> {
    let wanted = pattern(outcomes);
    let small = shrink::shrink(probe, |smaller| {
        let outcomes = send_to_all(fronts, smaller, SHORT)?;
        Ok(pattern(&outcomes) == wanted && agreed(&outcomes).is_none())
    })?;
    Ok(describe(fronts, &small, &send_to_all(fronts, &small, LONG)?))
}

fn send_to_all(fronts: &[Front], probe: &Probe, timeout: Duration) -> io::Result<Vec<ExchangeOutcome>> {
    fronts.iter().map(|front| exchange(&front.place, probe, timeout)).collect()
}

/// Returns the common outcome, or `None` if the outcomes differ.
fn agreed(outcomes: &[ExchangeOutcome]) -> Option<ExchangeOutcome> {
    let (first, others) = outcomes.split_first()?;
    others.iter().all(|other| other == first).then(|| first.clone())
}

/// Statuses and end of the connection per server. Differences with equal patterns are of the same kind.
type OutcomePattern = Vec<(Vec<u16>, ConnectionEnd)>;

fn pattern(outcomes: &[ExchangeOutcome]) -> OutcomePattern {
    let statuses = |outcome: &ExchangeOutcome| outcome.answers.iter().map(|answer| answer.status).collect();
    outcomes.iter().map(|outcome| (statuses(outcome), outcome.end)).collect()
}

fn describe(fronts: &[Front], probe: &Probe, outcomes: &[ExchangeOutcome]) -> String {
    let mut text = String::new();
    for part in &probe.parts {
        let shown = &part[..part.len().min(2_000)];
        let _ = writeln!(text, "  sent {} bytes: {}", part.len(), shown.escape_ascii());
    }
    for (front, outcome) in fronts.iter().zip(outcomes) {
        let _ = writeln!(text, "  {}\n{outcome}", front.name);
    }
    text
}
