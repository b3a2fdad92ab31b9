//! Settings of the brand, which pages and mails share.
//!
//! Logos are read once at the start and embedded: neither a page nor a mail loads them from a server.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Result, bail};
use reset_http::module::page_url;
use reset_settings::{Key, Text, Values};
use reset_words::brand::{Brand, CONTRAST_MIN, Colour, FILE_MAX, Logo};

use super::keys;

/// Maximum length of a text of the brand, in characters.
const LINE_MAX: usize = 200;

/// Reads the brand.
pub(super) fn read(values: &Values) -> Result<Brand> {
    Ok(Brand {
        name: match line(values, &keys::BRAND_NAME)? {
            Some(name) => name,
            None => sender(&values.text(&keys::MAIL_FROM)?).unwrap_or_else(|| Brand::default().name),
        },
        logo: content_of(values, &keys::BRAND_LOGO, logo)?,
        logo_dark: content_of(values, &keys::BRAND_LOGO_DARK, logo)?,
        mail_logo: content_of(values, &keys::BRAND_MAIL_LOGO, mail_logo)?,
        mail_logo_dark: content_of(values, &keys::BRAND_MAIL_LOGO_DARK, mail_logo)?,
        accent: accent(values)?,
        support: line(values, &keys::BRAND_SUPPORT)?,
        home: match values.given_text(&keys::BRAND_HOME)? {
            None => None,
            Some(url) => {
                let expected = "an https URL without user or fragment (http only on loopback)";
                Some(page_url(&url).ok_or_else(|| values.bad(&keys::BRAND_HOME, expected))?)
            }
        },
        footer: line(values, &keys::BRAND_FOOTER)?,
        address: line(values, &keys::BRAND_ADDRESS)?,
    })
}

/// Reads one line of text.
fn line(values: &Values, key: &Key<Text>) -> Result<Option<String>> {
    let Some(text) = values.given_text(key)? else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LINE_MAX || text.chars().any(char::is_control) {
        return Err(values.bad(key, format!("a line of 1 to {LINE_MAX} characters")));
    }
    Ok(Some(text.to_owned()))
}

/// Returns the display name of a mailbox.
fn sender(from: &str) -> Option<String> {
    let (name, _) = from.split_once('<')?;
    let name = name.trim().trim_matches('"').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Reads the accent colour and checks its contrast.
fn accent(values: &Values) -> Result<Option<Colour>> {
    let Some(text) = values.given_text(&keys::BRAND_ACCENT)? else { return Ok(None) };
    let colour = Colour::parse(&text)
        .ok_or_else(|| values.bad(&keys::BRAND_ACCENT, "a colour of six hex digits such as #1d4ed8"))?;
    let contrast = colour.contrast(Colour::WHITE);
    if contrast < CONTRAST_MIN {
        let source = values.value(&keys::BRAND_ACCENT).source;
        bail!(
            "brand.accent ({source}) is {text}, whose contrast with white is {}:1: text needs {CONTRAST_MIN}:1, so \
             choose a darker colour",
            // Rounded down, so that a rejected 4.496 does not read as 4.50.
            (contrast * 100.0).floor() / 100.0
        );
    }
    Ok(Some(colour))
}

/// Reads the file that a setting names and converts it with `convert`.
pub(super) fn content_of<T>(
    values: &Values,
    key: &Key<Text>,
    convert: fn(&Path, Vec<u8>) -> Result<T, String>,
) -> Result<Option<T>> {
    let Some(path) = values.given_text(key)? else { return Ok(None) };
    let path = Path::new(&path);
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX as u64 + 1).read_to_end(&mut content));
    let converted = match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(read) if read > FILE_MAX => Err(format!("is larger than {} KiB", FILE_MAX / 1024)),
        Ok(_) => convert(path, content),
    };
    let (name, source) = (key.name, values.value(key).source);
    match converted {
        Ok(content) => Ok(Some(content)),
        Err(reason) => bail!("{name} ({source}): {} {reason}", path.display()),
    }
}

/// Returns a logo. Its content must match its file extension.
fn logo(path: &Path, content: Vec<u8>) -> Result<Logo, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Logo::read(extension, content)
}

/// Returns a logo in a format that mail programs show.
fn mail_logo(path: &Path, content: Vec<u8>) -> Result<Logo, String> {
    let logo = logo(path, content)?;
    if !logo.is_shown_in_mails() {
        return Err("must be a .png, .jpg or .jpeg file: mail programs show no other formats".to_owned());
    }
    Ok(logo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_name_is_the_display_name_of_the_sender() {
        for (from, name) in [
            ("Polyreset <no-reply@localhost>", Some("Polyreset")),
            ("\"Example, Ltd.\" <no-reply@example.org>", Some("Example, Ltd.")),
            ("no-reply@example.org", None),
            ("<no-reply@example.org>", None),
        ] {
            assert_eq!(sender(from).as_deref(), name, "{from}");
        }
    }

    #[test]
    fn logo_of_mails_must_be_a_picture_that_mail_programs_show() {
        let png = b"\x89PNG\r\n\x1a\n0".to_vec();
        assert!(mail_logo(Path::new("a.PNG"), png).is_ok());
        let svg = mail_logo(Path::new("a.svg"), b"<svg/>".to_vec());
        assert!(svg.unwrap_err().contains("mail programs show no other formats"));
    }
}
