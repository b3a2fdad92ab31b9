//! The judge: sends one probe to every front-end and holds their answers against one another.
//!
//! `exchange` sends and reads, `answer` makes answers comparable, `unreachable` is the one list of differences
//! that no code of ours decides, `shrink` makes a difference small, and `run` sends many probes at once.

mod answer;
mod exchange;
mod run;
mod shrink;
mod unreachable;

use std::{fmt::Write, io, time::Duration};

pub use self::{
    answer::Answer,
    exchange::{End, Outcome, exchange},
    run::{Report, Run},
};
use crate::{place::Place, random::Probe};

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
    pub place: Place,
}

/// What came of one probe.
#[derive(Debug)]
pub enum Verdict {
    /// All said the same.
    Same(Outcome),
    /// They differ in a way that no code of ours decides: the class of it.
    Unreachable(&'static str),
    /// They differed once and then no more.
    Unsteady(String),
    /// They differ: what each said.
    Different(Vec<Outcome>),
}

/// Sends `probe` to each of `fronts` and compares what they say.
///
/// # Errors
/// When one of them does not listen.
pub fn compare(fronts: &[Front], probe: &Probe) -> io::Result<Verdict> {
    let mut outcomes = ask(fronts, probe, SHORT)?;
    if let Some(verdict) = settled(probe, &outcomes) {
        return Ok(verdict);
    }
    let first = outcomes.clone();
    for _ in 0..CONFIRMATIONS {
        outcomes = ask(fronts, probe, LONG)?;
        match settled(probe, &outcomes) {
            Some(Verdict::Same(_)) => return Ok(Verdict::Unsteady(story(fronts, probe, &first))),
            Some(verdict) => return Ok(verdict),
            None => {}
        }
    }
    Ok(Verdict::Different(outcomes))
}

/// The smallest probe found that makes the same difference, and the story of it.
///
/// # Errors
/// When a front-end does not listen.
pub fn explain(fronts: &[Front], probe: &Probe, outcomes: &[Outcome]) -> io::Result<String> {
    let wanted = kind(outcomes);
    let small = shrink::shrink(probe, |smaller| {
        let outcomes = ask(fronts, smaller, SHORT)?;
        Ok(kind(&outcomes) == wanted && settled(smaller, &outcomes).is_none())
    })?;
    Ok(story(fronts, &small, &ask(fronts, &small, LONG)?))
}

fn ask(fronts: &[Front], probe: &Probe, patience: Duration) -> io::Result<Vec<Outcome>> {
    fronts.iter().map(|front| exchange(&front.place, probe, patience)).collect()
}

/// The verdict, unless they differ.
fn settled(probe: &Probe, outcomes: &[Outcome]) -> Option<Verdict> {
    let (first, others) = outcomes.split_first()?;
    // How a connection ends behind equal answers is hop-by-hop: actix lingers where hyper closes.
    let same = |other: &Outcome| {
        other.answers == first.answers
            && other.rest == first.rest
            && (other.end == first.end || !first.answers.is_empty())
    };
    if others.iter().all(same) {
        return Some(Verdict::Same(first.clone()));
    }
    unreachable::class(probe, outcomes).map(Verdict::Unreachable)
}

/// What makes two differences the same one: statuses and ends.
type Kind = Vec<(Vec<u16>, End)>;

fn kind(outcomes: &[Outcome]) -> Kind {
    let statuses = |outcome: &Outcome| outcome.answers.iter().map(|answer| answer.status).collect();
    outcomes.iter().map(|outcome| (statuses(outcome), outcome.end)).collect()
}

fn story(fronts: &[Front], probe: &Probe, outcomes: &[Outcome]) -> String {
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
