//! `cargo xtask new-dialect NAME`: makes the folder of a dialect from the template `xtask/dialect-template`, and registers
//! it.
//!
//! The template is a complete dialect named `acme` that this workspace compiles, so it cannot become outdated.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

use crate::root;

/// Name of the template's dialect.
const TEMPLATE: &str = "acme";

/// Names that a dialect cannot have: other sections of the settings, and what is served as a dialect internally.
const RESERVED: [&str; 13] = [
    "admin", "audit", "database", "demo", "limits", "mail", "notify", "openapi", "pages", "password",
    "server", "service", "users",
];

const NEXT: &str = "\
It is registered and compiles, and it is off by default. Next:
  1. Replace what differs from your API: client.rs and error.rs first, then the endpoints and the cases
  2. cargo test -p reset-dialects                  the attack suites, which now drive it
     cargo test -p conformance --test front_ends   its cases, on all three servers
  3. Write its section in docs/dialects.md, then run
     cargo xtask openapi; cargo xtask dialects; UPDATE_DOCS=1 cargo test -p reset-app
  4. cargo xtask tidy
docs/ARCHITECTURE.md#how-to-add-a-dialect explains each step.";

pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    ensure!(plain, "a dialect's name has lowercase letters and digits, such as `keycloak`");
    let folder = root().join("crates/dialects").join(name);
    if folder.exists() {
        bail!("crates/dialects/{name} exists");
    }
    ensure!(name != TEMPLATE, "{TEMPLATE} is the name of the template");
    ensure!(!RESERVED.contains(&name), "{name} is a section of the settings or a part of the service");
    let template = root().join("xtask/dialect-template");
    for file in files(&template)? {
        let relative = file.strip_prefix(&template).expect("the file is in the template").to_string_lossy();
        let target = folder.join(renamed(&relative, name));
        fs::create_dir_all(target.parent().expect("a file has a folder"))?;
        fs::write(target, renamed(&fs::read_to_string(&file)?, name))?;
    }
    edit("Cargo.toml", |text| {
        with_line(text, "dialect-", &format!("dialect-{name} = {{ path = \"crates/dialects/{name}\" }}"))
    })?;
    edit("crates/reset-dialects/Cargo.toml", |text| {
        with_line(text, "dialect-", &format!("dialect-{name}.workspace = true"))
    })?;
    edit("crates/reset-dialects/src/lib.rs", |text| with_module(text, name))?;
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let status = cargo
        .args(["fmt", "-p", "reset-dialects"])
        .args(["-p", &format!("dialect-{name}")])
        .current_dir(root())
        .status();
    ensure!(status.context("starting cargo")?.success(), "cargo fmt failed");
    println!("crates/dialects/{name} is a dialect with a mailed link.\n{NEXT}");
    Ok(())
}

/// Returns every file below `folder`.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Returns `text` with the template's name replaced, in lower case and as the beginning of a type's name.
fn renamed(text: &str, name: &str) -> String {
    let (first, rest) = name.split_at(1);
    text.replace("acme", name).replace("Acme", &(first.to_uppercase() + rest))
}

/// Applies `change` to a file of the workspace.
fn edit(path: &str, change: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let file = root().join(path);
    let text = fs::read_to_string(&file).with_context(|| path.to_owned())?;
    let changed =
        change(&text).with_context(|| format!("{path} has no list of dialects to add a line to"))?;
    fs::write(file, changed).with_context(|| path.to_owned())
}

/// Returns `text` with `line` after the last line that begins with `prefix`.
fn with_line(text: &str, prefix: &str, line: &str) -> Option<String> {
    let last = text.lines().enumerate().filter(|(_, line)| line.starts_with(prefix)).last()?.0;
    let lines = text.lines().enumerate();
    Some(
        lines
            .map(|(at, old)| if at == last { format!("{old}\n{line}\n") } else { format!("{old}\n") })
            .collect(),
    )
}

/// Returns the source of the registry with the module of the dialect `name` at the end of the list.
fn with_module(text: &str, name: &str) -> Option<String> {
    let start = text.find("pub const MODULES")?;
    let end = start + text[start..].find("];")?;
    let list = text[..end].trim_end().trim_end_matches(',');
    Some(format!("{list}, dialect_{name}::MODULE{}", &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_dialect_is_registered_after_the_others() {
        let registry =
            "/// All.\npub const MODULES: &[DialectModule] = &[\n    dialect_px0::MODULE,\n];\nfn f() {}\n";
        assert_eq!(
            with_module(registry, "foo").unwrap(),
            "/// All.\npub const MODULES: &[DialectModule] = &[\n    dialect_px0::MODULE, dialect_foo::MODULE];\nfn f() {}\n"
        );
        let manifest = "[dependencies]\nanyhow = 1\ndialect-px0 = 1\nzip = 1\n";
        assert_eq!(
            with_line(manifest, "dialect-", "dialect-foo = 1").unwrap(),
            "[dependencies]\nanyhow = 1\ndialect-px0 = 1\ndialect-foo = 1\nzip = 1\n"
        );
        assert_eq!(with_line("[dependencies]\n", "dialect-", "x"), None);
    }

    #[test]
    fn reserved_name_is_rejected_before_anything_is_written() {
        for name in ["acme", "pages", "limits", "px0", "Acme", "", "a-b"] {
            assert!(run(name).is_err(), "{name}");
        }
        assert!(!root().join("crates/dialects/pages").exists());
    }

    #[test]
    fn template_has_every_part_of_a_dialect_and_no_other_name() {
        let template = root().join("xtask/dialect-template");
        let names: Vec<String> = files(&template)
            .unwrap()
            .iter()
            .map(|file| file.strip_prefix(&template).unwrap().to_string_lossy().into_owned())
            .collect();
        for part in [
            "Cargo.toml",
            "src/lib.rs",
            "src/client.rs",
            "src/settings.rs",
            "src/error.rs",
            "cases/acme.http",
        ] {
            assert!(names.iter().any(|name| name == part), "the template has no {part}");
        }
        assert_eq!(renamed("acme's AcmeError", "foo"), "foo's FooError");
    }
}
