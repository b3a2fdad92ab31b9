//! Phrases of the mails, and times and durations in words.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Datelike, Timelike, Utc};
use reset_core::time::Timestamp;
use serde::Deserialize;

/// The phrases of one kind of mail, by the names that the layouts use.
pub type Phrases = BTreeMap<String, String>;

/// The phrases of mails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailPhrases {
    /// Greeting of an owner without a known name.
    pub greeting: String,
    /// Greeting with `{name}`.
    pub greeting_named: String,
    /// A point in time, with `{day}`, `{month}`, `{year}` and `{time}`.
    at: String,
    /// The names of the months, in the form that `at` needs.
    months: [String; 12],
    lifetime: Units,
    /// Phrases of every mail.
    pub common: Phrases,
    /// Phrases of a mail with a code.
    #[serde(rename = "reset-code")]
    pub reset_code: Phrases,
    /// Phrases of a mail with a link.
    #[serde(rename = "reset-link")]
    pub reset_link: Phrases,
    /// Phrases of the notice after a reset.
    #[serde(rename = "password-changed")]
    pub password_changed: Phrases,
}

/// The plural forms of each time unit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    second: PluralForms,
    minute: PluralForms,
    hour: PluralForms,
    day: PluralForms,
}

/// The forms of a unit, with `{n}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum PluralForms {
    /// For one, and for every other number.
    Two([String; 2]),
    /// For one, two, a few and many, as Arabic has them (Unicode CLDR, "Language Plural Rules").
    Four([String; 4]),
}

impl PluralForms {
    fn of(&self, count: u64) -> &str {
        match self {
            Self::Two([one, other]) => {
                if count == 1 {
                    one
                } else {
                    other
                }
            }
            Self::Four([one, two, few, many]) => match (count, count % 100) {
                (1, _) => one,
                (2, _) => two,
                (_, 3..=10) => few,
                _ => many,
            },
        }
    }
}

impl MailPhrases {
    /// Returns a lifetime in words.
    pub fn lifetime(&self, lifetime: Duration) -> String {
        let (count, unit) = in_units(lifetime);
        let forms = match unit {
            Unit::Second => &self.lifetime.second,
            Unit::Minute => &self.lifetime.minute,
            Unit::Hour => &self.lifetime.hour,
            Unit::Day => &self.lifetime.day,
        };
        forms.of(count).replace("{n}", &count.to_string())
    }

    /// Returns a wait in words, rounded up to whole minutes, so that nobody comes back too early.
    pub fn wait(&self, wait: Duration) -> String {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = if seconds < 60 { seconds.max(1) } else { seconds.div_ceil(60) * 60 };
        self.lifetime(Duration::from_secs(seconds))
    }

    /// Returns a point in time in words, to the minute, in UTC: the time zone of the reader is unknown.
    pub fn time(&self, at: Timestamp) -> String {
        let Some(at) = utc(at) else { return String::new() };
        let month = &self.months[at.month0() as usize];
        let time = format!("{:02}:{:02}", at.hour(), at.minute());
        self.at
            .replace("{day}", &at.day().to_string())
            .replace("{month}", month)
            .replace("{year}", &at.year().to_string())
            .replace("{time}", &time)
    }
}

/// Returns a point in time in digits, to the minute, in UTC, for languages without built-in phrases: `2026-11-30 14:02 UTC`.
pub fn digits(at: Timestamp) -> String {
    utc(at).map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

fn utc(at: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at.as_millis())
}

/// Returns a lifetime in unit symbols, for languages without built-in phrases.
pub fn symbols(lifetime: Duration) -> String {
    let (count, unit) = in_units(lifetime);
    let symbol = match unit {
        Unit::Second => "s",
        Unit::Minute => "min",
        Unit::Hour => "h",
        Unit::Day => "d",
    };
    // The no-break space keeps number and unit on one line.
    format!("{count}\u{a0}{symbol}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// Converts a lifetime to the largest unit that expresses it exactly, or else to whole minutes, rounded down so that a
/// mail never promises too much.
fn in_units(lifetime: Duration) -> (u64, Unit) {
    match lifetime.as_secs() {
        s if s >= 172_800 && s % 86_400 == 0 => (s / 86_400, Unit::Day),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, Unit::Hour),
        s if s >= 60 && (s % 60 == 0 || s >= 120) => (s / 60, Unit::Minute),
        s => (s, Unit::Second),
    }
}

#[cfg(test)]
mod tests {
    use reset_core::language::Language;

    use super::*;
    use crate::Catalogue;

    #[test]
    fn lifetimes_are_written_in_words() {
        let catalogue = Catalogue::default();
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
            assert_eq!(catalogue.of(Language::En).mail.lifetime(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn every_language_has_its_own_time_units() {
        let catalogue = Catalogue::default();
        let words = |seconds| {
            Language::ALL.map(|language| catalogue.of(language).mail.lifetime(Duration::from_secs(seconds)))
        };
        assert_eq!(
            words(30),
            ["30 seconds", "30 Sekunden", "30 segundos", "30 secondes", "30秒", "30 秒", "30 ثانية"]
        );
        assert_eq!(
            words(900),
            ["15 minutes", "15 Minuten", "15 minutos", "15 minutes", "15分", "15 分钟", "15 دقيقة"]
        );
        assert_eq!(
            words(3_600),
            ["1 hour", "1 Stunde", "1 hora", "1 heure", "1時間", "1 小时", "ساعة واحدة"]
        );
        assert_eq!(words(172_800), ["2 days", "2 Tage", "2 días", "2 jours", "2日", "2 天", "يومين"]);
        assert_eq!(symbols(Duration::from_secs(900)), "15\u{a0}min");
    }

    #[test]
    fn arabic_units_have_four_forms() {
        let catalogue = Catalogue::default();
        let words =
            |minutes: u64| catalogue.of(Language::Ar).mail.lifetime(Duration::from_secs(minutes * 60));
        assert_eq!(
            [1, 2, 3, 10, 11, 59].map(words),
            ["دقيقة واحدة", "دقيقتين", "3 دقائق", "10 دقائق", "11 دقيقة", "59 دقيقة"]
        );
    }

    #[test]
    fn times_are_written_as_each_language_does_and_in_utc() {
        let catalogue = Catalogue::default();
        let at = Timestamp::from_millis(1_796_047_379_000);
        let times = Language::ALL.map(|language| catalogue.of(language).mail.time(at));
        assert_eq!(
            times,
            [
                "November 30, 2026 at 14:02 UTC",
                "30. November 2026, 14:02 UTC",
                "30 de noviembre de 2026, 14:02 UTC",
                "30 novembre 2026 à 14:02 UTC",
                "2026年11月30日 14:02（UTC）",
                "2026年11月30日 14:02（UTC）",
                "30 نوفمبر 2026، 14:02 UTC",
            ]
        );
        assert_eq!(digits(at), "2026-11-30 14:02 UTC");
    }
}
