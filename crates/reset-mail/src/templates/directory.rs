//! The deployment's directory of templates: which files there are, and what each is for.
//!
//! `[<dialect>/]<kind>[.<locale>].<subject|txt|html>.j2`, and `layout.html.j2`, the frame of our own pages. Whatever
//! else lies there is a fault, for it is most likely a slip of the pen; only names that begin with a dot are passed
//! over, because Kubernetes and editors leave such.

use std::{fs, io, path::Path};

use super::BadTemplate;
use crate::mail_kind::{MailKind, Part};

/// Largest template in bytes. A mail of 100 KiB is cut off by some readers already.
const SIZE_MAX: u64 = 256 * 1024;

/// File of the layout.
pub(super) const LAYOUT: &str = "layout.html.j2";

/// A template of the deployment's.
pub(super) struct Own {
    /// Path below the directory, with `/`.
    pub(super) file: String,
    pub(super) role: Role,
    pub(super) source: String,
}

/// What a template is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The frame of our own pages.
    Layout,
    /// One part of one kind of mail.
    Part(Slot),
}

/// Which mails a template is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// One dialect, or all.
    pub(super) dialect: Option<String>,
    pub(super) kind: MailKind,
    /// One locale, as it is written in the name but for underscores, or all.
    pub(super) locale: Option<String>,
    pub(super) part: Part,
}

/// Reads the whole directory; what cannot be used is a fault each.
pub(super) fn read(dir: &Path, dialects: &[&str]) -> (Vec<Own>, Vec<BadTemplate>) {
    let (mut own, mut faults) = (Vec::new(), Vec::new());
    match names_in(dir) {
        Err(error) => faults.push(unreadable(&dir.display().to_string(), &error)),
        Ok(names) => {
            for name in names {
                let path = dir.join(&name);
                if !path.is_dir() {
                    add(&path, &name, None, &mut own, &mut faults);
                } else if dialects.contains(&name.as_str()) {
                    match names_in(&path) {
                        Ok(files) => files.iter().for_each(|file| {
                            let (path, rel) = (path.join(file), format!("{name}/{file}"));
                            add(&path, &rel, Some(&name), &mut own, &mut faults);
                        }),
                        Err(error) => faults.push(unreadable(&name, &error)),
                    }
                } else {
                    let what = format!("this is no dialect; there are {}", dialects.join(", "));
                    faults.push(BadTemplate::new(&name, what));
                }
            }
        }
    }
    (own, faults)
}

/// What lies in a directory, in order, less what begins with a dot.
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

fn add(path: &Path, file: &str, dialect: Option<&str>, own: &mut Vec<Own>, faults: &mut Vec<BadTemplate>) {
    let found = role(file, dialect).map_err(|what| BadTemplate::new(file, what)).and_then(|role| {
        let twice = own.iter().find(|other| other.role.is_same(&role));
        if let Some(other) = twice {
            return Err(BadTemplate::new(file, format!("{} is for the same", other.file)));
        }
        Ok(Own { file: file.to_owned(), role, source: source(path, file)? })
    });
    match found {
        Ok(found) => own.push(found),
        Err(fault) => faults.push(fault),
    }
}

fn source(path: &Path, file: &str) -> Result<String, BadTemplate> {
    let found = fs::metadata(path).map_err(|error| unreadable(file, &error))?;
    if !found.is_file() {
        return Err(BadTemplate::new(file, "it is no file"));
    }
    let size = found.len();
    if size > SIZE_MAX {
        return Err(BadTemplate::new(file, format!("it has {size} bytes, more than {SIZE_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &str, error: &io::Error) -> BadTemplate {
    BadTemplate::new(file, format!("it cannot be read ({})", error.kind()))
}

/// What a file is for, by its name.
fn role(file: &str, dialect: Option<&str>) -> Result<Role, String> {
    if file == LAYOUT {
        return Ok(Role::Layout);
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    let shape = || {
        "its name is not <kind>[.<locale>].<subject|txt|html>.j2, nor layout.html.j2 at the top".to_owned()
    };
    let words: Vec<&str> = name.split('.').collect();
    let (kind, locale, part) = match words[..] {
        [kind, part, "j2"] => (kind, None, part),
        [kind, locale, part, "j2"] => (kind, Some(locale), part),
        _ => return Err(shape()),
    };
    let part = Part::ALL.into_iter().find(|known| known.name() == part).ok_or_else(shape)?;
    let kind = MailKind::of(kind).ok_or_else(|| {
        format!("{kind:?} is no kind of mail; there are {}", MailKind::ALL.map(MailKind::name).join(", "))
    })?;
    if let Some(locale) = locale.filter(|locale| super::prefixes(locale).is_empty()) {
        return Err(format!("{locale:?} is no language tag such as de or pt-BR"));
    }
    Ok(Role::Part(Slot {
        dialect: dialect.map(ToOwned::to_owned),
        kind,
        locale: locale.map(|locale| locale.replace('_', "-")),
        part,
    }))
}

impl Role {
    /// Whether the other is for the same: tags are the same whatever their capitals.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Layout, Self::Layout) => true,
            (Self::Part(slot), Self::Part(other)) => {
                let tag = |slot: &Slot| slot.locale.as_deref().map(super::normal);
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
    fn a_name_says_what_a_template_is_for() {
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
        for slip in [
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
            assert!(role(slip, None).is_err(), "{slip}");
        }
        assert!(role("px0/layout.html.j2", Some("px0")).is_err());
    }
}
