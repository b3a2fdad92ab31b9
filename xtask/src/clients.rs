//! `cargo xtask clients`: runs real API clients against each of the three servers.
//!
//! The clients are InsForge's own SDK, and clients generated from the documents in `openapi/`; Django's libraries are
//! servers, which polyreset is compared with. Schemathesis checks the servers against their document. The suites and their
//! pinned packages are in `clients/`; this command builds and starts the servers, and counts the results.

mod django;
mod schemathesis;

use std::{
    ffi::OsStr,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use conformance::server::{Server, TestDeployment};

use crate::{
    packages::{self, skipped, succeeded},
    root,
};

/// The three servers; package and binary have the same name.
pub(crate) const FRONT_ENDS: [&str; 3] = ["server-axum", "server-actix", "server-warp"];
/// Initial password of every account.
pub(crate) const OLD: &str = "a password to begin with";
/// New password of every account: `PASSWORD` of `clients/deployment.mjs`.
pub(crate) const NEW: &str = "A-new-passw0rd";

/// A deployment of a server, and the suites to run against it.
struct Run {
    /// Settings in addition to the common ones.
    settings: &'static [(&'static str, &'static str)],
    /// Accounts that the suites reset.
    accounts: &'static [&'static str],
    /// Files in `clients/`.
    suites: &'static [&'static str],
}

/// Two deployments, because one deployment sends either codes or links.
const RUNS: [Run; 2] = [
    Run {
        settings: &[("POLYRESET_INSFORGE__METHOD", "code")],
        accounts: &[
            "px0@example.com",
            "worthai@example.com",
            "strapi-v3@example.com",
            "strapi-v4@example.com",
            "insforge@example.com",
        ],
        suites: &["px0.test.mjs", "worthai.test.mjs", "strapi.test.mjs", "insforge-code.test.mjs"],
    },
    Run {
        settings: &[
            ("POLYRESET_INSFORGE__METHOD", "link"),
            ("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/reset-password"),
        ],
        accounts: &["insforge@example.com"],
        suites: &["insforge-link.test.mjs"],
    },
];

/// Numbers of passed and failed tests.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    passed: u32,
    pub(crate) failed: u32,
}

impl Tally {
    pub(crate) fn count(&mut self, passed: bool) {
        *if passed { &mut self.passed } else { &mut self.failed } += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let with_node = !skipped("the tests with JavaScript clients", missing()?.as_deref())?;
    let with_python = !skipped("the tests with Django", django::missing()?.as_deref())?;
    let with_schemathesis = !skipped("the tests with Schemathesis", schemathesis::missing()?.as_deref())?;
    if with_node {
        // Generated on every run, so that the clients match the current documents.
        script("generate").context("generating clients from openapi/")?;
        script("check").context("the suites have type errors")?;
        script("lint").context("Redocly or Spectral reports problems in openapi/")?;
    }
    let reference = with_python.then(django::reference).transpose()?;
    if let Some(reference) = &reference {
        skipped("the test with Django's users table", reference.without_postgres())?;
    }
    build()?;

    let mut all = Tally::default();
    for front_end in FRONT_ENDS {
        if with_node {
            all.add(timed(front_end, "JavaScript clients", || run_suites(front_end))?);
        }
        if let Some(reference) = &reference {
            all.add(timed(front_end, "Django", || reference.run(front_end))?);
        }
        if with_schemathesis {
            all.add(timed(front_end, "Schemathesis", || schemathesis::run(front_end))?);
        }
    }
    println!("{all}");
    ensure!(all.failed == 0, "client tests failed");
    Ok(())
}

/// Runs tests on one server and prints the results and the time.
fn timed(front_end: &str, tests: &str, run: impl FnOnce() -> anyhow::Result<Tally>) -> anyhow::Result<Tally> {
    let begun = Instant::now();
    let tally = run().with_context(|| front_end.to_owned())?;
    println!("{front_end}, {tests}: {tally} ({:.1} s)", begun.elapsed().as_secs_f64());
    Ok(tally)
}

/// Installs the packages of the suites, and returns what is missing for that, if anything.
pub(crate) fn missing() -> anyhow::Result<Option<String>> {
    packages::npm(&folder())
}

/// Builds the three servers.
pub(crate) fn build() -> anyhow::Result<()> {
    let packages = FRONT_ENDS.iter().flat_map(|package| ["-p", package]);
    let status = program("cargo")
        .args(["build", "--quiet", "--locked"])
        .args(packages)
        .current_dir(root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the build of the servers failed");
    Ok(())
}

/// Returns the path of a binary of the dev profile.
pub(crate) fn binary(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// Returns the folder of everything that is built.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target)
}

/// Runs every suite against one server.
fn run_suites(front_end: &str) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for run in &RUNS {
        let folder = tempfile::tempdir()?;
        let mut deployment = TestDeployment::new(binary(front_end), folder.path());
        deployment.set("POLYRESET_LIMITS__ENABLED", "false");
        for (name, value) in run.settings {
            deployment.set(name, value);
        }
        for account in run.accounts {
            deployment.add_user(account, OLD)?;
        }
        let server = start(&mut deployment, TestDeployment::start)?;
        let base = format!("http://{}", server.address);
        tally.add(suites(run.suites, &base, &deployment.mails(), &[])?);
        // The clients got a success response; check that the new password is stored.
        for account in run.accounts {
            let stored = deployment.accepts(account, NEW)?;
            if !stored {
                println!("{front_end}: {account} does not have its new password");
            }
            tally.count(stored);
        }
    }
    Ok(tally)
}

/// Starts a deployment whose links point to itself, so the port must be known before it listens. If another process
/// takes the port in between, another port is tried.
pub(crate) fn start(
    deployment: &mut TestDeployment,
    by: impl Fn(&TestDeployment) -> anyhow::Result<Server>,
) -> anyhow::Result<Server> {
    let mut last_error = None;
    for _ in 0..3 {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        deployment.set("POLYRESET_LISTEN", &address.to_string());
        deployment.set("POLYRESET_PUBLIC_URL", &format!("http://{address}"));
        match by(deployment) {
            Ok(server) => return Ok(server),
            Err(error) => last_error = Some(error),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(last_error.expect("three attempts failed"))
}

/// Runs suites with Node's test runner and additional environment `variables`. Prints the output if a test fails.
pub(crate) fn suites(
    files: &[&str],
    base: &str,
    mails: &Path,
    variables: &[(&str, &OsStr)],
) -> anyhow::Result<Tally> {
    let output = program("node")
        .args(["--test", "--test-reporter=tap"])
        .args(files)
        .current_dir(folder())
        .env("CLIENTS_BASE_URL", base)
        .env("CLIENTS_MAILS", mails)
        .envs(variables.iter().copied())
        .output()
        .context("starting node")?;
    let report = String::from_utf8_lossy(&output.stdout);
    let total = |name: &str| -> anyhow::Result<u32> {
        let line = report
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("node printed no total of `{name}`:\n{report}"))?.trim().parse()?)
    };
    // Cancelled and skipped tests count as failed: no suite skips tests.
    let passed = total("pass")?;
    let tally = Tally { passed, failed: total("tests")?.saturating_sub(passed) };
    if tally.failed > 0 || !output.status.success() {
        println!("{report}{}", String::from_utf8_lossy(&output.stderr));
        ensure!(tally.failed > 0, "node exited with {}", output.status);
    }
    ensure!(passed > 0 || tally.failed > 0, "node found no test in {files:?}");
    Ok(tally)
}

/// Returns the folder of the suites.
pub(crate) fn folder() -> PathBuf {
    root().join("clients")
}

/// Runs npm in the folder of the suites.
fn npm(args: &[&str]) -> anyhow::Result<Output> {
    program("npm").args(args).current_dir(folder()).output().context("starting npm")
}

/// Runs a script of `clients/package.json`.
pub(crate) fn script(name: &str) -> anyhow::Result<String> {
    succeeded(&npm(&["run", "--silent", name])?)
}

fn program(name: impl AsRef<OsStr>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "starting other programs is what this command is for")]
    Command::new(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_a_suite_and_an_account() {
        for name in reset_dialects::names() {
            // `clients/django/` holds scripts instead of a suite, and `clients::django` runs them.
            if folder().join(name).join("requirements.txt").is_file() {
                continue;
            }
            let has_suite = RUNS.iter().flat_map(|run| run.suites).any(|suite| suite.starts_with(name));
            assert!(
                has_suite,
                "{name} has no client tests: add clients/{name}.test.mjs, and list it in `RUNS`"
            );
            let has_account =
                RUNS.iter().flat_map(|run| run.accounts).any(|account| account.starts_with(name));
            assert!(has_account, "{name} has no account for its client tests: list one in `RUNS`");
        }
        for suite in RUNS.iter().flat_map(|run| run.suites) {
            assert!(folder().join(suite).is_file(), "clients/{suite} does not exist");
        }
    }
}
