//! `config show`: the settings in force with their sources, secrets redacted.

use std::fmt::Write as _;

use anyhow::Result;

use reset_settings::{DefaultValue, Raw, Secrecy, SettingKey, ValueKind};

use super::{Settings, limits::network_default};

/// Placeholder for a secret.
const REDACTED: &str = "[redacted]";

impl Settings {
    /// Formats every setting as `key = value  # source`, then the takeover bounds, then the open weaknesses.
    ///
    /// # Errors
    /// Fails if the settings of a dialect are invalid.
    pub(crate) fn show(&self) -> Result<String> {
        let (mut text, mut section) = (String::new(), "");
        // Top-level keys come first: below a section header, TOML would assign them to that section.
        let (top, below): (Vec<&SettingKey>, Vec<&SettingKey>) =
            self.values.keys().iter().partition(|key| !key.name.contains('.'));
        for key in top.into_iter().chain(below) {
            let (of, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if of != section {
                let _ = write!(text, "\n[{of}]\n");
                section = of;
            }
            let value = self.values.value(key);
            let shown = match value.raw.as_deref() {
                Some(raw) => shown(key, raw),
                None => self.found(key),
            };
            let _ = writeln!(text, "{name} = {shown}  # {}", value.source);
        }
        text.push('\n');
        for bound in self.bounds()? {
            let _ = writeln!(text, "# takeover bound: {bound}");
        }
        let _ = writeln!(text, "# growth bound: {}", self.growth());
        for weakness in self.weaknesses()? {
            let _ = writeln!(text, "# open weakness: {weakness}");
        }
        Ok(text)
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

fn shown(key: &SettingKey, raw: &Raw) -> String {
    match (key.secrecy, raw) {
        (Secrecy::Secret, _) | (Secrecy::Userinfo, Raw::List(_)) => REDACTED.to_owned(),
        (Secrecy::Userinfo, Raw::Text(text)) => quoted(&without_userinfo(text)),
        (Secrecy::Open, Raw::List(items)) => list(items.iter().map(|item| item.as_str())),
        (Secrecy::Open, Raw::Text(text)) => match key.kind {
            ValueKind::Boolean | ValueKind::Integer => text.as_str().to_owned(),
            ValueKind::List => list(text.split(',').map(str::trim).filter(|item| !item.is_empty())),
            _ => quoted(text),
        },
    }
}

/// Redacts the user and password of a URL. A password can contain any character, so everything up to the last `@` is
/// redacted.
fn without_userinfo(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{REDACTED}{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
