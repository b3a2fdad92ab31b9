//! Reads the directory of custom templates (`mail.templates`).
//!
//! A file is named `[<dialect>/]<kind>[.<locale>].<subject|txt|html>.j2`, or `layout.html.j2`, the frame of the HTML
//! parts. Any other name is a fault, because it is most likely a typing error. Names that begin with a dot are ignored,
//! because Kubernetes and editors create such files.

use std::{fs, io, path::Path};

use super::BadTemplate;
use crate::mail_kind::{MailKind, Part};

/// Largest template in bytes. Some mail programs already truncate a mail of 100 KiB.
const SIZE_MAX: u64 = 256 * 1024;

/// File name of the layout.
pub(super) const LAYOUT: &str = "layout.html.j2";

/// A custom template.
pub(super) struct TemplateFile {
    /// Path below the directory, with `/`.
    pub(super) file: String,
    pub(super) role: Role,
    pub(super) source: String,
}

/// Purpose of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The frame of the HTML parts.
    Layout,
    /// One part of one kind of mail.
    Part(Slot),
}

/// The mails that a template applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// One dialect, or all if `None`.
    pub(super) dialect: Option<String>,
    pub(super) kind: MailKind,
    /// One locale, spelled as in the file name but with hyphens for underscores, or all if `None`.
    pub(super) locale: Option<String>,
    pub(super) part: Part,
}

/// Reads the whole directory, and returns a fault for each invalid file.
pub(super) fn read(dir: &Path, dialects: &[&str]) -> (Vec<TemplateFile>, Vec<BadTemplate>) {
    let (mut templates, mut faults) = (Vec::new(), Vec::new());
    match names_in(dir) {
        Err(error) => faults.push(unreadable(&dir.display().to_string(), &error)),
        Ok(names) => {
            for name in names {
                let path = dir.join(&name);
                if !path.is_dir() {
                    add(&path, &name, None, &mut templates, &mut faults);
                } else if dialects.contains(&name.as_str()) {
                    match names_in(&path) {
                        Ok(files) => files.iter().for_each(|file| {
                            let (path, rel) = (path.join(file), format!("{name}/{file}"));
                            add(&path, &rel, Some(&name), &mut templates, &mut faults);
                        }),
                        Err(error) => faults.push(unreadable(&name, &error)),
                    }
                } else {
                    let what = format!("unknown dialect; expected one of {}", dialects.join(", "));
                    faults.push(BadTemplate::new(&name, what));
                }
            }
        }
    }
    (templates, faults)
}

/// Returns the sorted names in a directory, without those that begin with a dot.
fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn add(
    path: &Path,
    file: &str,
    dialect: Option<&str>,
    templates: &mut Vec<TemplateFile>,
    faults: &mut Vec<BadTemplate>,
) {
    let outcome = role(file, dialect).map_err(|what| BadTemplate::new(file, what)).and_then(|role| {
        let duplicate = templates.iter().find(|other| other.role.is_same(&role));
        if let Some(other) = duplicate {
            return Err(BadTemplate::new(file, format!("same purpose as {}", other.file)));
        }
        Ok(TemplateFile { file: file.to_owned(), role, source: source(path, file)? })
    });
    match outcome {
        Ok(template) => templates.push(template),
        Err(fault) => faults.push(fault),
    }
}

fn source(path: &Path, file: &str) -> Result<String, BadTemplate> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(file, &error))?;
    if !metadata.is_file() {
        return Err(BadTemplate::new(file, "not a file"));
    }
    let size = metadata.len();
    if size > SIZE_MAX {
        return Err(BadTemplate::new(file, format!("{size} bytes, over the limit of {SIZE_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &str, error: &io::Error) -> BadTemplate {
    BadTemplate::new(file, format!("unreadable ({})", error.kind()))
}

/// Parses the role of a file from its name.
fn role(file: &str, dialect: Option<&str>) -> Result<Role, String> {
    if file == LAYOUT {
        return Ok(Role::Layout);
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    let bad_name = || {
        "unexpected file name; expected <kind>[.<locale>].<subject|txt|html>.j2, or layout.html.j2 at the top level"
            .to_owned()
    };
    let segments: Vec<&str> = name.split('.').collect();
    let (kind, locale, part) = match segments[..] {
        [kind, part, "j2"] => (kind, None, part),
        [kind, locale, part, "j2"] => (kind, Some(locale), part),
        _ => return Err(bad_name()),
    };
    let part = Part::ALL.into_iter().find(|known| known.name() == part).ok_or_else(bad_name)?;
    let kind = MailKind::of(kind).ok_or_else(|| {
        format!(
            "unknown mail kind {kind:?}; expected one of {}",
            MailKind::ALL.map(MailKind::name).join(", ")
        )
    })?;
    if let Some(locale) = locale.filter(|locale| super::prefixes(locale).is_empty()) {
        return Err(format!("{locale:?} is not a language tag such as de or pt-BR"));
    }
    Ok(Role::Part(Slot {
        dialect: dialect.map(ToOwned::to_owned),
        kind,
        locale: locale.map(|locale| locale.replace('_', "-")),
        part,
    }))
}

impl Role {
    /// Returns whether both roles are the same. Tags are compared without regard to case.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Layout, Self::Layout) => true,
            (Self::Part(slot), Self::Part(other)) => {
                let tag = |slot: &Slot| slot.locale.as_deref().map(super::normalized);
                (&slot.dialect, slot.kind, slot.part, tag(slot))
                    == (&other.dialect, other.kind, other.part, tag(other))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_determines_the_role() {
        let slot = |dialect: Option<&str>, locale: Option<&str>, kind, part| {
            let (dialect, locale) = (dialect.map(ToOwned::to_owned), locale.map(ToOwned::to_owned));
            Ok(Role::Part(Slot { dialect, kind, locale, part }))
        };
        assert_eq!(role("layout.html.j2", None), Ok(Role::Layout));
        assert_eq!(role("reset-code.txt.j2", None), slot(None, None, MailKind::ResetCode, Part::Text));
        assert_eq!(
            role("px0/reset-link.pt_BR.html.j2", Some("px0")),
            slot(Some("px0"), Some("pt-BR"), MailKind::ResetLink, Part::Html)
        );
        for bad_name in [
            "reset-code.txt",
            "reset-code.j2",
            "reset_code.txt.j2",
            "reset-code.text.j2",
            "reset-code.de.at.txt.j2",
            "reset-code..txt.j2",
            "reset-code.de~.txt.j2",
            "reset-code.txt.j2~",
            "layout.j2",
            "README.md",
            "",
        ] {
            assert!(role(bad_name, None).is_err(), "{bad_name}");
        }
        assert!(role("px0/layout.html.j2", Some("px0")).is_err());
    }
}
