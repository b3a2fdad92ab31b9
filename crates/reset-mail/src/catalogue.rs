//! Fills in the phrases of a mail. The phrases themselves come from `reset-words`.

use std::collections::BTreeMap;

use reset_words::{MailPhrases, Phrases};

use crate::mail_kind::MailKind;

/// The values that replace the placeholders of phrases.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) brand: &'a str,
    pub(crate) account: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) lifetime: Option<&'a str>,
}

impl Values<'_> {
    /// Replaces each placeholder of a phrase. A placeholder in a value is not replaced.
    fn fill(&self, phrase: &str) -> String {
        let mut filled = String::with_capacity(phrase.len() + 32);
        let mut rest = phrase;
        while let Some((before, from)) = rest.split_once('{') {
            filled.push_str(before);
            let (placeholder, after) = from.split_once('}').unwrap_or((from, ""));
            filled.push_str(match placeholder {
                "brand" => self.brand,
                "account" => self.account,
                "name" => self.name.unwrap_or_default(),
                "lifetime" => self.lifetime.unwrap_or_default(),
                _ => "",
            });
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// Returns the phrases for mails of this kind.
fn of(mail: &MailPhrases, kind: MailKind) -> &Phrases {
    match kind {
        MailKind::ResetCode => &mail.reset_code,
        MailKind::ResetLink => &mail.reset_link,
        MailKind::PasswordChanged => &mail.password_changed,
    }
}

/// Returns whether mails of this kind have a phrase with this key.
pub(crate) fn has(mail: &MailPhrases, kind: MailKind, key: &str) -> bool {
    key == "greeting" || mail.common.contains_key(key) || of(mail, kind).contains_key(key)
}

/// Returns the phrases for one mail, with their placeholders filled in.
pub(crate) fn phrases<'a>(
    mail: &'a MailPhrases,
    kind: MailKind,
    values: Values<'_>,
) -> BTreeMap<&'a str, String> {
    let all = mail.common.iter().chain(of(mail, kind));
    let mut phrases: BTreeMap<&str, String> =
        all.map(|(key, phrase)| (key.as_str(), values.fill(phrase))).collect();
    let greeting = if values.name.is_some() { &mail.greeting_named } else { &mail.greeting };
    phrases.insert("greeting", values.fill(greeting));
    phrases
}

#[cfg(test)]
mod tests {
    use reset_core::language::Language;
    use reset_words::Catalogue;

    use super::*;

    const VALUES: Values<'_> =
        Values { brand: "BRAND", account: "ACCOUNT", name: Some("Ada"), lifetime: Some("LIFE") };

    #[test]
    fn every_language_has_every_phrase_and_fills_all_placeholders() {
        let catalogue = Catalogue::default();
        let english = &catalogue.of(Language::En).mail;
        for language in Language::ALL {
            let mail = &catalogue.of(language).mail;
            for kind in MailKind::ALL {
                let keys = |mail: &MailPhrases| of(mail, kind).keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(mail), keys(english), "{language:?} {}", kind.name());
                for (key, phrase) in phrases(mail, kind, VALUES) {
                    assert!(!phrase.trim().is_empty(), "{language:?} {key}");
                    assert_eq!(phrase.trim(), phrase, "{language:?} {key}");
                    assert!(!phrase.contains(['{', '}', '\n', '\r', '<']), "{language:?} {key}: {phrase}");
                    for (value, in_keys) in [
                        ("LIFE", &["terms"][..]),
                        ("Ada", &["greeting"]),
                        ("ACCOUNT", &["lead"]),
                        ("BRAND", &["lead", "subject"]),
                    ] {
                        assert_eq!(phrase.contains(value), in_keys.contains(&key), "{language:?} {key}");
                    }
                }
            }
        }
    }

    #[test]
    fn placeholder_in_a_value_is_not_replaced() {
        let catalogue = Catalogue::default();
        let mail = &catalogue.of(Language::En).mail;
        let values = Values { name: Some("{lifetime}"), account: "{name}@example.com", ..VALUES };
        let phrases = phrases(mail, MailKind::ResetCode, values);
        assert_eq!(phrases["greeting"], "Hi {lifetime},");
        assert!(phrases["lead"].ends_with("for {name}@example.com."), "{}", phrases["lead"]);
    }
}
