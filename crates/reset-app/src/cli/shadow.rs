//! `shadow`: prints how polyreset's responses differ from those of the back end, as shadow mode has counted it.

use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Subcommand;
use reset_core::ports::{FINDINGS_MAX, Finding};
use reset_http::shadow::ComparisonResult;

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum ShadowCommand {
    /// Print the requests compared and the differences found, by route
    Report,
    /// Delete the counts, for example after a setting was changed
    Clear,
}

pub(super) async fn run(settings: Settings, command: ShadowCommand) -> Result<ExitCode> {
    let store = deployment::existing_store(&settings).await?;
    match command {
        ShadowCommand::Report => print(&report(&store.findings().await?)),
        ShadowCommand::Clear => {
            store.clear_findings().await?;
            print("the counts of shadow mode are deleted\n");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats the counts: a block for each route, the most frequent findings first.
fn report(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "no request was compared yet; upstream_mode = \"shadow\" compares the requests for the dialects' operations\n"
            .to_owned();
    }
    let mut routes: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        routes.entry(&finding.route).or_default().push(finding);
    }
    let mut text = String::new();
    for (route, mut findings) in routes {
        let times = |result: ComparisonResult| {
            findings.iter().find(|one| one.finding == result.text()).map_or(0, |one| one.times)
        };
        let (same, different) = (times(ComparisonResult::Same), times(ComparisonResult::Different));
        let counted = [ComparisonResult::Same.text(), ComparisonResult::Different.text()];
        let _ =
            writeln!(text, "{route}\n  {} compared: {same} same, {different} different", same + different);
        findings.retain(|one| !counted.contains(&one.finding.as_str()));
        findings.sort_by_key(|one| std::cmp::Reverse(one.times));
        for Finding { finding, times, .. } in findings {
            let _ = writeln!(text, "  {times:>8}  {finding}");
        }
    }
    if findings.len() >= FINDINGS_MAX {
        let _ = writeln!(text, "only {FINDINGS_MAX} findings are counted; others were dropped");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(route: &str, finding: &str, times: u64) -> Finding {
        Finding { route: route.to_owned(), finding: finding.to_owned(), times }
    }

    #[test]
    fn report_lists_the_findings_of_each_route() {
        let findings = [
            finding("POST /api/auth/forgot-password", "different", 2),
            finding("POST /api/auth/forgot-password", "header x-reset-reference only here", 120),
            finding("POST /api/auth/forgot-password", "same", 118),
            finding("POST /api/auth/forgot-password", "status 400 instead of 200", 2),
            finding("POST /api/auth/reset-password", ComparisonResult::SecretUnknown.text(), 31),
        ];
        let expected = "\
POST /api/auth/forgot-password
  120 compared: 118 same, 2 different
       120  header x-reset-reference only here
         2  status 400 instead of 200
POST /api/auth/reset-password
  0 compared: 0 same, 0 different
        31  not comparable: only the back end knows the secret
";
        assert_eq!(report(&findings), expected);
    }

    #[test]
    fn empty_report_names_the_setting() {
        assert!(report(&[]).contains("upstream_mode"));
    }
}
