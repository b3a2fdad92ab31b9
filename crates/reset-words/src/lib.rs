//! What people read: a file of phrases for each language, `languages/*.toml`.
//!
//! # How to add a language
//! A variant of [`Language`] in `reset-core`, and its file beside the others: the compiler asks for the one, a test for
//! the other.

mod mail;
mod page;

use reset_core::language::Language;
use serde::Deserialize;

pub use self::{
    mail::{MailPhrases, Phrases, symbols},
    page::PagePhrases,
};

/// The phrases of every language.
pub struct Catalogue(Vec<(Language, LanguagePhrases)>);

/// The phrases of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguagePhrases {
    /// Those of the pages.
    pub page: PagePhrases,
    /// Those of mails.
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
            };
            (language, toml::from_str(file).expect("the phrases compiled in are well-formed"))
        };
        Self(Language::ALL.into_iter().map(read).collect())
    }
}

impl Catalogue {
    /// The phrases of a language.
    pub fn of(&self, language: Language) -> &LanguagePhrases {
        let known = self.0.iter().find(|(of, _)| *of == language);
        &known.expect("every language has its phrases").1
    }
}

/// `phrase` with a number in the place of `{n}`.
pub fn with_number(phrase: &str, number: usize) -> String {
    phrase.replace("{n}", &number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 6] = [
        include_str!("../languages/en.toml"),
        include_str!("../languages/de.toml"),
        include_str!("../languages/es.toml"),
        include_str!("../languages/fr.toml"),
        include_str!("../languages/ja.toml"),
        include_str!("../languages/zh.toml"),
    ];

    /// Each phrase with its name, as the files have them.
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
    fn every_translation_puts_in_what_the_english_one_does() {
        let english = phrases(FILES[0]);
        for file in FILES {
            for ((name, original), (same, translated)) in english.iter().zip(phrases(file)) {
                assert_eq!(*name, same);
                for place in ["{n}", "{name}", "{lifetime}", "{reference}", "{email}"] {
                    assert_eq!(original.contains(place), translated.contains(place), "{name}: {translated}");
                }
            }
        }
    }

    #[test]
    fn phrases_are_text_and_no_markup() {
        for (name, text) in FILES.iter().flat_map(|file| phrases(file)) {
            assert!(
                !text.contains(['<', '>', '&']) && text.trim() == text && !text.is_empty(),
                "{name}: {text}"
            );
        }
    }
}
