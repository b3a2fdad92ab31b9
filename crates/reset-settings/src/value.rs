//! Parsing of values. The error of an invalid value names the key, its source and what is expected; it quotes the value
//! unless that can be a secret.

use std::{borrow::Cow, collections::BTreeSet, str::FromStr, time::Duration};

use anyhow::{Error, Result, anyhow};
use zeroize::Zeroizing;

use crate::{
    key::{Choice, DefaultValue, Integer, Key, KeyTable, List, Secrecy, SettingKey, Size, ValueKind},
    source::{Given, GivenValues, Raw, Source},
};

/// The setting that chooses the profile.
pub static PROFILE: Key<Choice> = Key::choice(
    "profile",
    &["compatible", "hardened"],
    "compatible",
    "`compatible` works with every existing client of the dialects; `hardened` closes weaknesses that their contracts leave \
     open",
);

/// The two sets of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every existing client of the dialects keeps working.
    Compatible,
    /// The weaknesses that the dialects' contracts leave open are closed.
    Hardened,
}

impl Profile {
    /// The word for it in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Hardened => "hardened",
        }
    }
}

/// The values of all settings, given or defaulted.
pub struct Values {
    keys: KeyTable,
    given: GivenValues,
    profile: Profile,
    /// The known system other than polyreset that `users.preset` names.
    preset: Option<&'static str>,
}

/// The value of one setting and its source. The value is `None` if it is determined at start.
pub struct Value<'a> {
    /// The value as written.
    pub raw: Option<Cow<'a, Raw>>,
    /// Where it is from.
    pub source: &'a Source,
    /// The file that contains the value, if the source names one.
    pub file: Option<&'a str>,
}

impl Values {
    /// Reads the profile and the users preset, which determine defaults.
    ///
    /// # Errors
    /// Fails if one of the two is not one of its words.
    pub(crate) fn new(keys: KeyTable, given: GivenValues) -> Result<Self> {
        let mut values = Self { keys, given, profile: Profile::Compatible, preset: None };
        if values.word("profile")? == Some("hardened") {
            values.profile = Profile::Hardened;
        }
        values.preset = values.word("users.preset")?.filter(|preset| !matches!(*preset, "own" | "custom"));
        Ok(values)
    }

    /// Returns the value of a choice that a program may have.
    fn word(&self, name: &str) -> Result<Option<&'static str>> {
        self.keys.find(name).map(|key| self.choice_of(key)).transpose()
    }

    /// The keys.
    pub fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// The profile, which decides defaults.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The known system, other than polyreset, whose users table `users.preset` names.
    pub fn preset(&self) -> Option<&'static str> {
        self.preset
    }

    /// Sets `key` on behalf of the setting `by`, which a source must set, as if the same source had set both.
    pub fn imply(&mut self, key: &'static SettingKey, value: &str, by: &SettingKey) {
        let source = self.value(by).source.clone();
        self.given.insert(key.name, Given { raw: Raw::text(value), source, file: None });
    }

    /// Whether a source sets the value.
    pub fn is_given(&self, key: &SettingKey) -> bool {
        self.given.contains_key(key.name)
    }

    /// Returns the settings files that contain a secret themselves instead of naming its file.
    pub fn files_with_secrets(&self) -> BTreeSet<&str> {
        let secrets = self
            .given
            .iter()
            .filter(|(name, _)| self.keys.find(name).is_some_and(|key| key.secrecy == Secrecy::Secret));
        let files = secrets.filter_map(|(_, given)| match &given.source {
            Source::File { path, .. } if given.file.is_none() => Some(path.as_str()),
            _ => None,
        });
        files.collect()
    }

    /// Returns the value in force.
    pub fn value(&self, key: &SettingKey) -> Value<'_> {
        if let Some(Given { raw, source, file }) = self.given.get(key.name) {
            return Value { raw: Some(Cow::Borrowed(raw)), source, file: file.as_deref() };
        }
        self.default_of(key)
    }

    /// Returns the value that is in force if no source sets it.
    pub fn default_of(&self, key: &SettingKey) -> Value<'_> {
        let text = |text: &str, source| Value { raw: Some(Cow::Owned(Raw::text(text))), source, file: None };
        if let (Some(_), Some(adopted)) = (self.preset, key.adopted) {
            return text(adopted, &Source::Adopted);
        }
        if let (Some(preset), Some(presets)) = (self.preset, key.presets) {
            return text(if presets.contains(&preset) { "true" } else { "false" }, &Source::Adopted);
        }
        match (key.hardened, key.default) {
            (Some(hardened), _) if self.profile == Profile::Hardened => text(hardened, &Source::Profile),
            (_, DefaultValue::Fixed(fixed)) => text(fixed, &Source::Default),
            (_, DefaultValue::Page(_) | DefaultValue::Found(_)) => {
                Value { raw: None, source: &Source::Default, file: None }
            }
        }
    }

    /// Returns the text of a setting; `None` if it has no value.
    ///
    /// # Errors
    /// Fails with one sentence if the value is a list.
    pub fn given_text(&self, key: &SettingKey) -> Result<Option<String>> {
        match self.value(key).raw.as_deref() {
            None => Ok(None),
            Some(Raw::Text(text)) => Ok(Some(text.as_str().to_owned())),
            Some(Raw::List(_)) => Err(self.bad(key, "one value, not a list")),
        }
    }

    /// Returns the text of a setting that has a default.
    ///
    /// # Errors
    /// Fails with one sentence if the value is a list.
    pub fn text(&self, key: &SettingKey) -> Result<String> {
        Ok(self.given_text(key)?.unwrap_or_default())
    }

    /// Parses `true` or `false`.
    ///
    /// # Errors
    /// Fails with one sentence if the value is neither.
    pub fn boolean(&self, key: &Key<bool>) -> Result<bool> {
        self.read(key, "true or false", |text| text.parse().ok())
    }

    /// Parses an integer within `range`.
    ///
    /// # Errors
    /// Fails with one sentence if the value is no such integer.
    pub fn integer<T>(&self, key: &Key<Integer>, range: std::ops::RangeInclusive<T>) -> Result<T>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.read(key, &expected, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// Parses a duration of at most `max`.
    ///
    /// # Errors
    /// Fails with one sentence if the value is no such duration.
    pub fn duration(&self, key: &Key<Duration>, max: Duration) -> Result<Duration> {
        let expected = format!("a duration such as 30s, 15m or 1h, at most {}", written(max));
        self.read(key, &expected, |text| duration(text).filter(|duration| *duration <= max))
    }

    /// Parses a number of bytes.
    ///
    /// # Errors
    /// Fails with one sentence if the value is no such number.
    pub fn size(&self, key: &Key<Size>) -> Result<usize> {
        self.read(key, "a number of bytes such as 65536 or 64 KiB", size)
    }

    /// Parses one of the key's words.
    ///
    /// # Errors
    /// Fails with one sentence if the value is none of them.
    pub fn choice(&self, key: &Key<Choice>) -> Result<&'static str> {
        self.choice_of(key)
    }

    fn choice_of(&self, key: &SettingKey) -> Result<&'static str> {
        let ValueKind::Choice(words) = key.kind else { unreachable!("{} is a choice", key.name) };
        self.read(key, &words.join(" or "), |text| words.iter().find(|word| **word == text).copied())
    }

    /// Returns a list; text is split at commas.
    pub fn list(&self, key: &Key<List>) -> Vec<String> {
        match self.value(key).raw.as_deref() {
            None => Vec::new(),
            Some(Raw::List(items)) => items.iter().map(|item| item.as_str().to_owned()).collect(),
            Some(Raw::Text(text)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(ToOwned::to_owned).collect()
            }
        }
    }

    /// Returns a list of secrets; text is split at commas and line ends.
    pub fn secrets(&self, key: &Key<List>) -> Vec<Zeroizing<String>> {
        let texts = match self.value(key).raw.as_deref() {
            None => Vec::new(),
            Some(Raw::List(items)) => items.clone(),
            Some(Raw::Text(text)) => {
                text.split([',', '\n']).map(|item| Zeroizing::new(item.to_owned())).collect()
            }
        };
        let trimmed = texts.iter().map(|text| Zeroizing::new(text.trim().to_owned()));
        trimmed.filter(|text| !text.is_empty()).collect()
    }

    /// Parses a text with `read`.
    ///
    /// # Errors
    /// Fails with one sentence if `read` returns `None`.
    pub fn read<T>(
        &self,
        key: &SettingKey,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        read(self.text(key)?.as_str()).ok_or_else(|| self.bad(key, expected))
    }

    /// Returns the error for an invalid value.
    pub fn bad(&self, key: &SettingKey, expected: impl std::fmt::Display) -> Error {
        let Value { raw, source, .. } = self.value(key);
        let name = key.name;
        match raw.as_deref() {
            Some(Raw::Text(text)) if key.secrecy == Secrecy::Open => {
                anyhow!("{name} ({source}) is {:?}; expected {expected}", text.as_str())
            }
            Some(Raw::List(items)) if key.secrecy == Secrecy::Open => {
                let items: Vec<&str> = items.iter().map(|item| item.as_str()).collect();
                anyhow!("{name} ({source}) is {items:?}; expected {expected}")
            }
            _ => anyhow!("{name} ({source}) is invalid; expected {expected}"),
        }
    }
}

/// Parses a duration such as `15m`; zero is rejected.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(millis)?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// Formats a duration in the largest unit that divides it.
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| millis.is_multiple_of(*size)).unwrap_or((1, "ms"));
    format!("{}{unit}", millis / size)
}

/// Parses a size such as `64 KiB`, in bytes; zero is rejected.
fn size(text: &str) -> Option<usize> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim_start() {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_a_positive_number_with_a_unit() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(written(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration("1d"), Some(Duration::from_secs(86_400)));
        for text in ["", "15", "m", "15 m", "-1s", "1.5h", "0s", "15M", "99999999999999999d"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn size_is_in_bytes_or_binary_multiples() {
        for (text, bytes) in
            [("1", 1), ("65536", 65_536), ("64 KiB", 65_536), ("64KiB", 65_536), ("1MiB", 1 << 20)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "0", "64kb", "64 KB", "-1", "1.5 MiB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }
}
