//! The table of settings: every key once, with its default and its description.
//!
//! All code that needs the keys uses this table: the three sources, `config show`, `config schema`, and the table in the
//! documentation, which a test checks. Defaults are written as an operator would write them and are parsed in the same
//! way, so a documented default cannot differ from the effective one (R44).
//!
//! # How to add a setting
//! Add one entry to `list.rs`, and one line that reads it to the file of its section.

mod list;

pub(crate) use self::list::KEYS;

/// One setting.
pub(crate) struct SettingKey {
    /// Name in the file: `key` or `section.key`.
    pub(crate) name: &'static str,
    /// Type of the value.
    pub(crate) kind: ValueKind,
    /// Default value.
    pub(crate) default: Preset,
    /// Default in profile `hardened`, if different.
    pub(crate) hardened: Option<&'static str>,
    /// Default if `users.preset` names another system's table, if different.
    pub(crate) adopted: Option<&'static str>,
    /// Which part of the value is secret.
    pub(crate) secrecy: Secrecy,
    /// Description, in Markdown.
    pub(crate) meaning: &'static str,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// An integer.
    Integer,
    /// `500ms`, `30s`, `15m`, `1h`, `1d`.
    Duration,
    /// A number of bytes, or a number with `KiB` or `MiB`.
    Size,
    /// An array in the file; comma-separated elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Default of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// A fixed value.
    Value(&'static str),
    /// A value determined at start, described in words.
    Found(&'static str),
}

/// Which part of a value is secret. Unless it is [`Secrecy::Open`], the value can be read from a file that `<key>_file`
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// No part.
    Open,
    /// The user and password of a URL.
    Userinfo,
    /// The whole value.
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

/// Returns the environment variable of the key `name`: `POLYRESET_PX0__CODE_TTL` for `px0.code_ttl`.
pub(crate) fn variable(name: &str) -> String {
    format!("POLYRESET_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// The environment variable that names the settings file. The file itself has no such key.
pub(super) const CONFIG: &str = "POLYRESET_CONFIG";

/// Returns the name that the environment variable sets: the inverse of [`variable`].
pub(super) fn name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("POLYRESET_")?.replace("__", ".").to_ascii_lowercase();
    (self::variable(&name) == variable).then_some(name)
}

/// The setting that a name refers to.
pub(crate) enum Named {
    /// `<key>`: the setting itself.
    Key(&'static SettingKey),
    /// `<key>_file`: the file that contains the setting.
    FileOf(&'static SettingKey),
    /// No setting.
    Unknown,
}

/// Looks up `name`, written as in the settings file.
pub(crate) fn named(name: &str) -> Named {
    let find = |name: &str| KEYS.iter().find(|key| key.name == name);
    if let Some(key) = find(name) {
        return Named::Key(key);
    }
    let setting = name.strip_suffix("_file").and_then(find);
    match setting.filter(|key| key.secrecy != Secrecy::Open) {
        Some(key) => Named::FileOf(key),
        None => Named::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_variables_are_unique() {
        let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let mut variables: Vec<String> = KEYS.iter().map(|key| variable(key.name)).collect();
        names.sort_unstable();
        variables.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(variable("px0.code_ttl"), "POLYRESET_PX0__CODE_TTL");
    }

    #[test]
    fn only_secrets_have_a_file_form() {
        assert!(
            matches!(named("worthai.jwt_secret_file"), Named::FileOf(key) if key.name == "worthai.jwt_secret")
        );
        assert!(matches!(named("mail_url_file"), Named::FileOf(_)));
        assert!(matches!(named("listen_file"), Named::Unknown));
    }
}
