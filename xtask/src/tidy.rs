//! `cargo xtask tidy`: the invariants of docs/ARCHITECTURE.md that a compiler cannot check.

mod requirements;

use std::{fs, path::Path};

use anyhow::{Context, bail};

use crate::root;

/// Longest Rust file in lines, tests included.
const LINES_MAX: usize = 400;
/// Crates that must not come near the domain.
const NOT_IN_CORE: [&str; 9] =
    ["http", "serde", "serde_json", "diesel", "lettre", "axum", "actix-web", "warp", "utoipa"];
/// Types that hold a secret: none may be printed or serialised.
const SECRETS: [&str; 7] = ["TicketSecret", "NewPassword", "Key", "Keys", "Seed", "Mail", "MailBody"];
/// Words that must not name a field of a log line or span.
const NOT_IN_LOGS: [&str; 6] = ["email", "address", "password", "secret", "token", "code"];

struct File {
    /// Path from the root, with `/`.
    path: String,
    text: String,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let files = tracked()?;
    let rust: Vec<&File> = files
        .iter()
        .filter(|file| Path::new(&file.path).extension().is_some_and(|kind| kind == "rs"))
        .collect();
    let mut faults = Vec::new();
    for file in &rust {
        shape(file, &mut faults);
        sources(file, &mut faults);
        secrets(file, &mut faults);
    }
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        manifest(file, &mut faults);
    }
    documents(&files, &mut faults);
    requirements::check(&files, &mut faults);
    if faults.is_empty() {
        println!("tidy: {} files, nothing to mend", files.len());
        return Ok(());
    }
    bail!("{} to mend\n  {}", faults.len(), faults.join("\n  "))
}

/// Files open with what they are, and stay short.
fn shape(file: &File, faults: &mut Vec<String>) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{}: {lines} lines, more than {LINES_MAX}", file.path));
    }
    if !file.text.starts_with("//!") && !file.text.starts_with("#![doc") {
        faults.push(format!("{}: does not open with `//!`", file.path));
    }
    for (number, line) in numbered(file) {
        if line.starts_with(' ') && line.trim_start().starts_with("#[cfg(feature") {
            faults.push(format!("{}:{number}: a feature inside an item", file.path));
        }
        if line.trim_start().starts_with("#[ignore") {
            faults.push(format!("{}:{number}: an ignored test", file.path));
        }
    }
}

/// The environment, the clock and chance come in at one place each.
fn sources(file: &File, faults: &mut Vec<String>) {
    // Tests and chores, and the tools of both.
    let test = file.path.contains("/tests/")
        || ["xtask/", "crates/conformance/"].iter().any(|home| file.path.starts_with(home));
    let only = |needle: &str, home: &str| {
        let here = file.path.starts_with(home) || test;
        (!here && production(file).any(|(_, line)| line.contains(needle)))
            .then(|| format!("{}: `{needle}` belongs into {home}", file.path))
    };
    faults.extend(only(concat!("std::", "env::"), "crates/reset-app/src/settings"));
    faults.extend(only(concat!("SystemTime", "::now"), "crates/reset-app/src/system.rs"));
    faults.extend(only(concat!("Sys", "Rng"), "crates/reset-app/src/system.rs"));
    faults.extend(only(concat!("serde", "_json::"), "crates/reset-dialects/src"));
}

/// Secrets cannot be printed, and logs have no field for them (R70).
fn secrets(file: &File, faults: &mut Vec<String>) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        if !SECRETS.contains(&name) {
            continue;
        }
        let attributes = lines[..place].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let leaks = attributes
            .filter(|line| ["Debug", "Display", "Serialize"].iter().any(|word| line.contains(word)));
        faults.extend(leaks.map(|_| format!("{}:{}: {name} can be printed", file.path, place + 1)));
    }
    for (number, line) in statements(file) {
        let logs = ["info!(", "warn!(", "error!(", "debug!(", "trace!(", "span!("]
            .iter()
            .any(|log| line.contains(log));
        let field = |word: &&str| {
            [format!("{word} ="), format!("{word}="), format!("%{word}"), format!("?{word}")]
                .iter()
                .any(|shape| line.contains(shape.as_str()))
        };
        if logs && NOT_IN_LOGS.iter().any(field) {
            faults
                .push(format!("{}:{number}: a log line with a field for a secret or an address", file.path));
        }
    }
}

/// Name of the struct or enum that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = ["pub struct ", "pub(crate) struct ", "struct ", "pub enum ", "enum "]
        .iter()
        .find_map(|start| line.strip_prefix(start))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Dependencies: their reasons, and the arrows between crates.
fn manifest(file: &File, faults: &mut Vec<String>) {
    let mut section = "";
    for (number, line) in numbered(file) {
        if line.starts_with('[') {
            section = line.trim();
            continue;
        }
        let Some((name, _)) = line.split_once([' ', '.', '=']).filter(|_| !line.starts_with(['#', ' ']))
        else {
            continue;
        };
        let ours = line.contains("path = ");
        if section == "[workspace.dependencies]" && !ours && !line.contains('#') {
            faults.push(format!("{}:{number}: {name} is here without a reason", file.path));
        }
        if section == "[dependencies]" {
            if file.path == "crates/reset-core/Cargo.toml" && NOT_IN_CORE.contains(&name) {
                faults.push(format!("{}:{number}: {name} in the domain", file.path));
            }
            if name == "serde_json" && file.path != "crates/reset-dialects/Cargo.toml" {
                faults.push(format!("{}:{number}: JSON outside reset-dialects", file.path));
            }
        }
    }
}

fn is_document(file: &File) -> bool {
    file.path.starts_with("docs/")
        || ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].contains(&file.path.as_str())
}

/// Every path that the documents name exists.
fn documents(files: &[File], faults: &mut Vec<String>) {
    for document in files.iter().filter(|file| is_document(file)) {
        for (number, line) in numbered(document) {
            for quoted in line.split('`').skip(1).step_by(2) {
                let path = quoted.trim_end_matches('/');
                let ours = ["crates/", "docs/", "openapi/", "xtask/", ".ci/"]
                    .iter()
                    .any(|root| quoted.starts_with(root));
                let plain = !path.contains([' ', '*', '<', '{', '|']);
                if ours
                    && plain
                    && !files
                        .iter()
                        .any(|file| file.path == path || file.path.starts_with(&format!("{path}/")))
                {
                    faults.push(format!("{}:{number}: `{quoted}` does not exist", document.path));
                }
            }
        }
    }
}

/// The production lines, a macro call that was broken over several of them joined into one.
fn statements(file: &File) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in production(file) {
        match statements.last_mut().filter(|_| open) {
            Some((_, statement)) => statement.push_str(line.trim()),
            None => statements.push((number, line.to_owned())),
        }
        let depth = |line: &str| line.matches('(').count() > line.matches(')').count();
        open = statements.last().is_some_and(|(_, statement)| statement.contains("!(") && depth(statement));
    }
    statements
}

fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(file.text.lines())
}

/// The lines before the file's tests.
fn production(file: &File) -> impl Iterator<Item = (usize, &str)> {
    numbered(file).take_while(|(_, line)| line.trim() != "#[cfg(test)]")
}

/// The project's text files, without what git does not keep.
fn tracked() -> anyhow::Result<Vec<File>> {
    #[expect(clippy::disallowed_methods, reason = "git knows which files are the project's")]
    let mut git = std::process::Command::new("git");
    let listed = git
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("starting git")?;
    let names = String::from_utf8(listed.stdout).context("file names")?;
    let existing = names.lines().filter(|name| Path::new(&root()).join(name).is_file());
    Ok(existing
        .filter_map(|path| {
            let text = fs::read_to_string(root().join(path)).ok()?;
            Some(File { path: path.to_owned(), text })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rules find in a file of this path and text.
    fn faults(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let mut faults = Vec::new();
        if path.ends_with("toml") {
            manifest(&file, &mut faults);
        } else if path.ends_with("md") {
            documents(&[file], &mut faults);
        } else {
            shape(&file, &mut faults);
            sources(&file, &mut faults);
            secrets(&file, &mut faults);
        }
        faults
    }

    #[test]
    fn a_tidy_file_has_no_faults() {
        let text = "//! What it is.\n\npub struct Key(u8);\n\nfn f() {\n    info!(job.id, \"done\");\n}\n";
        assert_eq!(faults("crates/reset-core/src/a.rs", text), [] as [&str; 0]);
    }

    #[test]
    fn each_rule_finds_what_it_is_for() {
        let with = |body: &str| faults("crates/reset-core/src/a.rs", &format!("//! A.\n{body}\n"));
        assert_eq!(faults("crates/reset-core/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(with(&"\n".repeat(400)).len(), 1);
        assert_eq!(with("fn f() {\n    #[cfg(feature = \"x\")]\n    g();\n}").len(), 1);
        assert_eq!(with(&format!("fn f() {{ {}var(\"X\"); }}", concat!("std::", "env::"))).len(), 1);
        assert_eq!(with(&format!("fn f() {{ {}(); }}", concat!("SystemTime", "::now"))).len(), 1);
        assert_eq!(with("#[derive(Clone, Debug)]\npub struct TicketSecret(String);").len(), 1);
        assert_eq!(with("fn f() {\n    warn!(email = x, \"no\");\n}").len(), 1);
        assert_eq!(with("fn f() {\n    info!(%token, \"no\");\n}").len(), 1);
        assert_eq!(with("fn f() {\n    info!(\n        job.id,\n        email = x,\n    );\n}").len(), 1);
    }

    #[test]
    fn manifests_give_reasons_and_keep_the_arrows() {
        let workspace = "[workspace.dependencies]\na = \"1\"\nb = \"1\" # because\n";
        assert_eq!(faults("Cargo.toml", workspace).len(), 1);
        assert_eq!(
            faults("crates/reset-core/Cargo.toml", "[dependencies]\nhttp.workspace = true\n").len(),
            1
        );
        assert_eq!(
            faults("crates/reset-app/Cargo.toml", "[dependencies]\nserde_json.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn documents_name_what_exists() {
        assert_eq!(faults("docs/A.md", "see `crates/nothing/src` and `docs/A.md`, not `a b`\n").len(), 1);
    }
}
