//! The pages: whose service they say it is, and what a team puts on them.
//!
//! Files are read once, at the start, and are on the page itself afterwards: a page of ours loads nothing (R35).

use std::{fs::File, io::Read, path::Path};

use anyhow::{Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use reset_core::{keys::Keyring, language::Language, ticket::HARD_CAP};
use reset_pages::hosted::{
    PagesSettings,
    brand::{Brand, CONTRAST_MIN, Colour},
};

use super::{http::page_url, password::PasswordSettings, value::Values};

/// Largest logo and largest style sheet, in bytes.
const FILE_MAX: u64 = 64 * 1024;
/// Longest text on each page, in characters.
const LINE_MAX: usize = 200;

/// What the pages are told; nothing where there are none.
pub(super) fn read(
    values: &Values,
    passwords: &PasswordSettings,
    public_url: &str,
    roots: &Keyring,
) -> Result<Option<PagesSettings>> {
    // Read where there are none, too: a mistake is told when it is made.
    let settings = PagesSettings {
        public_url: public_url.to_owned(),
        token_ttl: values.duration("pages.token_ttl", HARD_CAP)?,
        tags: roots.derive("pages.tags"),
        policy: passwords.policy,
        language: language(values)?,
        brand: brand(values)?,
    };
    if values.boolean("pages.enabled")? {
        return Ok(Some(settings));
    }
    for dialect in ["worthai", "strapi"] {
        let (enabled, page) = (format!("{dialect}.enabled"), format!("{dialect}.page_url"));
        if values.boolean(&enabled)? && !values.is_given(&page) {
            let source = values.value("pages.enabled").source;
            bail!(
                "pages.enabled is false ({source}), so mailed links of {dialect} would lead nowhere: set {page} to \
                 your own page, or {enabled} to false"
            );
        }
    }
    Ok(None)
}

fn language(values: &Values) -> Result<Language> {
    let known = Language::ALL.map(Language::primary).join(", ");
    values.read("pages.language", &format!("a language that there are texts in: {known}"), Language::of)
}

fn brand(values: &Values) -> Result<Brand> {
    Ok(Brand {
        name: match line(values, "pages.name")? {
            Some(name) => name,
            None => sender(&values.text("mail_from")?).unwrap_or_else(|| Brand::default().name),
        },
        logo: text_of(values, "pages.logo", logo)?,
        accent: accent(values)?,
        support: line(values, "pages.support")?,
        home: match values.given_text("pages.home")? {
            None => None,
            Some(url) => {
                let expected = "an https URL without user or fragment (http only on loopback)";
                Some(page_url(&url).ok_or_else(|| values.bad("pages.home", expected))?)
            }
        },
        footer: line(values, "pages.footer")?,
        stylesheet: text_of(values, "pages.stylesheet", stylesheet)?,
    })
}

/// A line of text for people.
fn line(values: &Values, name: &str) -> Result<Option<String>> {
    let Some(text) = values.given_text(name)? else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LINE_MAX || text.chars().any(char::is_control) {
        return Err(values.bad(name, format!("a line of 1 to {LINE_MAX} characters")));
    }
    Ok(Some(text.to_owned()))
}

/// The display name of a mailbox.
fn sender(from: &str) -> Option<String> {
    let (name, _) = from.split_once('<')?;
    let name = name.trim().trim_matches('"').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Buttons and links in a colour that can be read.
fn accent(values: &Values) -> Result<Option<Colour>> {
    let Some(text) = values.given_text("pages.accent")? else { return Ok(None) };
    let colour = Colour::parse(&text)
        .ok_or_else(|| values.bad("pages.accent", "a colour of six digits such as #1d4ed8"))?;
    let contrast = colour.contrast(Colour::WHITE);
    if contrast < CONTRAST_MIN {
        let source = values.value("pages.accent").source;
        bail!(
            "pages.accent ({source}) is {text}, whose contrast with white is {}:1: text needs {CONTRAST_MIN}:1, so \
             choose a darker one",
            // Rounded down: what is refused for 4.496 is not to read as 4.50.
            (contrast * 100.0).floor() / 100.0
        );
    }
    Ok(Some(colour))
}

/// What `judge` makes of the file that a setting names.
fn text_of(
    values: &Values,
    name: &str,
    judge: fn(&Path, Vec<u8>) -> Result<String, String>,
) -> Result<Option<String>> {
    let Some(path) = values.given_text(name)? else { return Ok(None) };
    let path = Path::new(&path);
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content));
    let judged = match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(read) if read as u64 > FILE_MAX => Err(format!("is larger than {} KiB", FILE_MAX / 1024)),
        Ok(_) => judge(path, content),
    };
    let source = values.value(name).source;
    match judged {
        Ok(text) => Ok(Some(text)),
        Err(reason) => bail!("{name} ({source}): {} {reason}", path.display()),
    }
}

/// Whether lower-case markup has something like an attribute `onload=`.
fn handles_events(markup: &str) -> bool {
    markup.match_indices("on").any(|(at, _)| {
        let apart = markup[..at].ends_with(|before: char| before.is_whitespace() || "\"'/".contains(before));
        let behind = markup[at..].trim_start_matches(|name: char| name.is_ascii_alphabetic()).trim_start();
        apart && behind.starts_with('=')
    })
}

/// A picture as a `data:` URL. Its content has to be what its name says.
fn logo(path: &Path, content: Vec<u8>) -> Result<String, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let (kind, fits) = match extension.to_ascii_lowercase().as_str() {
        "png" => ("image/png", content.starts_with(b"\x89PNG\r\n\x1a\n")),
        "jpg" | "jpeg" => ("image/jpeg", content.starts_with(b"\xff\xd8\xff")),
        "webp" => ("image/webp", content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP")),
        "svg" => {
            let text = std::str::from_utf8(&content).map_err(|_| "is no UTF-8 text".to_owned())?;
            let text = text.to_ascii_lowercase();
            // A picture in an <img> runs nothing, but whoever saves and opens it would.
            for active in ["<script", "<foreignobject", "<!entity"] {
                if text.contains(active) {
                    return Err(format!("contains {active}, which a logo does not need"));
                }
            }
            if text.contains("javascript:") || handles_events(&text) {
                return Err("contains a script in an attribute, which a logo does not need".to_owned());
            }
            ("image/svg+xml", text.contains("<svg"))
        }
        _ => return Err("is none of .png, .svg, .webp, .jpg and .jpeg".to_owned()),
    };
    if !fits {
        return Err(format!("is no {kind}"));
    }
    Ok(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(content)))
}

/// A style sheet that stays one, and loads nothing. Browsers read `u\72l(` as `url(`, so backslashes are judged, too.
fn stylesheet(_: &Path, content: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(content).map_err(|_| "is no UTF-8 text".to_owned())?;
    let folded = text.to_ascii_lowercase();
    for loading in ["</style", "<!--", "@import", "url(", "image-set(", "src("] {
        if folded.contains(loading) {
            return Err(format!("contains {loading}, and a page of ours loads nothing and stays a page"));
        }
    }
    if text.contains(['\\', '\0']) {
        return Err("contains a backslash or NUL: write the characters themselves".to_owned());
    }
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_senders() {
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
    fn a_logo_is_the_picture_that_its_name_says_and_does_nothing() {
        let judged = |name: &str, content: &[u8]| logo(Path::new(name), content.to_vec());
        assert_eq!(judged("a.svg", b"<svg/>").unwrap(), "data:image/svg+xml;base64,PHN2Zy8+");
        assert!(judged("a.PNG", b"\x89PNG\r\n\x1a\n0").unwrap().starts_with("data:image/png;base64,"));
        assert!(judged("a.jpg", b"\xff\xd8\xff\xe0").is_ok());
        assert!(judged("a.webp", b"RIFF\0\0\0\0WEBPVP8 ").is_ok());
        for (name, content, reason) in [
            ("a.png", &b"<svg/>"[..], "is no image/png"),
            ("a.gif", b"GIF89a", "is none of"),
            ("a", b"<svg/>", "is none of"),
            ("a.svg", b"<svg><Script>x</Script></svg>", "contains <script"),
            ("a.svg", b"<svg\nonLoad = 'x'/>", "contains a script in an attribute"),
            ("a.svg", b"<svg id=\"a\"onload='x'/>", "contains a script in an attribute"),
            ("a.svg", b"<svg><a href='JavaScript:x'/></svg>", "contains a script in an attribute"),
            ("a.svg", b"<svg><foreignObject/></svg>", "contains <foreignobject"),
            ("a.svg", b"<html>", "is no image/svg+xml"),
            ("a.svg", b"\xff<svg/>", "UTF-8"),
        ] {
            assert!(judged(name, content).unwrap_err().contains(reason), "{name}: {reason}");
        }
    }

    #[test]
    fn a_style_sheet_loads_nothing_and_does_not_end_its_element() {
        let judged = |text: &str| stylesheet(Path::new("a.css"), text.as_bytes().to_vec());
        assert_eq!(judged("\u{feff}h1 { color: red; }\r\n").unwrap(), "h1 { color: red; }\n");
        for text in [
            "a{}</STYLE><script>",
            "@Import 'x';",
            "a { background: URL(https://example.org/x) }",
            "a { background: u\\72l(https://example.org/x) }",
            "a { background: image-set('x' 1x) }",
        ] {
            assert!(judged(text).is_err(), "{text}");
        }
    }
}
