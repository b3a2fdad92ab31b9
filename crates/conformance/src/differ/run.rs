//! Many probes, from several threads at once, and what came of them.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{ExchangeOutcome, Front, OutcomePattern, Verdict, compare, explain, kind};
use crate::random::{Probe, Row, probe};

/// Kinds of differences after which a run ends early.
const ENOUGH: usize = 12;

/// What to send.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the requests follow from.
    pub seed: u64,
    /// How many probes.
    pub probes: usize,
    /// How many connections to each front-end at once.
    pub threads: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Probes that were sent to every front-end.
    pub probes: usize,
    /// How often each status answered a whole request for each row, by the row's number.
    pub statuses: BTreeMap<(usize, u16), usize>,
    /// Statuses from 500 up with their bodies, and the first probe that met each.
    pub failures: BTreeMap<(u16, Vec<u8>), usize>,
    /// Connections on which all were silent alike.
    pub silent: usize,
    /// Probes that differed once and then no more.
    pub unsteady: Vec<String>,
    /// Probes that differ, one of each kind in full.
    pub differences: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// The first difference of its kind.
struct Found {
    number: usize,
    times: usize,
    probe: Probe,
    outcomes: Vec<ExchangeOutcome>,
}

impl Run {
    /// Sends the probes to each of `fronts`.
    ///
    /// # Errors
    /// When a front-end does not listen.
    pub fn against(&self, fronts: &[Front], rows: &[Row]) -> io::Result<Report> {
        let (report, next, begun) =
            (Mutex::new((Report::default(), BTreeMap::new())), AtomicUsize::new(0), Instant::now());
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.threads).map(|_| scope.spawn(|| self.work(fronts, rows, &next, &report))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
        })?;
        let (mut report, found) = report.into_inner().expect("no panic");
        report.took = begun.elapsed();
        let explained = thread::scope(|scope| {
            let explainers: Vec<_> = found
                .values()
                .map(|Found { number, times, probe, outcomes }| {
                    scope.spawn(move || {
                        let story = explain(fronts, probe, outcomes)?;
                        Ok::<_, io::Error>(format!(
                            "{times} times, seed {} probe {number}\n{story}",
                            self.seed
                        ))
                    })
                })
                .collect();
            explainers
                .into_iter()
                .map(|explainer| explainer.join().expect("no panic"))
                .collect::<io::Result<_>>()
        });
        report.differences = explained?;
        Ok(report)
    }

    fn work(
        &self,
        fronts: &[Front],
        rows: &[Row],
        next: &AtomicUsize,
        report: &Mutex<(Report, BTreeMap<OutcomePattern, Found>)>,
    ) -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.probes {
                return Ok(());
            }
            let probe = probe(self.seed, number, rows);
            let verdict = compare(fronts, &probe)?;
            let mut guard = report.lock().expect("no panic");
            let (report, found) = &mut *guard;
            report.probes += 1;
            let story = |story: String| format!("seed {} probe {number}\n{story}", self.seed);
            match verdict {
                Verdict::Same(outcome) => {
                    report.silent += usize::from(outcome.end == super::End::Silent);
                    if let (false, Some(answer)) = (probe.damaged, outcome.answers.first()) {
                        *report.statuses.entry((probe.row, answer.status)).or_default() += 1;
                    }
                    for answer in outcome.answers.iter().filter(|answer| answer.status >= 500) {
                        report.failures.entry((answer.status, answer.body.clone())).or_insert(number);
                    }
                }
                Verdict::Unsteady(text) => report.unsteady.push(story(text)),
                Verdict::Different(outcomes) => {
                    let kind = kind(&outcomes);
                    let first = found.entry(kind).or_insert(Found { number, times: 0, probe, outcomes });
                    first.times += 1;
                    if found.len() >= ENOUGH {
                        next.store(self.probes, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}
