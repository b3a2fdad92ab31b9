//! The table of requirements in docs/security.md: it lists each requirement once, and every test that it names exists.
//!
//! A row is `| R1 | state | what holds | tests |`. In its last cell, a path in backticks selects a file, and each name in
//! backticks after it is a test in that file.

use super::{File, numbered};

/// The document with the table.
pub(super) const DOCUMENT: &str = "docs/security.md";
/// Number of the last requirement; the first is R1.
const LAST: usize = 78;
/// Allowed states of a requirement.
const STATES: [&str; 4] = ["pass", "deviation", "not applicable", "open"];
/// Files that count as a test: their rules are checked on every build.
const LINTS: [&str; 3] = ["clippy.toml", "deny.toml", "Cargo.toml"];

/// Checks the table against the repository.
pub(super) fn check(files: &[File], faults: &mut Vec<String>) {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        faults.push(format!("{DOCUMENT} does not exist"));
        return;
    };
    let mut rows = vec![0; LAST + 1];
    let is_row = |line: &str| {
        line.strip_prefix("| R").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    for (number, line) in numbered(document).filter(|(_, line)| is_row(line)) {
        let mut fault = |what: String| faults.push(format!("{DOCUMENT}:{number}: {what}"));
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, state, description, tests] = cells.as_slice() else {
            fault(format!("{} cells instead of 4", cells.len()));
            continue;
        };
        match name[1..].parse::<usize>() {
            Ok(requirement @ 1..=LAST) => rows[requirement] += 1,
            _ => fault(format!("{name} is not a requirement")),
        }
        if !STATES.contains(state) {
            fault(format!("{name} has the state {state:?}; expected one of {STATES:?}"));
        }
        if description.is_empty() {
            fault(format!("{name} has no description"));
        }
        match count_tests(files, tests) {
            Ok(0) if *state == "pass" => fault(format!("{name} passes without a test")),
            Ok(_) => {}
            Err(what) => fault(format!("{name}: {what}")),
        }
    }
    let wrong = rows.iter().enumerate().skip(1).filter(|(_, count)| **count != 1);
    faults.extend(wrong.map(|(requirement, count)| format!("{DOCUMENT}: R{requirement} has {count} rows")));
}

/// Counts the tests that the cell names.
///
/// # Errors
/// Returns a sentence if a file or test does not exist.
fn count_tests(files: &[File], cell: &str) -> Result<usize, String> {
    let (mut file, mut count) = (None, 0);
    for quoted in cell.split('`').skip(1).step_by(2) {
        if quoted.contains(['/', '.']) {
            let found = files.iter().find(|file| file.path == quoted);
            file = Some(found.ok_or_else(|| format!("`{quoted}` does not exist"))?);
            count += usize::from(LINTS.contains(&quoted));
            continue;
        }
        let file = file.ok_or_else(|| format!("no file precedes `{quoted}`"))?;
        if !is_test(file, quoted) {
            return Err(format!("{} has no test `{quoted}`", file.path));
        }
        count += 1;
    }
    Ok(count)
}

/// Returns whether `file` has a test of this name: a function with a test attribute, or in certain folders any function,
/// because a macro turns the cases there into tests.
fn is_test(file: &File, name: &str) -> bool {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let declares =
        |line: &&str| line.contains(&format!("fn {name}(")) || line.contains(&format!("fn {name}<"));
    let case_folders =
        ["crates/reset-testkit/src/contract/", "crates/replicas/tests/", "crates/reset-diesel/src/tests/"];
    let is_case = case_folders.iter().any(|folder| file.path.starts_with(folder));
    lines.iter().enumerate().filter(|(_, line)| declares(line)).any(|(index, _)| {
        let attributes = lines[..index].iter().rev().take_while(|line| line.starts_with("#["));
        is_case
            || attributes.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "//! T.\n#[test]\nfn it_holds() {}\n\n/// D.\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn it_waits() {}\n\nfn no_test() {}\n";

    /// Returns the faults of a complete table with `row` in place of R7.
    fn faults(row: &str) -> Vec<String> {
        let mut text =
            String::from("# Security\n\n| Requirement | State | What holds | Tests |\n|---|---|---|---|\n");
        for requirement in 1..=LAST {
            let default = format!("| R{requirement} | pass | It does. | `a/b.rs`: `it_holds`, `it_waits` |");
            text += if requirement == 7 { row } else { &default };
            text.push('\n');
        }
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let case =
            file("crates/reset-testkit/src/contract/x.rs", "//! C.\npub async fn a_case(store: S) {}\n");
        let lint = file("clippy.toml", "");
        let files = [file(DOCUMENT, &text), file("a/b.rs", TESTS), file("a/c.rs", TESTS), case, lint];
        let mut faults = Vec::new();
        check(&files, &mut faults);
        faults
    }

    #[test]
    fn valid_table_has_no_faults() {
        for row in [
            "| R7 | pass | It does. | `a/b.rs`: `it_holds`; `a/c.rs`: `it_waits` |",
            "| R7 | pass | It does. | `crates/reset-testkit/src/contract/x.rs`: `a_case` |",
            "| R7 | pass | A lint. | `clippy.toml` |",
            "| R7 | deviation | The contract's. | |",
            "| R7 | not applicable | There is none. | |",
            "| R7 | open | Later. | `a/b.rs`: `it_holds` |",
        ] {
            assert_eq!(faults(row), [] as [&str; 0], "{row}");
        }
    }

    #[test]
    fn missing_duplicate_and_invented_entries_are_reported() {
        for (row, expected) in [
            ("", "R7 has 0 rows"),
            ("| R8 | pass | It does. | `a/b.rs`: `it_holds` |", "R8 has 2 rows"),
            ("| R79 | pass | It does. | `a/b.rs`: `it_holds` |", "R79 is not a requirement"),
            ("| R7 | passes | It does. | `a/b.rs`: `it_holds` |", "R7 has the state \"passes\""),
            ("| R7 | pass | | `a/b.rs`: `it_holds` |", "R7 has no description"),
            ("| R7 | pass | It does. | |", "R7 passes without a test"),
            ("| R7 | pass | It does. | `a/b.rs` |", "R7 passes without a test"),
            ("| R7 | pass | It does. | `it_holds` |", "no file precedes `it_holds`"),
            ("| R7 | pass | It does. | `a/x.rs`: `it_holds` |", "`a/x.rs` does not exist"),
            ("| R7 | pass | It does. | `a/b.rs`: `it_is_renamed` |", "a/b.rs has no test `it_is_renamed`"),
            ("| R7 | pass | It does. | `a/b.rs`: `no_test` |", "a/b.rs has no test `no_test`"),
            ("| R7 | pass | It does. | `a/b.rs`: `it` |", "a/b.rs has no test `it`"),
            ("| R7 | pass | It does. |", "3 cells instead of 4"),
        ] {
            let faults = faults(row);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{row}: {faults:?}");
        }
    }
}
