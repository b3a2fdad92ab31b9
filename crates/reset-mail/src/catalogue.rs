//! What mails say, with what is to be put into it. The phrases themselves are those of `reset-words`.

use std::collections::BTreeMap;

use reset_words::{MailPhrases, Phrases};

use crate::mail_kind::MailKind;

/// The phrases for mails of this kind.
fn of(mail: &MailPhrases, kind: MailKind) -> &Phrases {
    match kind {
        MailKind::ResetCode => &mail.reset_code,
        MailKind::ResetLink => &mail.reset_link,
        MailKind::PasswordChanged => &mail.password_changed,
    }
}

/// Whether there is such a phrase for mails of this kind.
pub(crate) fn has(mail: &MailPhrases, kind: MailKind, key: &str) -> bool {
    key == "greeting" || of(mail, kind).contains_key(key)
}

/// The phrases for one mail, with what is to be put into them. The name comes last: what is in it is not
/// looked at again.
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
    fn every_language_has_every_phrase_and_none_is_empty_or_half_filled() {
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
                    let wants_life = key == "terms";
                    assert_eq!(phrase.contains("LIFE"), wants_life, "{language:?} {key}");
                    assert_eq!(phrase.contains("Ada"), key == "greeting", "{language:?} {key}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_looks_like_a_phrase_is_put_in_as_it_is() {
        let catalogue = Catalogue::default();
        let mail = &catalogue.of(Language::En).mail;
        let phrases = phrases(mail, MailKind::ResetCode, Some("{lifetime}"), Some("15 minutes"));
        assert_eq!(phrases["greeting"], "Hello {lifetime},");
    }
}
