//! Renders the results as Markdown and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::{
    bytes::Bytes,
    control::Control,
    statistics::{Comparison, SAMPLES_MIN, Verdict},
};

/// The results of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// This program and its version.
    pub(crate) tool: String,
    /// URL of the server, and how it identifies itself.
    pub(crate) target: String,
    pub(crate) server: String,
    /// Start of the run (ISO 8601, UTC), and its duration in seconds.
    pub(crate) begun: String,
    pub(crate) seconds: f64,
    /// Seed of the randomness; reuse it to reproduce the request order.
    pub(crate) seed: u64,
    pub(crate) pairs: usize,
    /// Follow-up requests after each measured request.
    pub(crate) after: usize,
    pub(crate) threshold_us: f64,
    pub(crate) planted_us: f64,
    pub(crate) rest_ms: f64,
    /// Number of known addresses, and whether responses that a contract requires confirmed their accounts.
    pub(crate) known_addresses: usize,
    pub(crate) known_confirmed: bool,
    /// Total number of connections opened.
    pub(crate) connections: usize,
    pub(crate) controls: Vec<Control>,
    pub(crate) checks: Vec<Check>,
    /// Whether a disclosure that the dialect's contract requires counts as equivalent.
    pub(crate) declared_allowed: bool,
    pub(crate) verdict: Verdict,
}

/// The results of one probe of one dialect.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) dialect: String,
    pub(crate) path: String,
    /// `reset request` or `code guess`.
    pub(crate) what: &'static str,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) note: Option<String>,
    pub(crate) verdict: Verdict,
}

/// Times of known against unknown addresses.
#[derive(Serialize)]
pub(crate) struct Timing {
    pub(crate) what: &'static str,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

impl Check {
    /// A probe that could not be measured.
    pub(crate) fn unmeasured(dialect: &str, path: &str, what: &'static str, note: String) -> Self {
        let (dialect, path) = (dialect.to_owned(), path.to_owned());
        let verdict = Verdict::Inconclusive;
        Self { dialect, path, what, bytes: None, timings: Vec::new(), note: Some(note), verdict }
    }
}

/// Returns the overall verdict: inconclusive if a positive control was missed or no probe was measured.
pub(crate) fn verdict(controls: &[Control], checks: &[Check]) -> Verdict {
    if !controls.iter().all(|control| control.found) {
        return Verdict::Inconclusive;
    }
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Inconclusive)
}

impl Report {
    /// 0: equivalent; 1: different; 2: inconclusive. A disclosure that a contract requires counts as different unless it is
    /// allowed.
    pub(crate) fn exit_code(&self) -> u8 {
        let declared = self.checks.iter().any(|check| check.verdict == Verdict::Declared);
        match self.verdict {
            Verdict::Different => 1,
            Verdict::Declared | Verdict::Inconclusive if declared && !self.declared_allowed => 1,
            Verdict::Inconclusive => 2,
            Verdict::Equivalent | Verdict::Declared => 0,
        }
    }

    /// Formats one line per probe, and the overall verdict.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for Check { dialect, path, what, verdict, .. } in &self.checks {
            let _ = writeln!(text, "{:<13} {dialect} {path} ({what})", verdict.name());
        }
        let _ = writeln!(text, "{:<13} overall", self.verdict.name());
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        self.write_header(&mut text);
        for check in &self.checks {
            check.markdown(&mut text, self.threshold_us);
        }
        self.write_methodology(&mut text);
        text
    }

    fn write_header(&self, text: &mut String) {
        let _ = writeln!(text, "# Can an attacker tell whether an address has an account?\n");
        let _ = writeln!(text, "**{}**\n", self.verdict.description());
        let _ = writeln!(text, "| | |\n|---|---|");
        let confirmed = if self.known_confirmed {
            "px0's responses confirm that each has an account"
        } else {
            "not verified: no response confirms that they have accounts"
        };
        let controls: Vec<String> = self
            .controls
            .iter()
            .map(|control| format!("{}: {}", control.planted, if control.found { "found" } else { "MISSED" }))
            .collect();
        for (name, value) in [
            ("server", format!("`{}`, {}", self.target, self.server)),
            ("measured by", format!("{}, starting {}, for {:.0} s", self.tool, self.begun, self.seconds)),
            ("known addresses", format!("{}; {confirmed}", self.known_addresses)),
            (
                "requests",
                format!(
                    "{} known and {} unknown per probe, in random order (seed {}), each followed by {} unknown ones and a \
                     pause of {:.1} ms, over keep-alive connections ({} opened)",
                    self.pairs, self.pairs, self.seed, self.after, self.rest_ms, self.connections
                ),
            ),
            ("threshold", format_micros(self.threshold_us)),
            ("positive controls", controls.join("; ")),
        ] {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        let _ =
            writeln!(text, "\n| dialect | probe | bytes | response | next response | follow-ups | verdict |");
        let _ = writeln!(text, "|---|---|---|---|---|---|---|");
        for check in &self.checks {
            let times: Vec<&str> = (0..3)
                .map(|place| {
                    check.timings.get(place).map_or("–", |timing| timing.comparison.verdict.name())
                })
                .collect();
            let bytes = check.bytes.as_ref().map_or("–", |bytes| match check.verdict {
                Verdict::Declared => Verdict::Declared.name(),
                _ => bytes.verdict.name(),
            });
            let Check { dialect, path, what, verdict, .. } = check;
            let _ = writeln!(
                text,
                "| {dialect} | `{path}`, {what} | {bytes} | {} | {} |",
                times.join(" | "),
                verdict.name()
            );
        }
    }

    fn write_methodology(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## How to read this\n\n\
             * **Bytes**: status, header names, order and values, and body of every response, excluding `date`. A part that \
             differs in nearly every response (such as a reference) is compared by length only. The requested address itself \
             is removed before comparison.\n\
             * **Response**: the response time. **Next response**: the response time of the request immediately after it, \
             for an unknown address. **Follow-ups**: the total response time of the {} requests after it. The last two \
             reveal work that the server still does for a known address after responding.\n\
             * *Known* minus *unknown*, with a 95 % block-bootstrap confidence interval. **Equivalent** means that the whole \
             interval lies within ± {} for the median and the 90th percentile. **Different** means a difference of \
             more than 4.5 standard errors that is not within the threshold. Everything else, and any class with fewer than \
             {SAMPLES_MIN} samples, is **inconclusive**: measure with more `--pairs`, or on a quieter machine.\n\
             * *Minimum detectable effect*: the smallest difference that a run like this one detects with a probability of \
             80 %.\n\
             * **Positive controls**: the tool must detect the leak in its own deliberately leaky servers; otherwise the run \
             is inconclusive. Each comparison must also report a difference once {} is added to the known samples.\n\
             * **Rate limits.** Per-address rate limits are silent: if they were on, most of these requests queued no job and \
             sent no mail, and the run measured the cheaper rejection path, which is the same for every address. Only a \
             server without rate limits (`POLYRESET_LIMITS__ENABLED=false`, on a staging copy) shows the work for known \
             addresses. A client cannot detect whether rate limits are on.\n\
             * The measurements apply only to this vantage point. From farther away, smaller differences become \
             undetectable.\n",
            self.after,
            format_micros(self.threshold_us),
            format_micros(self.planted_us),
        );
    }
}

impl Check {
    fn markdown(&self, text: &mut String, threshold: f64) {
        let Self { dialect, path, what, verdict, .. } = self;
        let _ = writeln!(text, "\n## {dialect}, `{path}`: {what}\n\n{}", verdict.description());
        if let Some(note) = &self.note {
            let _ = writeln!(text, "\n{note}");
        }
        if let Some(bytes) = &self.bytes {
            let statuses: Vec<String> = bytes
                .statuses
                .iter()
                .map(|(status, known, unknown)| format!("{status}: {known} known, {unknown} unknown"))
                .collect();
            let lengths = match &bytes.by_length[..] {
                [] => String::new(),
                parts => format!(" Compared by length: {}.", parts.join(", ")),
            };
            let _ = writeln!(
                text,
                "\nBytes of {} responses for known and {} for unknown addresses ({}): {}.{lengths}",
                bytes.known,
                bytes.unknown,
                statuses.join("; "),
                if bytes.differences.is_empty() { "no difference" } else { "different" }
            );
            if !bytes.differences.is_empty() {
                let _ = writeln!(text, "\n| part | value | known | unknown | |\n|---|---|---|---|---|");
            }
            for difference in &bytes.differences {
                let value = difference.value.replace('|', "\\|").replace('`', "'");
                let certain = if difference.certain { "significant" } else { "too rare to judge" };
                let (known, unknown) = (difference.known, difference.unknown);
                let _ =
                    writeln!(text, "| {} | `{value}` | {known} | {unknown} | {certain} |", difference.part);
            }
        }
        if self.timings.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\n| time, within ± {} | n known, unknown | quantile | known | unknown | difference | 95 % interval | \
             minimum detectable effect | planted | verdict |\n|---|---|---|---|---|---|---|---|---|---|",
            format_micros(threshold)
        );
        for Timing { what, comparison } in &self.timings {
            let Comparison { known, unknown, planted_found, .. } = comparison;
            let planted = if *planted_found { "found" } else { "MISSED" };
            for quantile in &comparison.quantiles {
                let _ = writeln!(
                    text,
                    "| {what} | {known}, {unknown} | {:.0} % | {} | {} | {} | {} to {} | {} | {planted} | {} |",
                    quantile.share * 100.0,
                    format_micros(quantile.known_us),
                    format_micros(quantile.unknown_us),
                    format_micros(quantile.difference_us),
                    format_micros(quantile.low_us),
                    format_micros(quantile.high_us),
                    format_micros(quantile.smallest_us),
                    quantile.verdict.name()
                );
            }
            if comparison.quantiles.is_empty() {
                let _ = writeln!(
                    text,
                    "| {what} | {known}, {unknown} | – | – | – | – | – | – | – | inconclusive |"
                );
            }
        }
    }
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Declared => "declared",
            Self::Inconclusive => "inconclusive",
            Self::Different => "different",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Equivalent => {
                "Equivalent: the bytes are the same, and every interval lies within the threshold."
            }
            Self::Declared => {
                "Declared by contract: the response itself discloses whether an account exists, as this dialect's clients \
                 expect; profile `hardened` prevents it."
            }
            Self::Inconclusive => "Inconclusive: the run showed neither a difference nor equivalence.",
            Self::Different => "Different: an attacker can tell whether an address has an account.",
        }
    }
}

/// Formats microseconds, from 10 ms up as milliseconds.
fn format_micros(time: f64) -> String {
    if time.abs() >= 10_000.0 { format!("{:.1} ms", time / 1000.0) } else { format!("{time:.1} µs") }
}
