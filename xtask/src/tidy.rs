//! `cargo xtask tidy`: checks the conventions of this repository that the compiler cannot check.
//!
//! Each family of rules is one file of this folder: `layout` (length and first line of a file), `sources` (where the
//! environment, the clock and randomness enter), `secrets` (what may be printed), `manifests` (dependencies), `documents`
//! and `citations` (paths and links that must exist), `words` (banned words), `type_names` (one name, one type) and
//! `requirements` (the table of security requirements).

mod citations;
mod documents;
mod layout;
mod manifests;
mod markdown;
mod prose;
mod requirements;
mod secrets;
mod sources;
mod type_names;
mod words;

use std::{fs, path::Path};

use anyhow::{Context, bail};

use crate::root;

/// A tracked text file.
struct File {
    /// Path from the root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Returns the extension of the path, or `""`.
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let files = tracked()?;
    let mut faults = Vec::new();
    check(&files, &mut faults);
    requirements::check(&files, &mut faults);
    if faults.is_empty() {
        println!("tidy: {} files checked, no faults", files.len());
        return Ok(());
    }
    bail!("{} faults\n  {}", faults.len(), faults.join("\n  "))
}

/// Applies every rule except that of the table of requirements, which needs the whole repository.
fn check(files: &[File], faults: &mut Vec<String>) {
    for file in files {
        match file.extension() {
            "rs" => {
                layout::check(file, faults);
                sources::check(file, faults);
                secrets::check(file, faults);
            }
            "toml" if file.path.ends_with("Cargo.toml") => manifests::check(file, faults),
            _ => {}
        }
        words::check(file, faults);
    }
    documents::check(files, faults);
    citations::check(files, faults);
    type_names::check(files, faults);
}

/// Returns the lines of a file, numbered from 1.
fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(file.text.lines())
}

/// Returns the lines of a Rust file that are outside items with `#[cfg(test)]`.
fn production(file: &File) -> Vec<(usize, &str)> {
    let mut production = Vec::new();
    let mut lines = numbered(file);
    while let Some((number, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            production.push((number, line));
            continue;
        }
        // The item ends on its first line, or with a brace in the column of the attribute (rustfmt's style).
        let closing = line.replace("#[cfg(test)]", "}");
        let mut is_first = true;
        for (_, line) in lines.by_ref().skip_while(|(_, line)| line.trim_start().starts_with("#[")) {
            let is_one_line = is_first && line.ends_with([';', '}']);
            if is_one_line || line.trim_end_matches([';', ',']) == closing {
                break;
            }
            is_first = false;
        }
    }
    production
}

/// Returns the text files that git tracks or would track.
fn tracked() -> anyhow::Result<Vec<File>> {
    #[expect(clippy::disallowed_methods, reason = "git knows which files belong to the project")]
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
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// Returns the faults of one file that is alone in its repository.
#[cfg(test)]
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    check(&[file(path, text)], &mut faults);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidy_file_has_no_faults() {
        let text = "//! A module.\n\npub struct Key(u8);\n\nfn f() {\n    info!(job.id, \"done\");\n}\n";
        assert_eq!(faults("crates/reset-core/src/a.rs", text), [] as [&str; 0]);
    }

    #[test]
    fn each_rule_reports_its_fault() {
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
    fn test_items_are_not_production() {
        let text = "a\n#[cfg(test)]\n#[rustfmt::skip]\nfn t() {\n    x();\n}\nb\n#[cfg(test)]\nmod tests;\nc\n\
                    #[cfg(test)]\nmod more {\n    }\n}\n";
        let lines = file("a.rs", text);
        let lines: Vec<&str> = production(&lines).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["a", "b", "c"]);
    }
}
