//! Settings of the hosted pages: language, lifetimes and an additional style sheet. The brand is in `brand.rs`.
//!
//! Files are read once at the start and embedded in the page: a hosted page loads no other resource (R35).

use std::path::Path;

use anyhow::Result;
use reset_core::{email::EmailAddress, keys::Keyring, language::Language, ticket::HARD_CAP};
use reset_pages::hosted::{PagesSettings, brand::Brand};
use reset_settings::Values;
use url::Url;

use super::{brand::content_of, keys, password::PasswordSettings};

/// Reads the settings of the pages; `None` if they are disabled.
pub(super) fn read(
    values: &Values,
    passwords: &PasswordSettings,
    brand: &Brand,
    public_url: &str,
    roots: &Keyring,
) -> Result<Option<PagesSettings>> {
    // Read them even if the pages are disabled, so that a mistake shows at once.
    let settings = PagesSettings {
        public_url: public_url.to_owned(),
        token_ttl: values.duration(&keys::PAGES_TOKEN_TTL, HARD_CAP)?,
        tags: roots.derive("pages.tags"),
        policy: passwords.policy,
        language: language(values)?,
        brand: brand.clone(),
        stylesheet: content_of(values, &keys::PAGES_STYLESHEET, stylesheet)?,
        security_contact: security_contact(values)?,
    };
    Ok(values.boolean(&keys::PAGES_ENABLED)?.then_some(settings))
}

fn language(values: &Values) -> Result<Language> {
    let known = Language::ALL.map(Language::primary).join(", ");
    values.read(&keys::PAGES_LANGUAGE, &format!("a supported language: {known}"), Language::of)
}

/// Reads the contact for security reports, as a URL (RFC 9116, 2.5.3).
fn security_contact(values: &Values) -> Result<Option<String>> {
    let Some(contact) = values.given_text(&keys::PAGES_SECURITY_CONTACT)? else { return Ok(None) };
    let plain = contact.bytes().all(|byte| byte.is_ascii_graphic());
    let url = contact.starts_with("https://") && Url::parse(&contact).is_ok();
    match EmailAddress::parse(&contact) {
        _ if plain && url => Ok(Some(contact)),
        Ok(_) if plain && !contact.contains(':') => Ok(Some(format!("mailto:{contact}"))),
        _ => Err(values.bad(&keys::PAGES_SECURITY_CONTACT, "a mail address or an https URL")),
    }
}

/// Returns the style sheet if it loads no resource and cannot end its element. Backslashes are rejected, because browsers
/// read `u\72l(` as `url(`.
fn stylesheet(_: &Path, content: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(content).map_err(|_| "is not UTF-8 text".to_owned())?;
    let folded = text.to_ascii_lowercase();
    for loading in ["</style", "<!--", "@import", "url(", "image-set(", "src("] {
        if folded.contains(loading) {
            return Err(format!(
                "contains {loading}, which is not allowed: hosted pages load no other resource"
            ));
        }
    }
    if text.contains(['\\', '\0']) {
        return Err("contains a backslash or NUL: write the characters without escapes".to_owned());
    }
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_sheet_that_loads_resources_or_ends_its_element_is_rejected() {
        let converted = |text: &str| stylesheet(Path::new("a.css"), text.as_bytes().to_vec());
        assert_eq!(converted("\u{feff}h1 { color: red; }\r\n").unwrap(), "h1 { color: red; }\n");
        for text in [
            "a{}</STYLE><script>",
            "@Import 'x';",
            "a { background: URL(https://example.org/x) }",
            "a { background: u\\72l(https://example.org/x) }",
            "a { background: image-set('x' 1x) }",
        ] {
            assert!(converted(text).is_err(), "{text}");
        }
    }
}
