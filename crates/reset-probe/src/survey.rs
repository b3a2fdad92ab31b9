//! Times one probe for known and unknown addresses in random order, over a keep-alive connection.
//!
//! Each sample is one request, for a known or an unknown address chosen at random, followed by requests for unrelated
//! unknown addresses. The follow-up requests reveal work that the server still does after it has responded to the first.
//! A pause follows, so that every sample starts against an idle server.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::probes::{EnumerationProbe, ProbeKind};
use anyhow::{Result, bail};
use rand::{RngExt, seq::SliceRandom};

use super::{
    Random,
    addresses::Addresses,
    bytes::Responses,
    client::{Client, Reply},
    state::{BudgetState, count_from},
    statistics::Sample,
};

/// Guesses per code: the dialect's default limit.
const ATTEMPTS_PER_CODE: usize = 3;
/// Minimum wait for requested codes to be issued.
const SETTLE: Duration = Duration::from_millis(500);
/// Unmeasured warm-up requests that absorb one-time costs.
const WARM_UP: usize = 20;

/// Parameters of a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// Measured requests per class.
    pub(crate) pairs: usize,
    /// Follow-up requests per measured request; at least one.
    pub(crate) after: usize,
    /// Mean pause after each sample.
    pub(crate) rest: Duration,
    /// Redirect URL to send, for a server that mails InsForge links.
    pub(crate) redirect_to: Option<&'a str>,
    /// Probe that requests the codes to be guessed.
    pub(crate) codes: Option<&'a EnumerationProbe>,
    /// What was done before.
    pub(crate) state: BudgetState,
}

/// The samples of one probe, in microseconds and in the order of measurement.
#[derive(Default)]
pub(crate) struct Measurements {
    pub(crate) collected: Responses,
    /// Response times of the measured requests.
    pub(crate) responses: Vec<Sample>,
    /// Response time of the first follow-up request of each.
    pub(crate) next: Vec<Sample>,
    /// Total response time of all follow-up requests of each.
    pub(crate) follow_ups: Vec<Sample>,
}

/// Sends the probes.
pub(crate) struct Prober<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) addresses: &'a Addresses,
    pub(crate) random: &'a mut Random,
}

impl Prober<'_> {
    /// Probes each known address and its decoy once; returns (known, unknown) status pairs.
    pub(crate) fn preflight(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<Vec<(u16, u16)>> {
        let Addresses { known, unknown, .. } = self.addresses;
        let mut statuses = Vec::new();
        for (known, unknown) in known.iter().zip(unknown) {
            let known = self.send_probe(probe, known, plan)?.response.status;
            statuses.push((known, self.send_probe(probe, unknown, plan)?.response.status));
        }
        Ok(statuses)
    }

    /// Runs the measurement and returns the samples.
    pub(crate) fn measure(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<Measurements> {
        let Addresses { known, unknown, bystanders } = self.addresses;
        let mut measured = Measurements::default();
        let mut turns = [0; 3];
        let mut next_address = |class: usize, of: &'_ [String]| {
            turns[class] += 1;
            of[(turns[class] - 1) % of.len()].clone()
        };
        // Request new codes before any address exceeds the attempt limit of its code.
        let renewed = probe.kind == ProbeKind::Guess && plan.state == BudgetState::Fresh;
        let round = if renewed { ATTEMPTS_PER_CODE * known.len() } else { plan.pairs };
        if probe.kind == ProbeKind::Guess && plan.state == BudgetState::Spent {
            self.request_codes(probe, plan)?;
        }
        if plan.state == BudgetState::Spent {
            self.spend(probe, plan)?;
        }
        let begun = Instant::now();
        for _ in 0..WARM_UP {
            self.send_probe(probe, &next_address(2, bystanders), plan)?;
        }
        let mut left = plan.pairs;
        while left > 0 {
            let pairs = left.min(round.max(1));
            left -= pairs;
            if renewed {
                self.request_codes(probe, plan)?;
            }
            for is_known in coins(pairs, self.random) {
                let email = if is_known { next_address(1, known) } else { next_address(0, unknown) };
                let mut reply = self.send_probe(probe, &email, plan)?;
                count_from(begun, &mut reply);
                measured.collected.add(is_known, &email, &reply);
                measured.responses.push((is_known, micros(reply.took)));
                let mut total = 0.0;
                for place in 0..plan.after {
                    let took = micros(self.send_probe(probe, &next_address(2, bystanders), plan)?.took);
                    if place == 0 {
                        measured.next.push((is_known, took));
                    }
                    total += took;
                }
                measured.follow_ups.push((is_known, total));
                self.jittered_pause(plan.rest);
            }
        }
        Ok(measured)
    }

    /// Ensures that every address has a live code, if the probe guesses codes.
    fn request_codes(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<()> {
        let Some(codes) = plan.codes else {
            bail!("the server has no operation that requests the codes of {}", probe.path)
        };
        let begun = Instant::now();
        for email in self.addresses.known.iter().chain(&self.addresses.unknown) {
            self.send_probe(codes, email, plan)?;
        }
        // Wait at least as long as the requests took, in case mail lags behind the responses.
        sleep(SETTLE.max(begun.elapsed()));
        Ok(())
    }

    /// Sends one request. Fails if the server rate-limits this client, unless that is to be measured; then, if it does not.
    pub(crate) fn send_probe(
        &mut self,
        probe: &EnumerationProbe,
        email: &str,
        plan: Plan<'_>,
    ) -> Result<Reply> {
        let reply = self.send(probe, email, plan)?;
        match (reply.response.status, plan.state) {
            (429, BudgetState::Fresh | BudgetState::Spent) => bail!(
                "the server rate-limited this client (429): run against a staging copy started with \
                 POLYRESET_LIMITS__ENABLED=false, or raise its per-client limits"
            ),
            (status, BudgetState::Limited) if status != 429 => bail!(
                "the limit of this client ended while it was measured ({status}): run with fewer --pairs"
            ),
            _ => Ok(reply),
        }
    }

    /// Sends one request.
    pub(crate) fn send(&mut self, probe: &EnumerationProbe, email: &str, plan: Plan<'_>) -> Result<Reply> {
        let code = format!("{:06}", self.random.random_range(0..1_000_000));
        self.client.post(&probe.path, &probe.body(email, &code, plan.redirect_to), probe.is_form)
    }

    /// Sleeps for 0.5 to 1.5 times the mean, so that samples do not synchronise with a periodic task of the server.
    fn jittered_pause(&mut self, mean: Duration) {
        if !mean.is_zero() {
            sleep(mean / 2 + mean * self.random.random_range(0..1000) / 1000);
        }
    }
}

/// Returns `each` times `true` and `each` times `false`, in random order.
pub(crate) fn coins(each: usize, random: &mut Random) -> Vec<bool> {
    let mut coins: Vec<bool> = (0..2 * each).map(|place| place < each).collect();
    coins.shuffle(random);
    coins
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn coins_are_balanced_shuffled_and_reproducible() {
        let toss = |seed| coins(1000, &mut Random::seed_from_u64(seed));
        let coins = toss(1);
        assert_eq!(coins.iter().filter(|coin| **coin).count(), 1000);
        let changes = coins.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((900..1100).contains(&changes), "{changes}");
        assert_eq!(coins, toss(1));
        assert_ne!(coins, toss(2));
    }
}
