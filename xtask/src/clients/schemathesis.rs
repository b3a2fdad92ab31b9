//! Checks the servers against their OpenAPI document with Schemathesis: requests generated from every schema, valid and
//! invalid, get a documented status, media type, headers and body.
//!
//! One check is left out: `positive_data_acceptance` expects success for whatever fits a schema, but a generated code fits
//! and is not the right one.

use anyhow::{Context, ensure};
use conformance::server::TestDeployment;

use super::{Tally, binary, folder, start, target};
use crate::{packages::PythonEnvironment, root};

/// Number of generated requests per operation, besides those for each boundary of its schemas.
const EXAMPLES: &str = "15";

/// Installs Schemathesis, and returns what is missing for that, if anything.
pub(super) fn missing() -> anyhow::Result<Option<String>> {
    environment().install()
}

/// Sends requests to one server, and counts the operations.
pub(super) fn run(front_end: &str) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(binary(front_end), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_DIALECTS", &reset_dialects::names().collect::<Vec<_>>().join(","));
    let server = start(&mut deployment, TestDeployment::start)?;
    let output = environment()
        .python()
        .args(["-m", "schemathesis.cli", "run"])
        .arg(root().join("openapi/openapi.json"))
        .args(["--url", &format!("http://{}", server.address)])
        .args(["--max-examples", EXAMPLES, "--seed", "1", "--phases", "examples,coverage,fuzzing"])
        .args(["--exclude-checks", "positive_data_acceptance", "--warnings", "off", "--no-color"])
        // It stores its examples here.
        .current_dir(folder.path())
        .output()
        .context("starting Schemathesis")?;
    let report = String::from_utf8_lossy(&output.stdout);
    let tally = tally(&report).with_context(|| {
        format!("Schemathesis printed no totals:\n{report}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    if tally.failed > 0 || !output.status.success() {
        println!("{report}");
        ensure!(tally.failed > 0, "Schemathesis exited with {}", output.status);
    }
    Ok(tally)
}

/// Reads how many generated requests passed and failed: `1570 generated, 1568 passed, 2 found 2 unique failures`, under the
/// heading `Test cases:`.
fn tally(report: &str) -> Option<Tally> {
    let line = report.lines().skip_while(|line| line.trim() != "Test cases:").nth(1)?;
    let numbers = |word: &str| {
        let part = line.split(',').find(|part| part.contains(word))?;
        part.split_whitespace().next()?.parse::<u32>().ok()
    };
    let generated = numbers("generated")?;
    let failed = numbers("found").unwrap_or(0);
    // A report without failures says that all passed; anything else is not understood.
    let passed = numbers("passed").or_else(|| generated.checked_sub(failed).filter(|_| failed > 0))?;
    (generated > 0).then_some(Tally { passed, failed })
}

fn environment() -> PythonEnvironment {
    PythonEnvironment::new(
        target().join("clients-schemathesis"),
        folder().join("schemathesis/requirements.txt"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(line: &str) -> Option<(u32, u32)> {
        tally(&format!("Test Phases:\n  Fuzzing\n\nTest cases:\n  {line}\n\nSeed: 1\n"))
            .map(|tally| (tally.passed, tally.failed))
    }

    #[test]
    fn totals_of_a_report_are_read() {
        assert_eq!(counts("1570 generated, 1570 passed"), Some((1570, 0)));
        assert_eq!(counts("458 generated, 12 found 12 unique failures"), Some((446, 12)));
        assert_eq!(
            counts("458 generated, 440 passed, 12 found 12 unique failures, 6 skipped"),
            Some((440, 12))
        );
    }

    #[test]
    fn report_that_is_not_understood_has_no_totals() {
        assert_eq!(counts("0 generated, 0 passed"), None);
        assert_eq!(counts("458 generated, something new"), None);
        assert!(tally("no such heading").is_none());
    }
}
