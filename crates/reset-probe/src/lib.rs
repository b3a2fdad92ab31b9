//! `verify-enumeration`: measures whether a running server lets an attacker tell known addresses from unknown ones, by
//! the bytes or the timing of its responses.
//!
//! The command sends HTTP requests like an anonymous client and does not know the server's settings. It first proves its
//! own sensitivity: it must detect planted differences. `statistics` defines the verdicts; not finding a difference is
//! never reported as equivalence.
//!
//! ```console
//! $ server-axum verify-enumeration https://staging.example.com --dialect px0 --known alice@example.com
//! ```

mod addresses;
mod bytes;
mod client;
mod control;
pub mod http;
pub mod probes;
mod report;
mod state;
mod statistics;
mod survey;
#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, builder::PossibleValuesParser};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use reset_core::time::Timestamp;
use reset_http::iso;

use self::{
    addresses::Addresses,
    client::{Client, Target},
    probes::{EnumerationProbe, OfferedProbes, ProbeKind},
    report::{Check, Report, Timing},
    state::BudgetState,
    statistics::{SAMPLES_MIN, Verdict, compare},
    survey::{Measurements, Plan, Prober},
};

/// Minimum delay to plant: large enough to be detected with any sensible threshold.
const PLANTED_MIN: Duration = Duration::from_millis(1);

/// The randomness of a run: the algorithm is portable, so a seed means the same order of requests on every machine.
pub(crate) type Random = Xoshiro256PlusPlus;

/// Arguments of `verify-enumeration`.
#[derive(Args)]
pub struct VerifyEnumerationArgs {
    /// Server to measure, ideally a staging copy without rate limits: `http://HOST:PORT`, `https://HOST` or `unix:/PATH`
    url: String,
    /// Dialect to measure; can be repeated. Defaults to all that the server offers
    #[arg(long, value_name = "D", value_parser = PossibleValuesParser::new(reset_dialects::names()))]
    dialect: Vec<String>,
    /// Address of an existing account, or a file with one address per line; can be repeated. Each one gets many mails
    #[arg(long, value_name = "EMAIL", required = true)]
    known: Vec<String>,
    /// Domain of the unknown addresses; defaults to the domains of the known ones
    #[arg(long, value_name = "DOMAIN")]
    unknown_domain: Option<String>,
    /// State in which responses are compared; can be repeated. `spent` needs a server whose per-client limits are lifted,
    /// `limited` one with its per-client limits
    #[arg(long, value_name = "STATE", value_enum, default_value = "fresh")]
    state: Vec<BudgetState>,
    /// Redirect URL to send, for a server that mails InsForge links
    #[arg(long, value_name = "URL")]
    redirect_to: Option<String>,
    /// Measured requests per probe for known addresses, and as many for unknown ones
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pairs: usize,
    /// Largest time difference that counts as equivalent, such as `100us` or `5ms`
    #[arg(long, value_name = "TIME", default_value = "100us", value_parser = time)]
    threshold: Duration,
    /// Follow-up requests for other unknown addresses after each measured request; they reveal work that continues
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    after: u16,
    /// Mean pause between two measurements
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = time)]
    rest: Duration,
    /// Seed that repeats the request order of an earlier run; random by default
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Count a disclosure that a dialect's contract requires (px0's 404) as equivalent
    #[arg(long)]
    allow_declared: bool,
    /// Write the report to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write every measured time to this file, as CSV
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    /// Print the report as JSON instead of Markdown
    #[arg(long)]
    json: bool,
}

/// Measures the server and prints or writes the report. `now` dates the report; `seed` orders the requests unless the
/// arguments name a seed.
///
/// The exit code is 0 if known and unknown addresses are equivalent, 1 if they differ, and 2 if the run is inconclusive.
///
/// # Errors
/// Fails if the server cannot be reached, an argument is invalid, or a file cannot be written.
pub fn run(arguments: &VerifyEnumerationArgs, now: Timestamp, seed: u32) -> Result<ExitCode> {
    let report = examine(arguments, now, seed)?;
    let text = if arguments.json { reset_http::to_json_pretty(&report) } else { report.markdown() };
    let printed = match &arguments.report {
        None => text,
        Some(file) => {
            fs::write(file, text).with_context(|| format!("--report {}", file.display()))?;
            report.summary()
        }
    };
    // A reader that closed the pipe does not want the rest.
    let _ = std::io::stdout().write_all(printed.as_bytes());
    Ok(ExitCode::from(report.exit_code()))
}

fn examine(arguments: &VerifyEnumerationArgs, begun: Timestamp, seed: u32) -> Result<Report> {
    let clock = Instant::now();
    let seed = arguments.seed.unwrap_or_else(|| seed.into());
    let mut random = Random::seed_from_u64(seed);
    let addresses = Addresses::read(&arguments.known, arguments.unknown_domain.as_deref(), &mut random)?;
    let target = Target::parse(&arguments.url)?;
    let mut client = Client::new(target.clone());
    let (server, probes) = probes_of(&mut client, &arguments.dialect)?;
    let delay = PLANTED_MIN.max(2 * arguments.threshold);
    let (threshold, planted) = (micros(arguments.threshold), micros(delay));
    progress("positive controls");
    let mut states = arguments.state.clone();
    // A client over its limit can measure nothing else.
    states.sort();
    states.dedup();
    let controls = control::run(&states, delay, threshold, &mut random)?;
    let mut examination = Examination {
        arguments,
        threshold,
        planted,
        codes: probes
            .iter()
            .find(|probe| probe.exchanges_codes && probe.kind == ProbeKind::ResetRequest)
            .cloned(),
        prober: Prober { client: &mut client, addresses: &addresses, random: &mut random },
        samples: arguments.samples.as_ref().map(|_| "probe,class,what,microseconds\n".to_owned()),
        confirmed: false,
    };
    let mut checks = Vec::new();
    for (state, probe) in states.iter().flat_map(|state| probes.iter().map(move |probe| (*state, probe))) {
        let what = state.what(probe);
        progress(&format!("{} {}, {what}, {} pairs", probe.dialect, probe.path, arguments.pairs));
        checks.push(examination.check(probe, state)?);
    }
    let (samples, known_confirmed) = (examination.samples, examination.confirmed);
    if let (Some(file), Some(samples)) = (&arguments.samples, samples) {
        fs::write(file, samples).with_context(|| format!("--samples {}", file.display()))?;
    }
    Ok(Report {
        tool: format!("polyreset {} verify-enumeration", env!("CARGO_PKG_VERSION")),
        target: target.name(),
        server,
        begun: iso(begun),
        seconds: clock.elapsed().as_secs_f64(),
        seed,
        pairs: arguments.pairs,
        after: arguments.after.into(),
        threshold_us: threshold,
        planted_us: planted,
        rest_ms: micros(arguments.rest) / 1000.0,
        known_addresses: addresses.known.len(),
        known_confirmed,
        connections: client.connections,
        verdict: report::verdict(&controls, &checks),
        controls,
        checks,
        declared_allowed: arguments.allow_declared,
    })
}

/// Returns how the server identifies itself, and the probes to send. If the server has no OpenAPI document of polyreset,
/// `dialects` must name the dialects.
fn probes_of(client: &mut Client, dialects: &[String]) -> Result<(String, Vec<EnumerationProbe>)> {
    let (clients, document) = (reset_dialects::clients(), client.get("/openapi.json")?);
    let offer = (document.status == 200).then(|| probes::offered(&clients, &document.body)).flatten();
    let offer = match offer {
        Some(offer) => offer,
        None if dialects.is_empty() => {
            bail!("the server has no polyreset document at /openapi.json: name its dialects with --dialect")
        }
        None => OfferedProbes {
            server: "without an OpenAPI document".to_owned(),
            probes: probes::usual(&clients),
        },
    };
    for dialect in dialects {
        ensure!(
            offer.probes.iter().any(|probe| probe.dialect == *dialect),
            "--dialect {dialect}: the server does not offer it"
        );
    }
    let mut probes = offer.probes;
    probes.retain(|probe| dialects.is_empty() || dialects.iter().any(|dialect| dialect == probe.dialect));
    let mails_codes = probes.iter().any(|probe| probe.kind == ProbeKind::Guess);
    let page = client.get("/reset")?;
    if mails_codes && page.status == 200 && probes::is_page_for_codes(&page.body) {
        probes.push(probes::page());
    }
    Ok((offer.server, probes))
}

/// The state of a run.
struct Examination<'a> {
    arguments: &'a VerifyEnumerationArgs,
    /// Equivalence threshold in microseconds.
    threshold: f64,
    /// Planted delay in microseconds.
    planted: f64,
    /// Probe that requests the codes to be guessed.
    codes: Option<EnumerationProbe>,
    prober: Prober<'a>,
    /// The samples as CSV, if requested.
    samples: Option<String>,
    /// Whether responses that a contract requires confirmed that every known address has an account.
    confirmed: bool,
}

impl Examination<'_> {
    /// Measures one probe in one state and compares the responses.
    fn check(&mut self, probe: &EnumerationProbe, state: BudgetState) -> Result<Check> {
        let VerifyEnumerationArgs { pairs, after, rest, .. } = *self.arguments;
        let codes = self.codes.clone();
        let redirect_to = self.arguments.redirect_to.as_deref();
        let mut plan = Plan { pairs, after: after.into(), rest, redirect_to, codes: codes.as_ref(), state };
        let what = state.what(probe);
        let expected = match probe.kind {
            _ if state == BudgetState::Limited => 429..430,
            ProbeKind::ResetRequest => 200..300,
            ProbeKind::Guess if probe.is_form => 400..401,
            ProbeKind::Guess => 401..402,
        };
        let (dialect, path) = (probe.dialect.to_owned(), probe.path.clone());
        if state == BudgetState::Limited && !self.prober.use_up(probe, plan)? {
            let note = "The server does not limit this client, so there is nothing to compare.".to_owned();
            return Ok(Check::unmeasured(&dialect, &path, what, note));
        }
        let statuses = self.prober.preflight(probe, plan)?;
        let discloses =
            probe.discloses.is_some_and(|status| statuses.iter().all(|(_, unknown)| *unknown == status));
        if discloses {
            let without = statuses.iter().filter(|(known, _)| Some(*known) == probe.discloses).count();
            ensure!(
                without == 0,
                "--known: {without} of {} addresses have no account according to {path}",
                statuses.len()
            );
            // The status code already discloses the account, so precise timing is not needed.
            (plan.pairs, plan.rest) = (pairs.min(SAMPLES_MIN), Duration::ZERO);
        }
        let unexpected = |(known, unknown): &&(u16, u16)| known == unknown && !expected.contains(known);
        if let Some((status, _)) = statuses.iter().find(unexpected) {
            let note = format!(
                "Requests for known and unknown addresses both return {status}, so there is nothing to compare. A server \
                 that mails InsForge links needs `--redirect-to`."
            );
            return Ok(Check::unmeasured(&dialect, &path, what, note));
        }
        let needs_codes = probe.kind == ProbeKind::Guess && state != BudgetState::Limited;
        if needs_codes && !self.sends_codes(plan)? {
            let note =
                "The server did not accept requests for codes, so there is no code to guess.".to_owned();
            return Ok(Check::unmeasured(&dialect, &path, what, note));
        }
        let measured = self.prober.measure(probe, plan)?;
        self.append_samples(&path, what, &measured);
        let bytes = measured.collected.compare();
        let only = |known: usize, unknown: usize, all: usize| known == all && unknown == 0;
        let declared = discloses
            && bytes.statuses.len() == 2
            && bytes.statuses.iter().any(|(status, known, unknown)| {
                Some(status.parse().unwrap_or(0)) == probe.discloses && only(*unknown, *known, bytes.unknown)
            });
        if declared {
            self.confirmed = true;
            let (timings, note) = (Vec::new(), None);
            return Ok(Check {
                dialect,
                path,
                what,
                bytes: Some(bytes),
                timings,
                note,
                verdict: Verdict::Declared,
            });
        }
        let timings: Vec<Timing> = [
            ("response", &measured.responses),
            ("next response", &measured.next),
            ("follow-ups", &measured.follow_ups),
        ]
        .into_iter()
        .map(|(what, times)| {
            let comparison = compare(times, self.threshold, self.planted, self.prober.random);
            Timing { what, comparison }
        })
        .collect();
        let worst = timings.iter().map(|timing| timing.comparison.verdict).max();
        let verdict = worst.unwrap_or(Verdict::Inconclusive).max(bytes.verdict);
        let note = (probe.kind == ProbeKind::Guess && redirect_to.is_some()).then(|| {
            "If this server mails links, no address had a code, and nothing could differ.".to_owned()
        });
        Ok(Check { dialect, path, what, bytes: Some(bytes), timings, note, verdict })
    }

    /// Whether the server accepts requests for codes.
    fn sends_codes(&mut self, plan: Plan<'_>) -> Result<bool> {
        let Some(codes) = plan.codes else { return Ok(false) };
        let statuses = self.prober.preflight(codes, plan)?;
        Ok(statuses.iter().all(|(known, _)| (200..300).contains(known)))
    }

    /// Appends the times to the CSV.
    fn append_samples(&mut self, path: &str, probe: &str, measured: &Measurements) {
        let Some(samples) = &mut self.samples else { return };
        for (what, times) in [
            ("response", &measured.responses),
            ("next", &measured.next),
            ("follow-ups", &measured.follow_ups),
        ] {
            for (known, time) in times {
                let class = if *known { "known" } else { "unknown" };
                let _ = writeln!(samples, "{path} ({}),{class},{what},{time:.1}", probe.replace(',', ":"));
            }
        }
    }
}

/// Prints progress to stderr. Write errors are ignored.
fn progress(step: &str) {
    let _ = writeln!(std::io::stderr(), "measuring: {step}");
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn time(text: &str) -> Result<Duration, String> {
    let error = || "expected a number and us, ms or s, such as 100us".to_owned();
    let digits = text.find(|sign: char| !sign.is_ascii_digit()).ok_or_else(error)?;
    let number: u32 = text[..digits].parse().map_err(|_| error())?;
    let unit = match &text[digits..] {
        "us" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        _ => return Err(error()),
    };
    Ok(unit * number)
}
