//! Sends many probes from several threads and collects the results.

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

use super::{ExchangeOutcome, Front, OutcomePattern, Verdict, compare, explain, pattern};
use crate::random::{Probe, Row, probe};

/// Number of kinds of differences after which a run ends early.
const ENOUGH: usize = 12;

/// Parameters of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Seed of the generated requests.
    pub seed: u64,
    /// Number of probes.
    pub probes: usize,
    /// Number of concurrent connections to each server.
    pub threads: usize,
}

/// Result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of probes sent to every server.
    pub probes: usize,
    /// Number of responses to undamaged requests, by index of the row and status.
    pub statuses: BTreeMap<(usize, u16), usize>,
    /// Statuses from 500 with their bodies, and the number of a probe that caused each.
    pub failures: BTreeMap<(u16, Vec<u8>), usize>,
    /// Number of probes that all servers left unanswered until the timeout.
    pub silent: usize,
    /// Descriptions of probes that differed at first, but not when repeated.
    pub unsteady: Vec<String>,
    /// Descriptions of differences, one per kind.
    pub differences: Vec<String>,
    /// Duration of the run.
    pub took: Duration,
}

/// The first difference of a kind, and how often the kind occurred.
struct FirstDifference {
    number: usize,
    times: usize,
    probe: Probe,
    outcomes: Vec<ExchangeOutcome>,
}

impl Run {
    /// Sends the probes to each of `fronts`.
    ///
    /// # Errors
    /// Fails if a server cannot be connected to.
    pub fn against(&self, fronts: &[Front], rows: &[Row]) -> io::Result<Report> {
        let (report, next, started) =
            (Mutex::new((Report::default(), BTreeMap::new())), AtomicUsize::new(0), Instant::now());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads)
                .map(|_| scope.spawn(|| self.run_worker(fronts, rows, &next, &report)))
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("the thread does not panic"))
        })?;
        let (mut report, found) = report.into_inner().expect("the lock is not poisoned");
        report.took = started.elapsed();
        let explained = thread::scope(|scope| {
            let explainers: Vec<_> = found
                .values()
                .map(|FirstDifference { number, times, probe, outcomes }| {
                    scope.spawn(move || {
                        let text = explain(fronts, probe, outcomes)?;
                        Ok::<_, io::Error>(format!(
                            "{times} times, seed {} probe {number}\n{text}",
                            self.seed
                        ))
                    })
                })
                .collect();
            explainers
                .into_iter()
                .map(|explainer| explainer.join().expect("the thread does not panic"))
                .collect::<io::Result<_>>()
        });
        report.differences = explained?;
        Ok(report)
    }

    fn run_worker(
        &self,
        fronts: &[Front],
        rows: &[Row],
        next: &AtomicUsize,
        report: &Mutex<(Report, BTreeMap<OutcomePattern, FirstDifference>)>,
    ) -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.probes {
                return Ok(());
            }
            let probe = probe(self.seed, number, rows);
            let verdict = compare(fronts, &probe)?;
            let mut guard = report.lock().expect("the lock is not poisoned");
            let (report, found) = &mut *guard;
            report.probes += 1;
            let located = |text: String| format!("seed {} probe {number}\n{text}", self.seed);
            match verdict {
                Verdict::Same(outcome) => {
                    report.silent += usize::from(outcome.end == super::ConnectionEnd::Silent);
                    if let (false, Some(answer)) = (probe.damaged, outcome.answers.first()) {
                        *report.statuses.entry((probe.row, answer.status)).or_default() += 1;
                    }
                    for answer in outcome.answers.iter().filter(|answer| answer.status >= 500) {
                        report.failures.entry((answer.status, answer.body.clone())).or_insert(number);
                    }
                }
                Verdict::Unsteady(text) => report.unsteady.push(located(text)),
                Verdict::Different(outcomes) => {
                    let pattern = pattern(&outcomes);
                    let first =
                        found.entry(pattern).or_insert(FirstDifference { number, times: 0, probe, outcomes });
                    first.times += 1;
                    if found.len() >= ENOUGH {
                        next.store(self.probes, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}
