//! `verify-enumeration`: whether a running server lets a stranger tell known addresses from unknown ones, by what it
//! answers or by when.
//!
//! It asks over HTTP as a stranger does, knows nothing of the server's settings, and proves its own eyes first: planted
//! differences must be found. `statistics` says what is claimed and when; nothing is claimed from not having found
//! anything.

mod addresses;
mod bytes;
mod chance;
mod client;
mod control;
pub mod probes;
mod report;
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
use clap::Args;
use reset_core::time::Timestamp;
use reset_http::iso;

use self::{
    addresses::Addresses,
    chance::Chance,
    client::{Client, Target},
    probes::{EnumerationProbe, OfferedProbes, ProbeKind},
    report::{Check, Report, Timing},
    statistics::{LEAST, Verdict, compare},
    survey::{Measured, Plan, Survey},
};

/// What is planted: enough to be found wherever the threshold makes sense.
const PLANTED_LEAST: Duration = Duration::from_millis(1);

#[derive(Args)]
pub struct VerifyEnumerationArgs {
    /// The server, a staging copy without limits: `http://HOST:PORT`, `https://HOST` or `unix:/PATH`
    url: String,
    /// px0, worthai, strapi or insforge; may be repeated. Without it, all that the server offers
    #[arg(long, value_name = "D")]
    dialect: Vec<String>,
    /// An account that exists, or a file with one address on each line; may be repeated. They are mailed many times
    #[arg(long, value_name = "EMAIL", required = true)]
    known: Vec<String>,
    /// Domain of the unknown addresses; without it, those of the known ones
    #[arg(long, value_name = "DOMAIN")]
    unknown_domain: Option<String>,
    /// Where a link is to lead, for a server that mails InsForge's links
    #[arg(long, value_name = "URL")]
    redirect_to: Option<String>,
    /// Asks of known and as many of unknown addresses, for each question
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pairs: usize,
    /// Largest difference that counts as none, such as `100us` or `5ms`
    #[arg(long, value_name = "TIME", default_value = "100us", value_parser = time)]
    threshold: Duration,
    /// Asks of other unknown addresses after each: how long is looked at what the server still does
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    after: u16,
    /// Mean rest between two measurements
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = time)]
    rest: Duration,
    /// Repeats the order of an earlier run; without it, a random one
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Count what px0's contract declares as equivalent
    #[arg(long)]
    allow_declared: bool,
    /// Write the report there instead of to stdout
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write every time there, as CSV
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    /// Report as JSON instead of Markdown
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
    let mut chance = Chance::new(seed);
    let addresses = Addresses::read(&arguments.known, arguments.unknown_domain.as_deref(), &mut chance)?;
    let target = Target::parse(&arguments.url)?;
    let mut client = Client::new(target.clone());
    let (server, questions) = questions(&mut client, &arguments.dialect)?;
    let delay = PLANTED_LEAST.max(2 * arguments.threshold);
    let (threshold, planted) = (micros(arguments.threshold), micros(delay));
    say("positive controls");
    let controls = control::run(delay, threshold, &mut chance)?;
    let mut examination = Examination {
        arguments,
        threshold,
        planted,
        codes: questions
            .iter()
            .find(|question| question.exchanges_codes && question.kind == ProbeKind::ResetRequest)
            .cloned(),
        survey: Survey { client: &mut client, addresses: &addresses, chance: &mut chance },
        samples: arguments.samples.as_ref().map(|_| "question,class,what,microseconds\n".to_owned()),
        confirmed: false,
    };
    let mut checks = Vec::new();
    for question in &questions {
        say(&format!("{} {}, {} pairs", question.dialect, question.path, arguments.pairs));
        checks.push(examination.check(question)?);
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

/// What the server says that it is, and what to ask it. Without a document of its own, the dialects must be named.
fn questions(client: &mut Client, dialects: &[String]) -> Result<(String, Vec<EnumerationProbe>)> {
    let (clients, document) = (reset_dialects::clients(), client.get("/openapi.json")?);
    let offer = (document.status == 200).then(|| probes::offered(&clients, &document.body)).flatten();
    let offer = match offer {
        Some(offer) => offer,
        None if dialects.is_empty() => {
            bail!("the server shows no document of ours at /openapi.json: name what it speaks by --dialect")
        }
        None => {
            OfferedProbes { server: "which shows no document".to_owned(), probes: probes::usual(&clients) }
        }
    };
    for dialect in dialects {
        ensure!(
            offer.probes.iter().any(|question| question.dialect == *dialect),
            "--dialect {dialect}: the server does not offer it"
        );
    }
    let mut questions = offer.probes;
    questions
        .retain(|question| dialects.is_empty() || dialects.iter().any(|dialect| dialect == question.dialect));
    Ok((offer.server, questions))
}

/// A run under way.
struct Examination<'a> {
    arguments: &'a VerifyEnumerationArgs,
    /// In microseconds, as what is planted.
    threshold: f64,
    planted: f64,
    /// Where codes to guess at are asked for.
    codes: Option<EnumerationProbe>,
    survey: Survey<'a>,
    /// CSV, where it is wanted.
    samples: Option<String>,
    /// Whether a dialect's own contract has told that every known address has an account.
    confirmed: bool,
}

impl Examination<'_> {
    fn check(&mut self, question: &EnumerationProbe) -> Result<Check> {
        let VerifyEnumerationArgs { pairs, after, rest, .. } = *self.arguments;
        let codes = self.codes.clone();
        let redirect_to = self.arguments.redirect_to.as_deref();
        let mut plan = Plan { pairs, after: after.into(), rest, redirect_to, codes: codes.as_ref() };
        let (what, expected) = match question.kind {
            ProbeKind::ResetRequest => ("reset asked for", 200..300),
            ProbeKind::Guess => ("code guessed at", 401..402),
        };
        let (dialect, path) = (question.dialect.to_owned(), question.path.clone());
        let tried = self.survey.try_out(question, plan)?;
        let tells =
            question.discloses.is_some_and(|status| tried.iter().all(|(_, unknown)| *unknown == status));
        if tells {
            let without = tried.iter().filter(|(known, _)| Some(*known) == question.discloses).count();
            ensure!(without == 0, "--known: {without} of {} have no account, as {path} says", tried.len());
            // What the answer itself tells needs no clock.
            (plan.pairs, plan.rest) = (pairs.min(LEAST), Duration::ZERO);
        }
        let alike = |(known, unknown): &&(u16, u16)| known == unknown && !expected.contains(known);
        if let Some((status, _)) = tried.iter().find(alike) {
            let note = format!(
                "Known and unknown addresses alike are answered {status} here, so that there is nothing to compare. A \
                 server that mails InsForge's links wants `--redirect-to`."
            );
            return Ok(Check::unmeasured(&dialect, &path, what, note));
        }
        if question.kind == ProbeKind::Guess && !self.sends_codes(plan)? {
            let note = "No codes could be asked for, so that there is nothing to guess at.".to_owned();
            return Ok(Check::unmeasured(&dialect, &path, what, note));
        }
        let measured = self.survey.measure(question, plan)?;
        self.keep(&path, &measured);
        let bytes = measured.gathered.compare();
        let only = |known: usize, unknown: usize, all: usize| known == all && unknown == 0;
        let declared = tells
            && bytes.statuses.len() == 2
            && bytes.statuses.iter().any(|(status, known, unknown)| {
                Some(status.parse().unwrap_or(0)) == question.discloses
                    && only(*unknown, *known, bytes.unknown)
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
            ("answer", &measured.answers),
            ("next answer", &measured.next),
            ("aftermath", &measured.aftermath),
        ]
        .into_iter()
        .map(|(what, times)| {
            let comparison = compare(times, self.threshold, self.planted, self.survey.chance);
            Timing { what, comparison }
        })
        .collect();
        let worst = timings.iter().map(|timing| timing.comparison.verdict).max();
        let verdict = worst.unwrap_or(Verdict::Inconclusive).max(bytes.verdict);
        let note = (question.kind == ProbeKind::Guess && redirect_to.is_some()).then(|| {
            "If this server mails links, no address had a code, and there was nothing to tell.".to_owned()
        });
        Ok(Check { dialect, path, what, bytes: Some(bytes), timings, note, verdict })
    }

    /// Whether codes to guess at can be asked for.
    fn sends_codes(&mut self, plan: Plan<'_>) -> Result<bool> {
        let Some(codes) = plan.codes else { return Ok(false) };
        let asked = self.survey.try_out(codes, plan)?;
        Ok(asked.iter().all(|(known, _)| (200..300).contains(known)))
    }

    /// Adds the times to what is written in the end.
    fn keep(&mut self, path: &str, measured: &Measured) {
        let Some(samples) = &mut self.samples else { return };
        for (what, times) in
            [("answer", &measured.answers), ("next", &measured.next), ("aftermath", &measured.aftermath)]
        {
            for (known, time) in times {
                let class = if *known { "known" } else { "unknown" };
                let _ = writeln!(samples, "{path},{class},{what},{time:.1}");
            }
        }
    }
}

/// Tells whoever waits what is being done. A closed stderr is nobody's loss.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "measuring: {what}");
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and us, ms or s, such as 100us".to_owned();
    let digits = text.find(|sign: char| !sign.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u32 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "us" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        _ => return Err(wrong()),
    };
    Ok(unit * number)
}
