//! What was found: as a report for people, and the same as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::{
    bytes::Bytes,
    control::Control,
    statistics::{Comparison, LEAST, Verdict},
};

/// One run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// This program and its version.
    pub(crate) tool: String,
    /// Where the server was reached, and what it says that it is.
    pub(crate) target: String,
    pub(crate) server: String,
    /// When the run began (ISO 8601, UTC), and how many seconds it took.
    pub(crate) begun: String,
    pub(crate) seconds: f64,
    /// Repeats the order of asking.
    pub(crate) seed: u64,
    pub(crate) pairs: usize,
    /// Asks after each.
    pub(crate) after: usize,
    pub(crate) threshold_us: f64,
    pub(crate) planted_us: f64,
    pub(crate) rest_ms: f64,
    /// How many addresses were said to have an account, and whether the server's own contract confirmed it.
    pub(crate) known_addresses: usize,
    pub(crate) known_confirmed: bool,
    /// Connections that were opened for all of it.
    pub(crate) connections: usize,
    pub(crate) controls: Vec<Control>,
    pub(crate) checks: Vec<Check>,
    /// Whether what a contract declares counts as equivalent.
    pub(crate) declared_allowed: bool,
    pub(crate) verdict: Verdict,
}

/// One question of one dialect.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) dialect: String,
    pub(crate) path: String,
    /// `reset asked for` or `code guessed at`.
    pub(crate) what: &'static str,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) note: Option<String>,
    pub(crate) verdict: Verdict,
}

/// One class of times against the other.
#[derive(Serialize)]
pub(crate) struct Timing {
    pub(crate) what: &'static str,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

impl Check {
    /// A question that could not be put.
    pub(crate) fn unmeasured(dialect: &str, path: &str, what: &'static str, note: String) -> Self {
        let (dialect, path) = (dialect.to_owned(), path.to_owned());
        let verdict = Verdict::Inconclusive;
        Self { dialect, path, what, bytes: None, timings: Vec::new(), note: Some(note), verdict }
    }
}

/// What all of it comes to: nothing, where a planted difference was missed or there is nothing to judge.
pub(crate) fn verdict(controls: &[Control], checks: &[Check]) -> Verdict {
    if !controls.iter().all(|control| control.found) {
        return Verdict::Inconclusive;
    }
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Inconclusive)
}

impl Report {
    /// 0 equivalent, 1 a difference, 2 not shown. What a contract declares is a difference unless it is allowed.
    pub(crate) fn exit_code(&self) -> u8 {
        let declared = self.checks.iter().any(|check| check.verdict == Verdict::Declared);
        match self.verdict {
            Verdict::Different => 1,
            Verdict::Declared | Verdict::Inconclusive if declared && !self.declared_allowed => 1,
            Verdict::Inconclusive => 2,
            Verdict::Equivalent | Verdict::Declared => 0,
        }
    }

    /// A line for each check.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for Check { dialect, path, what, verdict, .. } in &self.checks {
            let _ = writeln!(text, "{:<13} {dialect} {path} ({what})", verdict.name());
        }
        let _ = writeln!(text, "{:<13} all of it", self.verdict.name());
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        for check in &self.checks {
            check.markdown(&mut text, self.threshold_us);
        }
        self.method(&mut text);
        text
    }

    fn head(&self, text: &mut String) {
        let _ = writeln!(text, "# Can a stranger tell whether an address has an account?\n");
        let _ = writeln!(text, "**{}**\n", self.verdict.sentence());
        let _ = writeln!(text, "| | |\n|---|---|");
        let confirmed = if self.known_confirmed {
            "px0's answers confirm that each has an account"
        } else {
            "that they have accounts was taken on trust, since no answer tells"
        };
        let controls: Vec<String> = self
            .controls
            .iter()
            .map(|control| format!("{}: {}", control.planted, if control.found { "found" } else { "MISSED" }))
            .collect();
        for (name, value) in [
            ("server", format!("`{}`, {}", self.target, self.server)),
            ("measured by", format!("{}, from {} on, for {:.0} s", self.tool, self.begun, self.seconds)),
            ("known addresses", format!("{}; {confirmed}", self.known_addresses)),
            (
                "asks",
                format!(
                    "{} known and {} unknown a question, in random order (seed {}), each followed by {} unknown ones \
                 and {:.1} ms of rest, on connections kept alive ({} opened)",
                    self.pairs, self.pairs, self.seed, self.after, self.rest_ms, self.connections
                ),
            ),
            ("threshold", micros(self.threshold_us)),
            ("positive controls", controls.join("; ")),
        ] {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        let _ =
            writeln!(text, "\n| dialect | question | bytes | answer | next answer | aftermath | verdict |");
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

    fn method(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## How to read this\n\n\
             * **Bytes**: status, names, order and values of headers, and body of every answer, less `date`. A part that is \
             another one in nearly every answer (a reference) is compared by its length. The asked address itself is left \
             out before comparing.\n\
             * **Answer**: the time of the answer. **Next answer**: the time of the ask right after it, which is for \
             an unknown address. **Aftermath**: the time of all {} asks after it together. The latter two show what \
             the server still does for a known address when its answer has left.\n\
             * *Known* less *unknown*, with the 95 % interval of a block bootstrap. **Equivalent** is claimed only where \
             the whole interval lies within ± {} for the median and the 90th percentile. **Different** is a difference of \
             more than 4.5 standard errors that is not within the threshold. Everything else, and fewer than {LEAST} times \
             of one class, is **inconclusive**: measure with more `--pairs`, or in a quieter place.\n\
             * *Could see*: the smallest difference that four in five such runs would have found.\n\
             * **Positive controls**: servers of this program's own that leak must be found out, or nothing counts. In each \
             comparison, the same times with {} added to the known ones must be found different, too.\n\
             * **Limits.** Where the server limits how often one address may be asked for, it does so silently: then \
             most of these asks wrote no job and mailed nobody, and what was measured is the refusal, which costs \
             less and is the same for all. Only a server without limits (`POLYRESET_LIMITS__ENABLED=false`, on a staging copy) \
             shows the work for known addresses. Whether limits were on cannot be seen from outside.\n\
             * The figures hold for the place that was measured from. From farther away less is to be seen.\n",
            self.after,
            micros(self.threshold_us),
            micros(self.planted_us),
        );
    }
}

impl Check {
    fn markdown(&self, text: &mut String, threshold: f64) {
        let Self { dialect, path, what, verdict, .. } = self;
        let _ = writeln!(text, "\n## {dialect}, `{path}`: {what}\n\n{}", verdict.sentence());
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
                "\nBytes of {} answers to known and {} to unknown addresses ({}): {}.{lengths}",
                bytes.known,
                bytes.unknown,
                statuses.join("; "),
                if bytes.differences.is_empty() { "no difference" } else { "they differ" }
            );
            if !bytes.differences.is_empty() {
                let _ = writeln!(text, "\n| part | value | known | unknown | |\n|---|---|---|---|---|");
            }
            for difference in &bytes.differences {
                let value = difference.value.replace('|', "\\|").replace('`', "'");
                let certain = if difference.certain { "certain" } else { "too rare to judge" };
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
            "\n| time, within ± {} | n known, unknown | quantile | known | unknown | difference | 95 % interval | could \
             see | planted | verdict |\n|---|---|---|---|---|---|---|---|---|---|",
            micros(threshold)
        );
        for Timing { what, comparison } in &self.timings {
            let Comparison { known, unknown, planted_found, .. } = comparison;
            let planted = if *planted_found { "found" } else { "MISSED" };
            for one in &comparison.quantiles {
                let _ = writeln!(
                    text,
                    "| {what} | {known}, {unknown} | {:.0} % | {} | {} | {} | {} to {} | {} | {planted} | {} |",
                    one.share * 100.0,
                    micros(one.known_us),
                    micros(one.unknown_us),
                    micros(one.difference_us),
                    micros(one.low_us),
                    micros(one.high_us),
                    micros(one.smallest_us),
                    one.verdict.name()
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

    fn sentence(self) -> &'static str {
        match self {
            Self::Equivalent => {
                "Equivalent: the bytes are the same, and every interval lies within the threshold."
            }
            Self::Declared => {
                "Declared by contract: the answer itself tells whether there is an account, as this dialect's clients \
                 expect; the profile `hardened` closes it."
            }
            Self::Inconclusive => "Inconclusive: neither a difference nor its absence was shown.",
            Self::Different => "Different: a stranger can tell whether an address has an account.",
        }
    }
}

/// In the unit that suits it.
fn micros(time: f64) -> String {
    if time.abs() >= 10_000.0 { format!("{:.1} ms", time / 1000.0) } else { format!("{time:.1} µs") }
}
