//! `config show`: the settings in force with their sources, as a settings file.
//!
//! A line that a source sets is a line of TOML. A default is a comment: written as a value, it would count as set, and many
//! defaults depend on other settings. So is a secret, which is not shown; the file that contains one is.

use std::fmt::Write as _;

use anyhow::Result;

use reset_settings::{DefaultValue, Raw, Secrecy, SettingKey, Value, ValueKind};

use super::{Settings, limits::network_default, toml_text::quoted};

/// Placeholder for a secret.
const REDACTED: &str = "[redacted]";

/// First lines of the output.
const HEAD: &str = "# The settings in force, as a settings file. A line that begins with # is a default, or a secret that is not shown.\n";

impl Settings {
    /// Formats every setting as `key = value  # source`, then the takeover bounds, then the open weaknesses.
    ///
    /// # Errors
    /// Fails if the settings of a dialect are invalid.
    pub(crate) fn show(&self) -> Result<String> {
        let mut text = format!("{HEAD}\n{}\n", self.lines(|_| true));
        for bound in self.bounds()? {
            let _ = writeln!(text, "# takeover bound: {bound}");
        }
        let _ = writeln!(text, "# growth bound: {}", self.growth());
        for weakness in self.weaknesses()? {
            let _ = writeln!(text, "# open weakness: {weakness}");
        }
        Ok(text)
    }

    /// Formats the settings that differ from their defaults.
    pub(crate) fn show_changed(&self) -> String {
        let changed = self.lines(|key| {
            let (value, default) = (self.values.value(key), self.values.default_of(key));
            self.is_given(key) && !is_same(&value, &default)
        });
        if changed.is_empty() { "# every setting has its default\n".to_owned() } else { changed }
    }

    /// Formats the settings that `shown` selects, top-level ones first: below a section header, TOML would assign them to
    /// that section.
    fn lines(&self, shown: impl Fn(&SettingKey) -> bool) -> String {
        let (mut text, mut section) = (String::new(), "");
        let (top, below): (Vec<&SettingKey>, Vec<&SettingKey>) =
            self.values.keys().iter().filter(|key| shown(key)).partition(|key| !key.name.contains('.'));
        for key in top.into_iter().chain(below) {
            if key.section() != section {
                section = key.section();
                let _ = writeln!(text, "{}[{section}]", if text.is_empty() { "" } else { "\n" });
            }
            text.push_str(&self.line(key));
        }
        text
    }

    fn line(&self, key: &SettingKey) -> String {
        let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
        let value = self.values.value(key);
        let source = value.source;
        match (value.file, value.raw.as_deref()) {
            (Some(path), _) => format!("{name}_file = {}  # {source}\n", quoted(path)),
            (None, Some(raw)) => {
                let (shown, redacted) = shown(key, raw);
                let comment = if redacted || !self.is_given(key) { "# " } else { "" };
                format!("{comment}{name} = {shown}  # {source}\n")
            }
            (None, None) => format!("# {name} = {}  # {source}\n", self.found(key)),
        }
    }

    /// Formats a default that is determined at start, as far as it is known now.
    fn found(&self, key: &SettingKey) -> String {
        match (key.name, key.default) {
            ("public_url", _) => quoted(&self.likely_url()),
            (_, DefaultValue::Page(path)) => quoted(&format!("{}{path}", self.likely_url())),
            ("mail.per_domain", _) => self.mail.limits.per_domain.to_string(),
            (name, _) if name.starts_with("limits.network_") => {
                network_default(&self.values, key).map_or("none".to_owned(), |count| count.to_string())
            }
            (name, _) if name.starts_with("users.") => {
                self.mapped(name).map_or("none".to_owned(), |name| quoted(&name))
            }
            (_, DefaultValue::Found(how)) if key.secrecy != Secrecy::Secret => {
                format!("({})", how.replace('`', ""))
            }
            (_, DefaultValue::Found(how)) => format!("{REDACTED} ({})", how.replace('`', "")),
            (_, DefaultValue::Fixed(text)) => quoted(text),
        }
    }
}

impl Settings {
    /// Returns the table or column name that the preset assigns to a `users.` setting.
    fn mapped(&self, name: &str) -> Option<String> {
        let mapping = self.users.as_ref()?;
        let role = name.strip_prefix("users.")?;
        match role {
            "schema" => mapping.schema.as_ref().map(ToString::to_string),
            "table" => Some(mapping.table.to_string()),
            "email_match" => Some(mapping.matching.name().to_owned()),
            "provider_value" => mapping.only.as_ref().map(|only| only.value.clone()),
            role => {
                mapping.columns().iter().find(|(_, known)| *known == role).map(|(name, _)| name.to_string())
            }
        }
    }
}

/// Whether two values are written in the same way.
fn is_same(one: &Value<'_>, other: &Value<'_>) -> bool {
    let items = |value: &Value<'_>| {
        value.raw.as_deref().map(|raw| match raw {
            Raw::Text(text) => {
                text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            Raw::List(items) => items.iter().map(|item| item.as_str().to_owned()).collect::<Vec<_>>(),
        })
    };
    one.file.is_none() && items(one) == items(other)
}

/// Formats a value as TOML, and tells whether a part of it is missing because it is secret.
fn shown(key: &SettingKey, raw: &Raw) -> (String, bool) {
    match (key.secrecy, raw) {
        (Secrecy::Secret, _) | (Secrecy::Userinfo, Raw::List(_)) => (quoted(REDACTED), true),
        (Secrecy::Userinfo, Raw::Text(text)) => {
            let shown = without_credentials(text);
            (quoted(&shown), shown != **text)
        }
        (Secrecy::Open, Raw::List(items)) => (list(items.iter().map(|item| item.as_str())), false),
        (Secrecy::Open, Raw::Text(text)) => {
            let shown = match key.kind {
                ValueKind::Boolean => text.as_str().to_owned(),
                // TOML has no leading zeros.
                ValueKind::Integer if text.parse().is_ok_and(|number: i64| number.to_string() == **text) => {
                    text.as_str().to_owned()
                }
                ValueKind::List => list(text.split(',').map(str::trim).filter(|item| !item.is_empty())),
                _ => quoted(text),
            };
            (shown, false)
        }
    }
}

/// Redacts the user and password of a URL, and its parameters if they contain a password. A password can contain any
/// character, so everything up to the last `@` is redacted.
fn without_credentials(url: &str) -> String {
    let url = match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{REDACTED}{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    };
    match url.split_once('?') {
        // Drivers decode the names of parameters.
        Some((base, parameters))
            if parameters.contains('%') || parameters.to_ascii_lowercase().contains("pass") =>
        {
            format!("{base}?{REDACTED}")
        }
        _ => url,
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}
