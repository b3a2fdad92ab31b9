//! Installs the pinned packages of tests, with npm and with pip.
//!
//! Each function returns a sentence if the packages cannot be installed on this machine, so that the caller skips its
//! tests; every other failure is an error.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, bail, ensure};
use conformance::programs::command;

/// Minimum major version of Node.
const NODE_MIN: u32 = 20;
/// Minimum minor version of Python 3.
const PYTHON_MIN: u32 = 10;
/// Error codes of npm for an unreachable registry.
const NPM_UNREACHABLE: [&str; 10] = [
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENETDOWN",
    "ENOTCACHED",
    "ERR_SOCKET_TIMEOUT",
];
/// Part of pip's warnings when its registry is unreachable.
const PIP_UNREACHABLE: &str = "connection broken by";
/// Part of the error of `python3 -m venv` on Debian without the package `python3-venv`.
const NO_VENV: &str = "ensurepip is not";

/// Returns whether this is a CI run, which must not skip tests.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Returns whether tests are skipped, and prints why.
///
/// # Errors
/// Fails in CI if something is missing.
pub(crate) fn skipped(tests: &str, missing: Option<&str>) -> anyhow::Result<bool> {
    if let Some(reason) = missing {
        ensure!(!in_ci(), "{tests} cannot run, and CI must not skip them: {reason}");
        println!("SKIPPED {tests}: {reason}");
    }
    Ok(missing.is_some())
}

/// Installs the packages that `package-lock.json` in a folder pins.
pub(crate) fn npm(folder: &Path) -> anyhow::Result<Option<String>> {
    for name in ["node", "npm"] {
        match command(name).arg("--version").output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Some(format!("`{name}` is not installed (Node {NODE_MIN} or later is needed)")));
            }
            output => {
                let version = succeeded(&output.with_context(|| format!("starting {name}"))?)?;
                if let Some(major) = version.strip_prefix('v').and_then(|rest| rest.split('.').next())
                    && major.parse::<u32>()? < NODE_MIN
                {
                    return Ok(Some(format!(
                        "Node {} is too old ({NODE_MIN} or later is needed)",
                        version.trim()
                    )));
                }
            }
        }
    }
    // Prefer npm's cache, and retry only briefly: without a network, a longer wait does not help.
    let output = command("npm")
        .args(["ci", "--prefer-offline", "--no-audit", "--no-fund"])
        .args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"])
        .current_dir(folder)
        .output()
        .context("starting npm")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = stderr
        .lines()
        .filter_map(|line| line.split_once(" code "))
        .map(|(_, code)| code.trim())
        .find(|code| NPM_UNREACHABLE.contains(code));
    if let (false, Some(code)) = (output.status.success(), code) {
        return Ok(Some(format!("npm cannot reach its registry ({code})")));
    }
    succeeded(&output).with_context(|| format!("installing the packages of {}", folder.display()))?;
    Ok(None)
}

/// A virtual environment of Python with pinned packages.
pub(crate) struct PythonEnvironment {
    folder: PathBuf,
    requirements: PathBuf,
}

impl PythonEnvironment {
    /// Returns the environment in `folder` with the packages that `requirements` pins.
    pub(crate) fn new(folder: PathBuf, requirements: PathBuf) -> Self {
        Self { folder, requirements }
    }

    /// Returns a command that starts Python with the packages. It writes no compiled files into its folder.
    pub(crate) fn python(&self) -> Command {
        let mut python = command(self.folder.join("bin/python"));
        python.arg("-B");
        python
    }

    /// Installs the packages, unless they already are there.
    pub(crate) fn install(&self) -> anyhow::Result<Option<String>> {
        if let Some(reason) = python_missing()? {
            return Ok(Some(reason));
        }
        let (pinned, installed) = (fs::read(&self.requirements)?, self.folder.join("installed.txt"));
        if fs::read(&installed).is_ok_and(|installed| installed == pinned) {
            return Ok(None);
        }
        let output = command("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&self.folder)
            .output()
            .context("starting python3")?;
        if String::from_utf8_lossy(&output.stdout).contains(NO_VENV) {
            return Ok(Some("Python has no module `venv` (Debian: apt-get install python3-venv)".to_owned()));
        }
        succeeded(&output).context("creating a virtual environment")?;
        let output = self
            .python()
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", "-r"])
            .arg(&self.requirements)
            .output()
            .context("starting pip")?;
        if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains(PIP_UNREACHABLE) {
            return Ok(Some("pip cannot reach its registry".to_owned()));
        }
        succeeded(&output)
            .with_context(|| format!("installing the packages in {}", self.requirements.display()))?;
        fs::write(installed, pinned)?;
        Ok(None)
    }
}

fn python_missing() -> anyhow::Result<Option<String>> {
    let needed = format!("Python 3.{PYTHON_MIN} or later is needed");
    match command("python3").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(Some(format!("`python3` is not installed ({needed})")))
        }
        output => {
            let version = succeeded(&output.context("starting python3")?)?;
            let minor = version.trim().strip_prefix("Python 3.").and_then(|rest| rest.split('.').next());
            let suitable =
                minor.and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= PYTHON_MIN);
            Ok((!suitable).then(|| format!("{} is not suitable ({needed})", version.trim())))
        }
    }
}

/// Returns the standard output of a program.
///
/// # Errors
/// Fails with the entire output if the program failed.
pub(crate) fn succeeded(output: &Output) -> anyhow::Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout.into_owned())
}
