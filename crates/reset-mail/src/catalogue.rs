//! Fills in the phrases of a mail. The phrases themselves come from `reset-words`.

use std::collections::BTreeMap;

use reset_words::{MailPhrases, Phrases};

use crate::mail_kind::MailKind;

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
    key == "greeting" || of(mail, kind).contains_key(key)
}

/// Returns the phrases for one mail, with lifetime and name filled in. The name is inserted last, so that
/// placeholders in it are not expanded.
pub(crate) fn phrases<'a>(
    mail: &'a MailPhrases,
    kind: MailKind,
    name: Option<&str>,
    lifetime: Option<&str>,
) -> BTreeMap<&'a str, String> {
    let filled = |phrase: &str| phrase.replace("{lifetime}", lifetime.unwrap_or_default());
    let mut phrases: BTreeMap<&str, String> =
        of(mail, kind).iter().map(|(key, phrase)| (key.as_str(), filled(phrase))).collect();
    let greeting = match name {
        Some(name) => mail.greeting_named.replace("{name}", name),
        None => mail.greeting.clone(),
    };
    phrases.insert("greeting", greeting);
    phrases
}

#[cfg(test)]
mod tests {
    use reset_core::language::Language;
    use reset_words::Catalogue;

    use super::*;

    #[test]
    fn every_language_has_every_phrase_and_fills_all_placeholders() {
        let catalogue = Catalogue::default();
        let english = &catalogue.of(Language::En).mail;
        for language in Language::ALL {
            let mail = &catalogue.of(language).mail;
            for kind in MailKind::ALL {
                let keys = |mail: &MailPhrases| of(mail, kind).keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(mail), keys(english), "{language:?} {}", kind.name());
                for (key, phrase) in phrases(mail, kind, Some("Ada"), Some("LIFE")) {
                    assert!(!phrase.trim().is_empty(), "{language:?} {key}");
                    assert_eq!(phrase.trim(), phrase, "{language:?} {key}");
                    assert!(!phrase.contains(['{', '}', '\n', '\r', '<']), "{language:?} {key}: {phrase}");
                    let states_lifetime = key == "terms";
                    assert_eq!(phrase.contains("LIFE"), states_lifetime, "{language:?} {key}");
                    assert_eq!(phrase.contains("Ada"), key == "greeting", "{language:?} {key}");
                }
            }
        }
    }

    #[test]
    fn placeholder_in_a_name_is_not_expanded() {
        let catalogue = Catalogue::default();
        let mail = &catalogue.of(Language::En).mail;
        let phrases = phrases(mail, MailKind::ResetCode, Some("{lifetime}"), Some("15 minutes"));
        assert_eq!(phrases["greeting"], "Hello {lifetime},");
    }
}
