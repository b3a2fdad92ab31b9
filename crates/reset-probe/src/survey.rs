//! One question asked of known and unknown addresses, in random order, from a connection that is kept alive.
//!
//! The unit of a measurement is one ask, known or unknown as a coin decides, and the asks after it, of addresses that
//! nobody knows: they tell what the server still does for the first when its answer has left. Then comes a rest, so
//! that each unit meets a quiet server.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::probes::{EnumerationProbe, ProbeKind};
use anyhow::{Result, bail};

use super::{
    addresses::Addresses,
    bytes::Gathered,
    chance::Chance,
    client::{Answer, Client},
    statistics::Sample,
};

/// Guesses at one code: as many as the dialect allows by default.
const GUESSES: usize = 3;
/// Until codes that were asked for are there.
const SETTLE: Duration = Duration::from_millis(500);
/// Asks that are not measured, for what is done once alone.
const WARM_UP: usize = 20;

/// How to measure.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// Measured asks of each class.
    pub(crate) pairs: usize,
    /// Asks after each measured one; at least one.
    pub(crate) after: usize,
    /// Mean rest after each unit.
    pub(crate) rest: Duration,
    /// Where links are to lead, for a server that mails InsForge's.
    pub(crate) redirect_to: Option<&'a str>,
    /// Where codes to guess at are asked for.
    pub(crate) codes: Option<&'a EnumerationProbe>,
}

/// What was measured, in microseconds, in the order of measuring.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) gathered: Gathered,
    /// The asks themselves.
    pub(crate) answers: Vec<Sample>,
    /// The first ask after each.
    pub(crate) next: Vec<Sample>,
    /// All of them together.
    pub(crate) aftermath: Vec<Sample>,
}

/// Who asks.
pub(crate) struct Survey<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) addresses: &'a Addresses,
    pub(crate) chance: &'a mut Chance,
}

impl Survey<'_> {
    /// Asks every known address and its twin once; the statuses, known first.
    pub(crate) fn try_out(&mut self, question: &EnumerationProbe, plan: Plan<'_>) -> Result<Vec<(u16, u16)>> {
        let Addresses { known, unknown, .. } = self.addresses;
        let mut statuses = Vec::new();
        for (known, unknown) in known.iter().zip(unknown) {
            let known = self.ask(question, known, plan)?.0.status;
            statuses.push((known, self.ask(question, unknown, plan)?.0.status));
        }
        Ok(statuses)
    }

    /// Measures.
    pub(crate) fn measure(&mut self, question: &EnumerationProbe, plan: Plan<'_>) -> Result<Measured> {
        let Addresses { known, unknown, bystanders } = self.addresses;
        let mut measured = Measured::default();
        let mut turns = [0; 3];
        let mut whose = |class: usize, of: &'_ [String]| {
            turns[class] += 1;
            of[(turns[class] - 1) % of.len()].clone()
        };
        // Between two asks for codes no address is guessed at more often than its code allows.
        let round = if question.kind == ProbeKind::Guess { GUESSES * known.len() } else { plan.pairs };
        for _ in 0..WARM_UP {
            self.ask(question, &whose(2, bystanders), plan)?;
        }
        let mut left = plan.pairs;
        while left > 0 {
            let pairs = left.min(round.max(1));
            left -= pairs;
            self.ask_for_codes(question, plan)?;
            for is_known in self.chance.coins(pairs) {
                let email = if is_known { whose(1, known) } else { whose(0, unknown) };
                let (answer, took) = self.ask(question, &email, plan)?;
                measured.gathered.add(is_known, &email, &answer);
                measured.answers.push((is_known, micros(took)));
                let mut aftermath = 0.0;
                for place in 0..plan.after {
                    let took = micros(self.ask(question, &whose(2, bystanders), plan)?.1);
                    if place == 0 {
                        measured.next.push((is_known, took));
                    }
                    aftermath += took;
                }
                measured.aftermath.push((is_known, aftermath));
                self.rest(plan.rest);
            }
        }
        Ok(measured)
    }

    /// Sees to it that there are codes to guess at.
    fn ask_for_codes(&mut self, question: &EnumerationProbe, plan: Plan<'_>) -> Result<()> {
        if question.kind == ProbeKind::ResetRequest {
            return Ok(());
        }
        let Some(codes) = plan.codes else {
            bail!("the server offers no way to ask for the codes of {}", question.path)
        };
        let begun = Instant::now();
        for email in self.addresses.known.iter().chain(&self.addresses.unknown) {
            self.ask(codes, email, plan)?;
        }
        // As long again as the asking took, in case the mails are slower than the answers.
        sleep(SETTLE.max(begun.elapsed()));
        Ok(())
    }

    fn ask(
        &mut self,
        question: &EnumerationProbe,
        email: &str,
        plan: Plan<'_>,
    ) -> Result<(Answer, Duration)> {
        let code = format!("{:06}", self.chance.below(1_000_000));
        let (answer, took) =
            self.client.post(&question.path, &question.body(email, &code, plan.redirect_to))?;
        if answer.status == 429 {
            bail!(
                "the server limits this client (429): measure a staging copy that was started with \
                 POLYRESET_LIMITS__ENABLED=false, or one whose limits of a client are wide enough"
            );
        }
        Ok((answer, took))
    }

    /// Between half and one and a half times the mean, lest the units keep step with something of the server's.
    fn rest(&mut self, mean: Duration) {
        if !mean.is_zero() {
            sleep(mean / 2 + mean * u32::try_from(self.chance.below(1000)).expect("below 1000") / 1000);
        }
    }
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
