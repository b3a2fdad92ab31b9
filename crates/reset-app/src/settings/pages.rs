//! Settings of the hosted pages: branding, language and lifetimes.
//!
//! Files are read once at the start and embedded in the page: a hosted page loads no other resource (R35).

use std::{fs::File, io::Read, path::Path};

use anyhow::{Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use reset_core::{keys::Keyring, language::Language, ticket::HARD_CAP};
use reset_pages::hosted::{
    PagesSettings,
    brand::{Brand, CONTRAST_MIN, Colour},
};

use reset_http::module::page_url;
use reset_settings::{Key, Text, Values};

use super::{keys, password::PasswordSettings};

/// Maximum size of the logo and of the style sheet, in bytes.
const FILE_MAX: u64 = 64 * 1024;
/// Maximum length of a branding text, in characters.
const LINE_MAX: usize = 200;

/// Reads the settings of the pages; `None` if they are disabled.
pub(super) fn read(
    values: &Values,
    passwords: &PasswordSettings,
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
        brand: brand(values)?,
    };
    Ok(values.boolean(&keys::PAGES_ENABLED)?.then_some(settings))
}

fn language(values: &Values) -> Result<Language> {
    let known = Language::ALL.map(Language::primary).join(", ");
    values.read(&keys::PAGES_LANGUAGE, &format!("a supported language: {known}"), Language::of)
}

fn brand(values: &Values) -> Result<Brand> {
    Ok(Brand {
        name: match line(values, &keys::PAGES_NAME)? {
            Some(name) => name,
            None => sender(&values.text(&keys::MAIL_FROM)?).unwrap_or_else(|| Brand::default().name),
        },
        logo: text_of(values, &keys::PAGES_LOGO, logo)?,
        accent: accent(values)?,
        support: line(values, &keys::PAGES_SUPPORT)?,
        home: match values.given_text(&keys::PAGES_HOME)? {
            None => None,
            Some(url) => {
                let expected = "an https URL without user or fragment (http only on loopback)";
                Some(page_url(&url).ok_or_else(|| values.bad(&keys::PAGES_HOME, expected))?)
            }
        },
        footer: line(values, &keys::PAGES_FOOTER)?,
        stylesheet: text_of(values, &keys::PAGES_STYLESHEET, stylesheet)?,
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
    let Some(text) = values.given_text(&keys::PAGES_ACCENT)? else { return Ok(None) };
    let colour = Colour::parse(&text)
        .ok_or_else(|| values.bad(&keys::PAGES_ACCENT, "a colour of six hex digits such as #1d4ed8"))?;
    let contrast = colour.contrast(Colour::WHITE);
    if contrast < CONTRAST_MIN {
        let source = values.value(&keys::PAGES_ACCENT).source;
        bail!(
            "pages.accent ({source}) is {text}, whose contrast with white is {}:1: text needs {CONTRAST_MIN}:1, so \
             choose a darker colour",
            // Rounded down, so that a rejected 4.496 does not read as 4.50.
            (contrast * 100.0).floor() / 100.0
        );
    }
    Ok(Some(colour))
}

/// Reads the file that a setting names and converts it with `convert`.
fn text_of(
    values: &Values,
    key: &Key<Text>,
    convert: fn(&Path, Vec<u8>) -> Result<String, String>,
) -> Result<Option<String>> {
    let Some(path) = values.given_text(key)? else { return Ok(None) };
    let path = Path::new(&path);
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content));
    let converted = match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(read) if read as u64 > FILE_MAX => Err(format!("is larger than {} KiB", FILE_MAX / 1024)),
        Ok(_) => convert(path, content),
    };
    let (name, source) = (key.name, values.value(key).source);
    match converted {
        Ok(text) => Ok(Some(text)),
        Err(reason) => bail!("{name} ({source}): {} {reason}", path.display()),
    }
}

/// Whether lower-case markup has an event-handler attribute such as `onload=`.
fn handles_events(markup: &str) -> bool {
    markup.match_indices("on").any(|(at, _)| {
        let apart = markup[..at].ends_with(|before: char| before.is_whitespace() || "\"'/".contains(before));
        let behind = markup[at..].trim_start_matches(|name: char| name.is_ascii_alphabetic()).trim_start();
        apart && behind.starts_with('=')
    })
}

/// Returns a picture as a `data:` URL. Its content must match its file extension.
fn logo(path: &Path, content: Vec<u8>) -> Result<String, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let (kind, fits) = match extension.to_ascii_lowercase().as_str() {
        "png" => ("image/png", content.starts_with(b"\x89PNG\r\n\x1a\n")),
        "jpg" | "jpeg" => ("image/jpeg", content.starts_with(b"\xff\xd8\xff")),
        "webp" => ("image/webp", content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP")),
        "svg" => {
            let text = std::str::from_utf8(&content).map_err(|_| "is not UTF-8 text".to_owned())?;
            let text = text.to_ascii_lowercase();
            // An SVG in an <img> runs no scripts, but one that a user saves and opens does.
            for active in ["<script", "<foreignobject", "<!entity"] {
                if text.contains(active) {
                    return Err(format!("contains {active}, which is not allowed in a logo"));
                }
            }
            if text.contains("javascript:") || handles_events(&text) {
                return Err("contains a script in an attribute, which is not allowed in a logo".to_owned());
            }
            ("image/svg+xml", text.contains("<svg"))
        }
        _ => return Err("must be a .png, .svg, .webp, .jpg or .jpeg file".to_owned()),
    };
    if !fits {
        return Err(format!("is not {kind}"));
    }
    Ok(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(content)))
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
    fn logo_must_match_its_extension_and_contain_no_script() {
        let converted = |name: &str, content: &[u8]| logo(Path::new(name), content.to_vec());
        assert_eq!(converted("a.svg", b"<svg/>").unwrap(), "data:image/svg+xml;base64,PHN2Zy8+");
        assert!(converted("a.PNG", b"\x89PNG\r\n\x1a\n0").unwrap().starts_with("data:image/png;base64,"));
        assert!(converted("a.jpg", b"\xff\xd8\xff\xe0").is_ok());
        assert!(converted("a.webp", b"RIFF\0\0\0\0WEBPVP8 ").is_ok());
        for (name, content, reason) in [
            ("a.png", &b"<svg/>"[..], "is not image/png"),
            ("a.gif", b"GIF89a", "must be a .png"),
            ("a", b"<svg/>", "must be a .png"),
            ("a.svg", b"<svg><Script>x</Script></svg>", "contains <script"),
            ("a.svg", b"<svg\nonLoad = 'x'/>", "contains a script in an attribute"),
            ("a.svg", b"<svg id=\"a\"onload='x'/>", "contains a script in an attribute"),
            ("a.svg", b"<svg><a href='JavaScript:x'/></svg>", "contains a script in an attribute"),
            ("a.svg", b"<svg><foreignObject/></svg>", "contains <foreignobject"),
            ("a.svg", b"<html>", "is not image/svg+xml"),
            ("a.svg", b"\xff<svg/>", "UTF-8"),
        ] {
            assert!(converted(name, content).unwrap_err().contains(reason), "{name}: {reason}");
        }
    }

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
