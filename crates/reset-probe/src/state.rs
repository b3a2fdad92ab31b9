//! The states of a server in which known and unknown addresses are compared: before and after its limits are reached.
//!
//! A guess that a spent budget rejects takes another path through the server than one that is evaluated, and so does a request
//! of a client over its limit. Either could do more for an address with an account.

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use super::{
    client::Reply,
    probes::{EnumerationProbe, ProbeKind},
    survey::{Plan, Prober},
};

/// Wrong guesses at each address that spend its budgets: more than the ten per day of InsForge's codes, and with a few
/// addresses more than the hundred at those of all accounts.
pub(crate) const GUESSES: usize = 12;
/// Requests after which a client without a 429 is taken to have no limit: the highest default limit of a client is 60.
const CLIENT_LIMIT_MAX: usize = 200;

/// A state in which responses are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum BudgetState {
    /// Nothing is spent: every address has a live code whose guesses are evaluated.
    Fresh,
    /// The attempts of each code and the budgets of its address are spent by wrong guesses, or the reset requests of each
    /// address by requests.
    Spent,
    /// This client is over its limit and gets 429.
    Limited,
}

impl BudgetState {
    /// Returns what a probe of this kind measures in this state.
    pub(crate) fn what(self, probe: &EnumerationProbe) -> &'static str {
        match (probe.kind, probe.is_form, self) {
            (ProbeKind::ResetRequest, _, Self::Fresh) => "reset request",
            (ProbeKind::ResetRequest, _, Self::Spent) => "reset request, budget of the address spent",
            (ProbeKind::ResetRequest, _, Self::Limited) => "reset request, client over its limit",
            (ProbeKind::Guess, false, Self::Fresh) => "code guess",
            (ProbeKind::Guess, false, Self::Spent) => "code guess, budgets spent",
            (ProbeKind::Guess, false, Self::Limited) => "code guess, client over its limit",
            (ProbeKind::Guess, true, Self::Fresh) => "code guess on the page",
            (ProbeKind::Guess, true, Self::Spent) => "code guess on the page, budgets spent",
            (ProbeKind::Guess, true, Self::Limited) => "code guess on the page, client over its limit",
        }
    }
}

impl Prober<'_> {
    /// Spends the budgets of every address, known or not, in the same way.
    pub(crate) fn spend(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<()> {
        let rounds = if probe.kind == ProbeKind::Guess { GUESSES } else { 1 };
        let all = [&self.addresses.known, &self.addresses.unknown, &self.addresses.bystanders];
        for email in all.into_iter().flatten() {
            for _ in 0..rounds {
                self.send_probe(probe, email, plan)?;
            }
        }
        Ok(())
    }

    /// Uses up the limit of this client with requests for bystanders. Returns whether there is one.
    pub(crate) fn use_up(&mut self, probe: &EnumerationProbe, plan: Plan<'_>) -> Result<bool> {
        for place in 0..CLIENT_LIMIT_MAX {
            let bystanders = &self.addresses.bystanders;
            let email = &bystanders[place % bystanders.len()];
            if self.send(probe, email, plan)?.response.status == 429 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Replaces the seconds in `Retry-After`, which count down, by the second since `begun` at which they end.
pub(crate) fn count_from(begun: Instant, reply: &mut Reply) {
    let elapsed = begun.elapsed().as_secs();
    let headers = reply.response.headers.iter_mut();
    for (_, value) in headers.filter(|(name, _)| name.eq_ignore_ascii_case("retry-after")) {
        if let Ok(seconds) = value.parse::<u64>() {
            *value = (seconds + elapsed).to_string();
        }
    }
}
