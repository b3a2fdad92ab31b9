//! Phrases of the mails, and durations in words.

use std::{collections::BTreeMap, time::Duration};

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
    lifetime: Units,
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

/// Singular and plural of each time unit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    second: [String; 2],
    minute: [String; 2],
    hour: [String; 2],
    day: [String; 2],
}

impl MailPhrases {
    /// Returns a lifetime in words.
    pub fn lifetime(&self, lifetime: Duration) -> String {
        let (count, unit) = in_units(lifetime);
        let [one, many] = match unit {
            Unit::Second => &self.lifetime.second,
            Unit::Minute => &self.lifetime.minute,
            Unit::Hour => &self.lifetime.hour,
            Unit::Day => &self.lifetime.day,
        };
        (if count == 1 { one } else { many }).replace("{n}", &count.to_string())
    }
}

impl MailPhrases {
    /// Returns a wait in words, rounded up to whole minutes, so that nobody comes back too early.
    pub fn wait(&self, wait: Duration) -> String {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = if seconds < 60 { seconds.max(1) } else { seconds.div_ceil(60) * 60 };
        self.lifetime(Duration::from_secs(seconds))
    }
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
        assert_eq!(words(30), ["30 seconds", "30 Sekunden", "30 segundos", "30 secondes", "30秒", "30 秒"]);
        assert_eq!(words(900), ["15 minutes", "15 Minuten", "15 minutos", "15 minutes", "15分", "15 分钟"]);
        assert_eq!(words(3_600), ["1 hour", "1 Stunde", "1 hora", "1 heure", "1時間", "1 小时"]);
        assert_eq!(words(172_800), ["2 days", "2 Tage", "2 días", "2 jours", "2日", "2 天"]);
        assert_eq!(symbols(Duration::from_secs(900)), "15\u{a0}min");
    }
}
