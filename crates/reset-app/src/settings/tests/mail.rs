//! How mail leaves, and in which language.

use super::{environment, sentence};

#[test]
fn a_language_without_texts_is_no_default() {
    assert_eq!(environment(&[]).unwrap().mail.locale, "en");
    assert_eq!(environment(&[("RESET_MAIL__LOCALE", "de-CH")]).unwrap().mail.locale, "de-CH");
    assert_eq!(
        sentence(environment(&[("RESET_MAIL__LOCALE", "it")])),
        "mail.locale (RESET_MAIL__LOCALE) is \"it\"; expected a language that there are texts in: en, de, es, fr, ja, zh"
    );
}
