//! The languages of mails and pages, and how a language tag selects one.
//!
//! Mails and pages share this list: each must have texts in every language here.

/// A language of mails and pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
    /// Spanish.
    Es,
    /// French.
    Fr,
    /// Japanese.
    Ja,
    /// Chinese in simplified characters. Requests for traditional characters get these too, because they are easier
    /// to read for them than another language.
    Zh,
    /// Arabic, written from right to left.
    Ar,
}

impl Language {
    /// Every language, English first.
    pub const ALL: [Self; 7] = [Self::En, Self::De, Self::Es, Self::Fr, Self::Ja, Self::Zh, Self::Ar];

    /// Returns the language of a BCP 47 tag such as `de-CH`, whatever its region and script; `None` if there are no
    /// texts in it. POSIX locale names such as `de_CH.UTF-8` are accepted too.
    pub fn of(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', '@']).next()?;
        Self::ALL.into_iter().find(|language| language.primary().eq_ignore_ascii_case(primary))
    }

    /// Returns the primary subtag, as used in file names: `zh`.
    pub fn primary(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::Ja => "ja",
            Self::Zh => "zh",
            Self::Ar => "ar",
        }
    }

    /// Returns the tag that marks the texts, as in `<html lang>`. It includes the script if another one could be
    /// expected.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-Hans",
            other => other.primary(),
        }
    }

    /// Returns the language's own name, for a language menu.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
            Self::Es => "Español",
            Self::Fr => "Français",
            Self::Ja => "日本語",
            Self::Zh => "简体中文",
            Self::Ar => "العربية",
        }
    }
}

/// Returns the text direction of a tag, as in `<html dir>`: `rtl` or `ltr`. The script decides if the tag names one,
/// otherwise the language.
pub fn direction(tag: &str) -> &'static str {
    /// Right-to-left scripts (ISO 15924), and the ISO 639 languages that are written in them by default.
    const SCRIPTS: [&str; 8] = ["adlm", "arab", "hebr", "mand", "nkoo", "rohg", "syrc", "thaa"];
    const LANGUAGES: [&str; 14] =
        ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"];
    let mut subtags = tag.split(['-', '_']).map(str::to_ascii_lowercase);
    let primary = subtags.next().unwrap_or_default();
    let script = subtags.find(|subtag| subtag.len() == 4 && subtag.bytes().all(|b| b.is_ascii_lowercase()));
    let right_to_left = match script {
        Some(script) => SCRIPTS.contains(&script.as_str()),
        None => LANGUAGES.contains(&primary.as_str()),
    };
    if right_to_left { "rtl" } else { "ltr" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_script_and_case_do_not_matter() {
        for (tag, language) in [
            ("en", Language::En),
            ("EN-us", Language::En),
            ("de-CH", Language::De),
            ("de_AT", Language::De),
            ("de_DE.UTF-8", Language::De),
            ("fr@euro", Language::Fr),
            ("es-419", Language::Es),
            ("fr-CA", Language::Fr),
            ("ja-JP", Language::Ja),
            ("zh", Language::Zh),
            ("zh-Hans-CN", Language::Zh),
            ("zh-Hant-TW", Language::Zh),
            ("ar-EG", Language::Ar),
        ] {
            assert_eq!(Language::of(tag), Some(language), "{tag}");
        }
    }

    #[test]
    fn unsupported_tag_selects_no_language() {
        for tag in ["", "-", "it", "deu", "english", "x-de", "d", "de/CH", "he"] {
            assert_eq!(Language::of(tag), None, "{tag}");
        }
    }

    #[test]
    fn every_language_is_found_by_its_own_tag_and_has_a_name() {
        for language in Language::ALL {
            assert_eq!(Language::of(language.tag()), Some(language));
            assert_eq!(Language::of(language.primary()), Some(language));
            assert!(!language.name().is_empty());
        }
    }

    #[test]
    fn right_to_left_scripts_are_recognised() {
        for (tag, wanted) in [
            ("ar", "rtl"),
            ("he-IL", "rtl"),
            ("fa_IR", "rtl"),
            ("UR", "rtl"),
            ("yi", "rtl"),
            ("az-Arab", "rtl"),
            ("ar-Latn", "ltr"),
            ("de", "ltr"),
            ("zh-Hans", "ltr"),
            ("", "ltr"),
        ] {
            assert_eq!(direction(tag), wanted, "{tag}");
        }
    }
}
