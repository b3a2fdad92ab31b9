//! The lines of `doctor`: `ok`, `WARN` or `FAIL`, the check, and what was found.

use anyhow::Result;

use crate::cli::print;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// It works, but not as most deployments want it.
    Warn,
    /// It does not work.
    Fail,
}

/// Prints the lines and remembers whether all is well. Only a failure fails the command.
pub(super) struct Report {
    print: Box<dyn FnMut(&str)>,
    healthy: bool,
}

impl Default for Report {
    fn default() -> Self {
        Self::to(print)
    }
}

impl Report {
    /// A report whose lines go to `print`.
    pub(super) fn to(print: impl FnMut(&str) + 'static) -> Self {
        Self { print: Box::new(print), healthy: true }
    }

    /// Whether no check failed.
    pub(super) fn healthy(&self) -> bool {
        self.healthy
    }

    /// Reports a check that passed, or failed with the sentence that says what to do.
    pub(super) fn line(&mut self, check: &str, result: Result<String>) {
        match result {
            Ok(state) => self.write(Verdict::Ok, check, &state),
            Err(error) => self.write(Verdict::Fail, check, &format!("{error:#}")),
        }
    }

    /// Reports something that works and deserves a look.
    pub(super) fn warn(&mut self, check: &str, sentence: &str) {
        self.write(Verdict::Warn, check, sentence);
    }

    fn write(&mut self, verdict: Verdict, check: &str, text: &str) {
        self.healthy &= verdict != Verdict::Fail;
        let verdict = match verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        (self.print)(&format!("{verdict}  {check}: {text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_leaves_the_report_healthy_and_a_failure_does_not() {
        let mut report = Report::to(|_| {});
        report.line("settings", Ok("valid".to_owned()));
        report.warn("security", "all users share one rate limit");
        assert!(report.healthy());
        report.line("database", Err(anyhow::anyhow!("unreachable")));
        report.line("mail", Ok("accepted".to_owned()));
        assert!(!report.healthy());
    }
}
