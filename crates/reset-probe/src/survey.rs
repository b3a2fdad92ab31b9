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

use super::{
    addresses::Addresses,
    bytes::Responses,
    chance::Chance,
    client::{Client, Response},
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
    pub(crate) chance: &'a mut Chance,
}

impl Prober<'_> {
    /// Probes each known address and its decoy once; returns (known, unknown) status pairs.
    pub(crate) fn preflight(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<Vec<(u16, u16)>> {
        let Addresses { known, unknown, .. } = self.addresses;
        let mut statuses = Vec::new();
        for (known, unknown) in known.iter().zip(unknown) {
            let known = self.send_probe(probe, known, plan)?.0.status;
            statuses.push((known, self.send_probe(probe, unknown, plan)?.0.status));
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
        let round = if probe.kind == ProbeKind::Guess { ATTEMPTS_PER_CODE * known.len() } else { plan.pairs };
        for _ in 0..WARM_UP {
            self.send_probe(probe, &next_address(2, bystanders), plan)?;
        }
        let mut left = plan.pairs;
        while left > 0 {
            let pairs = left.min(round.max(1));
            left -= pairs;
            self.request_codes(probe, plan)?;
            for is_known in self.chance.coins(pairs) {
                let email = if is_known { next_address(1, known) } else { next_address(0, unknown) };
                let (response, took) = self.send_probe(probe, &email, plan)?;
                measured.collected.add(is_known, &email, &response);
                measured.responses.push((is_known, micros(took)));
                let mut total = 0.0;
                for place in 0..plan.after {
                    let took = micros(self.send_probe(probe, &next_address(2, bystanders), plan)?.1);
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
        if probe.kind == ProbeKind::ResetRequest {
            return Ok(());
        }
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

    /// Sends one request. Fails if the server rate-limits this client.
    fn send_probe(
        &mut self,
        probe: &EnumerationProbe,
        email: &str,
        plan: Plan<'_>,
    ) -> Result<(Response, Duration)> {
        let code = format!("{:06}", self.chance.below(1_000_000));
        let (response, took) = self.client.post(&probe.path, &probe.body(email, &code, plan.redirect_to))?;
        if response.status == 429 {
            bail!(
                "the server rate-limited this client (429): run against a staging copy started with \
                 POLYRESET_LIMITS__ENABLED=false, or raise its per-client limits"
            );
        }
        Ok((response, took))
    }

    /// Sleeps for 0.5 to 1.5 times the mean, so that samples do not synchronise with a periodic task of the server.
    fn jittered_pause(&mut self, mean: Duration) {
        if !mean.is_zero() {
            sleep(mean / 2 + mean * u32::try_from(self.chance.below(1000)).expect("below 1000") / 1000);
        }
    }
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
