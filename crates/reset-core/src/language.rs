//! The languages that people are written to in, and which of them a tag asks for.
//!
//! Mails and pages share this list: whoever has a text for people has one for each language here.

/// A language that people are written to in.
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
    /// Chinese in simplified characters. Whoever asks for traditional ones gets these as well: they are read more
    /// easily than another language.
    Zh,
}

impl Language {
    /// Every language, English first.
    pub const ALL: [Self; 6] = [Self::En, Self::De, Self::Es, Self::Fr, Self::Ja, Self::Zh];

    /// The language that a BCP 47 tag such as `de-CH` asks for, whatever its region and script; nothing when there
    /// are no texts in it. The `de_CH.UTF-8` of other systems is understood, too.
    pub fn of(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', '@']).next()?;
        Self::ALL.into_iter().find(|language| language.primary().eq_ignore_ascii_case(primary))
    }

    /// The primary subtag, as in file names: `zh`.
    pub fn primary(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::Ja => "ja",
            Self::Zh => "zh",
        }
    }

    /// The tag that our texts are marked with, as in `<html lang>`: with its script where others would be expected.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-Hans",
            other => other.primary(),
        }
    }

    /// Its name in itself, for people to choose by.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
            Self::Es => "Español",
            Self::Fr => "Français",
            Self::Ja => "日本語",
            Self::Zh => "简体中文",
        }
    }
}

/// Which way a text of this tag runs, as in `<html dir>`: `rtl` or `ltr`. The script decides where the tag names
/// one, else the language.
pub fn direction(tag: &str) -> &'static str {
    /// ISO 15924, and ISO 639 languages that are written in these by default.
    const SCRIPTS: [&str; 8] = ["adlm", "arab", "hebr", "mand", "nkoo", "rohg", "syrc", "thaa"];
    const LANGUAGES: [&str; 14] =
        ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"];
    let mut subtags = tag.split(['-', '_']).map(str::to_ascii_lowercase);
    let primary = subtags.next().unwrap_or_default();
    let script = subtags.find(|subtag| subtag.len() == 4 && subtag.bytes().all(|b| b.is_ascii_lowercase()));
    let backwards = match script {
        Some(script) => SCRIPTS.contains(&script.as_str()),
        None => LANGUAGES.contains(&primary.as_str()),
    };
    if backwards { "rtl" } else { "ltr" }
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
        ] {
            assert_eq!(Language::of(tag), Some(language), "{tag}");
        }
    }

    #[test]
    fn what_is_no_language_of_ours_is_none() {
        for tag in ["", "-", "it", "deu", "english", "x-de", "d", "de/CH", "ar"] {
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
    fn scripts_that_run_to_the_left_are_known() {
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
