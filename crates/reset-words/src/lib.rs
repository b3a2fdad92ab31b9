//! What people read: a file of phrases for each language, `languages/*.toml`.
//!
//! # How to add a language
//! A variant of [`Language`] in `reset-core`, and its file beside the others: the compiler asks for the one, a test for
//! the other.

use reset_core::language::Language;
use serde::Deserialize;

/// The phrases of every language.
pub struct Catalogue(Vec<(Language, Words)>);

/// The phrases of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Those of the pages.
    pub page: Page,
}

/// The phrases of the pages, named by what they are for; `languages/en.toml` shows each in its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is its own explanation, in languages/en.toml")]
pub struct Page {
    pub skip: String,
    pub language: String,
    pub help: String,
    pub forgot_title: String,
    pub forgot_lead: String,
    pub email: String,
    pub send: String,
    pub email_wrong: String,
    pub have_code: String,
    pub sent_title: String,
    pub sent_lead: String,
    pub sent_nothing: String,
    pub sent_reference: String,
    pub reset_title: String,
    pub reset_lead: String,
    pub code_title: String,
    pub code_lead: String,
    pub code: String,
    pub code_hint: String,
    pub password: String,
    pub show: String,
    pub set: String,
    pub rule_min: String,
    pub rule_classes: String,
    pub rule_common: String,
    pub rule_max: String,
    pub fault: String,
    pub code_missing: String,
    pub weak_min: String,
    pub weak_classes: String,
    pub weak_common: String,
    pub weak_max: String,
    pub weak_sign: String,
    pub weak_names: String,
    pub code_wrong: String,
    pub done_title: String,
    pub done_lead: String,
    pub done_notice: String,
    pub done_home: String,
    pub dead_title: String,
    pub dead_expired: String,
    pub dead_spent: String,
    pub dead_void: String,
    pub dead_over: String,
    pub dead_unknown: String,
    pub dead_lost: String,
    pub again: String,
    pub onward_title: String,
    pub onward: String,
    pub not_me_title: String,
    pub not_me_lead: String,
    pub not_me_password: String,
    pub not_me_sessions: String,
    pub not_me_links: String,
    pub not_me_mailbox: String,
    pub not_me_after: String,
    pub not_me_button: String,
    pub not_me_otherwise: String,
    pub not_me_done_title: String,
    pub not_me_done: String,
    pub not_me_done_mailbox: String,
    pub not_me_dead_title: String,
    pub not_me_dead: String,
    pub many_title: String,
    pub many: String,
    pub busy_title: String,
    pub busy: String,
    pub failed_title: String,
    pub failed: String,
    pub foreign_title: String,
    pub foreign: String,
    pub method_title: String,
    pub method: String,
    pub unread_title: String,
    pub unread: String,
    pub strength: [String; 5],
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
    pub fn of(&self, language: Language) -> &Words {
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
        let table: toml::Table = file.parse().unwrap();
        let sections = table.into_iter().filter_map(|(_, section)| match section {
            toml::Value::Table(section) => Some(section),
            _ => None,
        });
        sections.flatten().filter_map(|(name, text)| Some((name, text.as_str()?.to_owned()))).collect()
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
                for place in ["{n}", "{name}", "{reference}"] {
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
