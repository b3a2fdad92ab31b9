//! What mails say: a file of phrases for each language, `languages/*.toml`.
//!
//! # How to add a language
//! A variant of [`Language`], and its file beside the others: a test says which phrases it lacks.

use std::{collections::BTreeMap, time::Duration};

use reset_core::language::Language;
use serde::Deserialize;

use crate::kind::Kind;

/// The phrases of every language.
pub(crate) struct Catalogues(Vec<(Language, Catalogue)>);

/// The phrases of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    greeting: String,
    greeting_named: String,
    life: Units,
    #[serde(rename = "reset-code")]
    reset_code: BTreeMap<String, String>,
    #[serde(rename = "reset-link")]
    reset_link: BTreeMap<String, String>,
    #[serde(rename = "password-changed")]
    password_changed: BTreeMap<String, String>,
}

/// How times are worded: for one, and for more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    second: [String; 2],
    minute: [String; 2],
    hour: [String; 2],
    day: [String; 2],
}

impl Catalogues {
    pub(crate) fn new() -> Self {
        let read = |language: Language| {
            let file = match language {
                Language::En => include_str!("languages/en.toml"),
                Language::De => include_str!("languages/de.toml"),
                Language::Es => include_str!("languages/es.toml"),
                Language::Fr => include_str!("languages/fr.toml"),
                Language::Ja => include_str!("languages/ja.toml"),
                Language::Zh => include_str!("languages/zh.toml"),
            };
            (language, toml::from_str(file).expect("the phrases compiled in are well-formed"))
        };
        Self(Language::ALL.into_iter().map(read).collect())
    }

    pub(crate) fn of(&self, language: Language) -> &Catalogue {
        let known = self.0.iter().find(|(of, _)| *of == language);
        &known.expect("every language has its phrases").1
    }
}

impl Catalogue {
    fn of(&self, kind: Kind) -> &BTreeMap<String, String> {
        match kind {
            Kind::ResetCode => &self.reset_code,
            Kind::ResetLink => &self.reset_link,
            Kind::PasswordChanged => &self.password_changed,
        }
    }

    /// Whether there is such a phrase for mails of this kind.
    pub(crate) fn has(&self, kind: Kind, key: &str) -> bool {
        key == "greeting" || self.of(kind).contains_key(key)
    }

    /// The phrases for one mail, with what is to be put into them. The name comes last: what is in it is not
    /// looked at again.
    pub(crate) fn phrases(
        &self,
        kind: Kind,
        name: Option<&str>,
        life: Option<&str>,
    ) -> BTreeMap<&str, String> {
        let filled = |phrase: &str| phrase.replace("{life}", life.unwrap_or_default());
        let mut phrases: BTreeMap<&str, String> =
            self.of(kind).iter().map(|(key, phrase)| (key.as_str(), filled(phrase))).collect();
        let greeting = match name {
            Some(name) => self.greeting_named.replace("{name}", name),
            None => self.greeting.clone(),
        };
        phrases.insert("greeting", greeting);
        phrases
    }

    /// A lifetime in words.
    pub(crate) fn life(&self, life: Duration) -> String {
        let (count, unit) = in_units(life);
        let [one, many] = match unit {
            Unit::Second => &self.life.second,
            Unit::Minute => &self.life.minute,
            Unit::Hour => &self.life.hour,
            Unit::Day => &self.life.day,
        };
        (if count == 1 { one } else { many }).replace("{n}", &count.to_string())
    }
}

/// A lifetime in a language that we have no words of: the symbols are the same everywhere.
pub(crate) fn symbols(life: Duration) -> String {
    let (count, unit) = in_units(life);
    let symbol = match unit {
        Unit::Second => "s",
        Unit::Minute => "min",
        Unit::Hour => "h",
        Unit::Day => "d",
    };
    // A line never ends between the two.
    format!("{count}\u{a0}{symbol}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// A lifetime in the largest unit that states it exactly, or else in whole minutes, rounded down so that
/// no mail promises too much.
fn in_units(life: Duration) -> (u64, Unit) {
    match life.as_secs() {
        s if s >= 172_800 && s % 86_400 == 0 => (s / 86_400, Unit::Day),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, Unit::Hour),
        s if s >= 60 && (s % 60 == 0 || s >= 120) => (s / 60, Unit::Minute),
        s => (s, Unit::Second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_put_into_words() {
        let catalogues = Catalogues::new();
        for (seconds, words) in [
            (30, "30 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (900, "15 minutes"),
            (901, "15 minutes"),
            (3_600, "1 hour"),
            (5_400, "90 minutes"),
            (86_400, "24 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(catalogues.of(Language::En).life(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn each_language_has_its_own_words_for_times() {
        let catalogues = Catalogues::new();
        let words = |seconds| {
            Language::ALL.map(|language| catalogues.of(language).life(Duration::from_secs(seconds)))
        };
        assert_eq!(words(30), ["30 seconds", "30 Sekunden", "30 segundos", "30 secondes", "30秒", "30 秒"]);
        assert_eq!(words(900), ["15 minutes", "15 Minuten", "15 minutos", "15 minutes", "15分", "15 分钟"]);
        assert_eq!(words(3_600), ["1 hour", "1 Stunde", "1 hora", "1 heure", "1時間", "1 小时"]);
        assert_eq!(words(172_800), ["2 days", "2 Tage", "2 días", "2 jours", "2日", "2 天"]);
        assert_eq!(symbols(Duration::from_secs(900)), "15\u{a0}min");
    }

    #[test]
    fn every_language_has_every_phrase_and_none_is_empty_or_half_filled() {
        let catalogues = Catalogues::new();
        let english = catalogues.of(Language::En);
        for language in Language::ALL {
            let catalogue = catalogues.of(language);
            for kind in Kind::ALL {
                let keys = |of: &Catalogue| of.of(kind).keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(catalogue), keys(english), "{language:?} {}", kind.name());
                for (key, phrase) in catalogue.phrases(kind, Some("Ada"), Some("LIFE")) {
                    assert!(!phrase.trim().is_empty(), "{language:?} {key}");
                    assert_eq!(phrase.trim(), phrase, "{language:?} {key}");
                    assert!(!phrase.contains(['{', '}', '\n', '\r', '<']), "{language:?} {key}: {phrase}");
                    let wants_life = key == "terms";
                    assert_eq!(phrase.contains("LIFE"), wants_life, "{language:?} {key}");
                    assert_eq!(phrase.contains("Ada"), key == "greeting", "{language:?} {key}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_looks_like_a_phrase_is_put_in_as_it_is() {
        let catalogues = Catalogues::new();
        let phrases =
            catalogues.of(Language::En).phrases(Kind::ResetCode, Some("{life}"), Some("15 minutes"));
        assert_eq!(phrases["greeting"], "Hello {life},");
    }
}
