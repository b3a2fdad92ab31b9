//! `cargo xtask test`: runs every test of the workspace, including doc tests, on temporary database servers.
//!
//! It goes on after a failure and ends with one line: the numbers of passed, failed and skipped tests.

use std::{
    io::{BufRead, BufReader, Read, Write, stderr, stdout},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, ensure};

use crate::{root, servers::Servers};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    // The servers stop when this function returns, even if tests fail.
    let servers = Servers::start();
    let mut summary = Summary { skipped: servers.missing.len(), ..Summary::default() };
    let mut cargo = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).envs(servers.variables.iter().map(|(name, url)| (name, url)));
        summary.add(cargo.current_dir(root()))
    };
    let (of_cargo, of_tests) = args.split_at(args.iter().position(|arg| *arg == "--").unwrap_or(args.len()));
    let test = |selection: &[&'static str]| {
        let mut arguments = vec!["test", "--locked", "--no-fail-fast"];
        arguments.extend(selection);
        [&arguments, of_cargo, of_tests].concat()
    };
    if of_cargo.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package")) {
        cargo(&test(&[]))?;
    } else {
        // The replica tests start all three servers, which cargo does not build for them.
        cargo(&["build", "--locked", "--workspace", "--bins"])?;
        cargo(&test(&["--workspace"]))?;
        // The black-box tests of the default server, which a plain `cargo test` leaves out.
        cargo(&test(&["-p", "server-axum", "--test", "binary"]))?;
    }
    summary.print()
}

/// The results of the test programs that ran.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
    /// Runs of cargo that failed without a failed test, such as a build that did not succeed.
    broken: usize,
}

impl Summary {
    /// Runs cargo, copies its output to the terminal, and counts the results in it.
    fn add(&mut self, cargo: &mut Command) -> anyhow::Result<()> {
        let mut child =
            cargo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting cargo")?;
        let (out, err) =
            (child.stdout.take().context("no output")?, child.stderr.take().context("no output")?);
        let messages = thread::spawn(move || copy(err, &mut stderr()));
        let results = copy(out, &mut stdout());
        let messages = messages.join().expect("copying does not panic");
        let before = self.failed.len();
        results.iter().chain(&messages).for_each(|line| self.read(line));
        if !child.wait()?.success() && self.failed.len() == before {
            self.broken += 1;
        }
        Ok(())
    }

    /// Reads one line of the output of cargo and the test programs.
    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed");
            self.skipped += number_before(rest, " ignored");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|test| test.strip_suffix(" ... FAILED"))
        {
            self.failed.push(name.to_owned());
        } else if line.starts_with("SKIPPED") {
            self.skipped += 1;
        }
    }

    /// Prints the failed tests and one line with the totals.
    fn print(self) -> anyhow::Result<()> {
        let Self { passed, failed, skipped, broken } = self;
        for name in &failed {
            println!("failed: {name}");
        }
        let incomplete = if broken > 0 { ", and not every test was built or run" } else { "" };
        println!("{passed} passed, {} failed, {skipped} skipped{incomplete}", failed.len());
        ensure!(failed.is_empty() && broken == 0, "tests failed");
        Ok(())
    }
}

/// Copies lines to `terminal` and returns them.
fn copy(from: impl Read, terminal: &mut impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A closed terminal does not stop the tests.
        let _ = terminal.write_all(&line).and_then(|()| terminal.flush());
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

/// Returns the number in front of `unit`, as in `12 passed`.
fn number_before(text: &str, unit: &str) -> usize {
    let number = text.split(unit).next().and_then(|before| before.rsplit(' ').next());
    number.filter(|_| text.contains(unit)).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_counts_passed_failed_and_skipped_tests_of_every_program() {
        let mut summary = Summary::default();
        for line in [
            "test token::tests::one ... ok",
            "test races::two ... FAILED",
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.02s",
            "SKIPPED: the PgBouncer test, because pgbouncer is not installed",
        ] {
            summary.read(line);
        }
        let failed = vec!["races::two".to_owned()];
        assert_eq!(summary, Summary { passed: 42, failed, skipped: 3, broken: 0 });
    }
}
