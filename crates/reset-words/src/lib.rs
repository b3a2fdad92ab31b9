//! What pages and mails have in common: their [`brand`], and their phrases, one file per language: `languages/*.toml`.
//!
//! # How to add a language
//! Add a variant to [`Language`] in `reset-core` and a file beside the others. The compiler reports where the variant is
//! missing, and the tests check the file.
//!
//! ```
//! use reset_core::language::Language;
//! use reset_words::Catalogue;
//!
//! let phrases = Catalogue::default();
//! assert_ne!(phrases.of(Language::De).page.forgot_title, phrases.of(Language::En).page.forgot_title);
//! ```

pub mod brand;
mod mail;
mod page;

use reset_core::language::Language;
use serde::Deserialize;

pub use self::{
    mail::{MailPhrases, Phrases, digits, symbols},
    page::PagePhrases,
};

/// The phrases of every language.
pub struct Catalogue(Vec<(Language, LanguagePhrases)>);

/// The phrases of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguagePhrases {
    /// Phrases of the pages.
    pub page: PagePhrases,
    /// Phrases of the mails.
    pub mail: MailPhrases,
}

impl Default for Catalogue {
    fn default() -> Self {
        let read = |language: Language| {
            let file = match language {
                Language::En => include_str!("../languages/en.toml"),
                Language::De => include_str!("../languages/de.toml"),
                Language::Es => include_str!("../languages/es.toml"),
                Language::Fr => include_str!("../languages/fr.toml"),
                Language::Ja => include_str!("../languages/ja.toml"),
                Language::Zh => include_str!("../languages/zh.toml"),
                Language::Ar => include_str!("../languages/ar.toml"),
            };
            (language, toml::from_str(file).expect("the built-in phrases are well-formed"))
        };
        Self(Language::ALL.into_iter().map(read).collect())
    }
}

impl Catalogue {
    /// Returns the phrases of a language.
    pub fn of(&self, language: Language) -> &LanguagePhrases {
        let entry = self.0.iter().find(|(of, _)| *of == language);
        &entry.expect("every language has its phrases").1
    }
}

/// Replaces `{n}` in `phrase` with a number.
pub fn with_number(phrase: &str, number: usize) -> String {
    phrase.replace("{n}", &number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 7] = [
        include_str!("../languages/en.toml"),
        include_str!("../languages/de.toml"),
        include_str!("../languages/es.toml"),
        include_str!("../languages/fr.toml"),
        include_str!("../languages/ja.toml"),
        include_str!("../languages/zh.toml"),
        include_str!("../languages/ar.toml"),
    ];

    /// Returns each phrase of a file with its dotted name.
    fn phrases(file: &str) -> Vec<(String, String)> {
        fn collect(name: &str, value: &toml::Value, phrases: &mut Vec<(String, String)>) {
            match value {
                toml::Value::String(text) => phrases.push((name.to_owned(), text.clone())),
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        collect(&format!("{name}.{key}"), value, phrases);
                    }
                }
                toml::Value::Array(several) => several.iter().for_each(|value| collect(name, value, phrases)),
                other => panic!("{name} is {other}"),
            }
        }
        let (table, mut phrases) = (file.parse::<toml::Table>().unwrap(), Vec::new());
        collect("", &toml::Value::Table(table), &mut phrases);
        phrases
    }

    #[test]
    fn every_language_has_every_phrase() {
        let catalogue = Catalogue::default();
        for language in Language::ALL {
            assert!(!catalogue.of(language).page.reset_title.is_empty());
        }
    }

    #[test]
    fn translations_have_the_same_placeholders_as_english() {
        const PLACEHOLDERS: [&str; 9] = [
            "{n}",
            "{name}",
            "{lifetime}",
            "{reference}",
            "{email}",
            "{brand}",
            "{account}",
            "{time}",
            "{year}",
        ];
        // Languages differ in the number of plural forms of a time unit.
        let without_units = |file| {
            let mut phrases = phrases(file);
            phrases.retain(|(name, _)| !name.starts_with(".mail.lifetime."));
            phrases
        };
        let english = without_units(FILES[0]);
        for file in FILES {
            let translation = without_units(file);
            assert_eq!(translation.len(), english.len());
            for ((name, original), (same, translated)) in english.iter().zip(translation) {
                assert_eq!(*name, same);
                for placeholder in PLACEHOLDERS {
                    assert_eq!(
                        original.contains(placeholder),
                        translated.contains(placeholder),
                        "{name}: {translated}"
                    );
                }
            }
        }
    }

    #[test]
    fn phrases_contain_no_markup() {
        for (name, text) in FILES.iter().flat_map(|file| phrases(file)) {
            assert!(
                !text.contains(['<', '>', '&']) && text.trim() == text && !text.is_empty(),
                "{name}: {text}"
            );
        }
    }
}
