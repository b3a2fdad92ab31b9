//! The table of settings: every key once, with its default and its meaning.
//!
//! Everything that knows keys walks this table: the three sources, `config show`, `config schema`, and the
//! table in docs/settings.md, which a test keeps true. Defaults are written as an operator would write
//! them and take the same way in, so a documented default cannot differ from the running one (R44).
//!
//! # How to add a setting
//! One line in `list.rs`, and one line in the section's file that reads it.

mod list;

pub(crate) use self::list::KEYS;

/// One setting.
pub(crate) struct SettingKey {
    /// Name in the file: `key` or `section.key`.
    pub(crate) name: &'static str,
    /// What may be written.
    pub(crate) kind: ValueKind,
    /// What holds when nobody says anything.
    pub(crate) default: Preset,
    /// What holds instead in profile `hardened`.
    pub(crate) hardened: Option<&'static str>,
    /// What holds instead where `users.preset` names another system's table.
    pub(crate) adopted: Option<&'static str>,
    /// Who may see the value.
    pub(crate) secrecy: Secrecy,
    /// What it decides, in Markdown.
    pub(crate) meaning: &'static str,
}

/// What may be written as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// `500ms`, `30s`, `15m`, `1h`, `1d`.
    Duration,
    /// Bytes, or a number with `KiB` or `MiB`.
    Size,
    /// An array in the file; comma-separated elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What holds when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This text.
    Value(&'static str),
    /// Something that is found out at start; in words.
    Found(&'static str),
}

/// Who may see a value. Anything but [`Secrecy::Open`] may be kept in a file named by `<key>_file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Everybody.
    Open,
    /// A URL whose user and password are nobody's business.
    Userinfo,
    /// Nobody.
    Secret,
}

impl SettingKey {
    const fn new(name: &'static str, kind: ValueKind, default: &'static str, meaning: &'static str) -> Self {
        let default = Preset::Value(default);
        Self { name, kind, default, hardened: None, adopted: None, secrecy: Secrecy::Open, meaning }
    }

    const fn found(name: &'static str, how: &'static str, meaning: &'static str) -> Self {
        let default = Preset::Found(how);
        Self {
            name,
            kind: ValueKind::Text,
            default,
            hardened: None,
            adopted: None,
            secrecy: Secrecy::Open,
            meaning,
        }
    }

    const fn choice(self, words: &'static [&'static str]) -> Self {
        Self { kind: ValueKind::Choice(words), ..self }
    }

    const fn list(self) -> Self {
        Self { kind: ValueKind::List, ..self }
    }

    const fn hardened(self, value: &'static str) -> Self {
        Self { hardened: Some(value), ..self }
    }

    const fn adopted(self, value: &'static str) -> Self {
        Self { adopted: Some(value), ..self }
    }

    const fn secrecy(self, secrecy: Secrecy) -> Self {
        Self { secrecy, ..self }
    }
}

/// The environment variable of the key `name`: `POLYRESET_PX0__CODE_TTL` for `px0.code_ttl`.
pub(crate) fn variable(name: &str) -> String {
    format!("POLYRESET_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// What a name means.
pub(crate) enum Named {
    /// A setting.
    Key(&'static SettingKey),
    /// `<key>_file`: the file that holds the setting.
    FileOf(&'static SettingKey),
    /// Nothing that was ever promised.
    Unknown,
}

/// Finds out what `name`, written as in the file, means.
pub(crate) fn named(name: &str) -> Named {
    let find = |name: &str| KEYS.iter().find(|key| key.name == name);
    if let Some(key) = find(name) {
        return Named::Key(key);
    }
    let kept = name.strip_suffix("_file").and_then(find);
    match kept.filter(|key| key.secrecy != Secrecy::Open) {
        Some(key) => Named::FileOf(key),
        None => Named::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_and_a_variable_of_its_own() {
        let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let mut variables: Vec<String> = KEYS.iter().map(|key| variable(key.name)).collect();
        names.sort_unstable();
        variables.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(variable("px0.code_ttl"), "POLYRESET_PX0__CODE_TTL");
    }

    #[test]
    fn only_what_is_secret_may_be_kept_in_a_file() {
        assert!(
            matches!(named("worthai.jwt_secret_file"), Named::FileOf(key) if key.name == "worthai.jwt_secret")
        );
        assert!(matches!(named("mail_url_file"), Named::FileOf(_)));
        assert!(matches!(named("listen_file"), Named::Unknown));
    }
}
