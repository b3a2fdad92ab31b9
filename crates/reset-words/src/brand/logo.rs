//! Logos: pictures that pages and mails embed.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};

/// Maximum size of a logo in bytes. It is part of every page and every mail.
pub const FILE_MAX: usize = 64 * 1024;

/// A logo. Its content was checked against its format, and contains no script.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    media_type: &'static str,
    content: Vec<u8>,
    data_url: String,
    size: Option<(usize, usize)>,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} bytes)", self.media_type, self.content.len())
    }
}

impl Logo {
    /// Reads a logo from the content of a file with this extension: `png`, `svg`, `webp`, `jpg` or `jpeg`, in any case.
    ///
    /// # Errors
    /// Returns the end of a sentence about the file, such as `is not image/png`.
    pub fn read(extension: &str, content: Vec<u8>) -> Result<Self, String> {
        if content.len() > FILE_MAX {
            return Err(format!("is larger than {} KiB", FILE_MAX / 1024));
        }
        let (media_type, fits) = match extension.to_ascii_lowercase().as_str() {
            "png" => ("image/png", content.starts_with(b"\x89PNG\r\n\x1a\n")),
            "jpg" | "jpeg" => ("image/jpeg", content.starts_with(b"\xff\xd8\xff")),
            "webp" => ("image/webp", content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP")),
            "svg" => ("image/svg+xml", harmless_svg(&content)?),
            _ => return Err("must be a .png, .svg, .webp, .jpg or .jpeg file".to_owned()),
        };
        if !fits {
            return Err(format!("is not {media_type}"));
        }
        let data_url = format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(&content));
        let size = imagesize::blob_size(&content).ok().map(|size| (size.width, size.height));
        let size = size.filter(|(width, height)| *width > 0 && *height > 0);
        Ok(Self { media_type, content, data_url, size })
    }

    /// Returns the media type, such as `image/png`.
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Returns the content of the file.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the logo as a `data:` URL.
    pub fn data_url(&self) -> &str {
        &self.data_url
    }

    /// Returns width and height in pixels; `None` for SVG, and if the file does not say.
    pub fn size(&self) -> Option<(usize, usize)> {
        self.size
    }

    /// Returns whether mail programs show the format: PNG and JPEG. Gmail and Outlook show neither SVG nor WebP.
    pub fn is_shown_in_mails(&self) -> bool {
        matches!(self.media_type, "image/png" | "image/jpeg")
    }
}

/// Returns whether the content is an SVG picture.
///
/// # Errors
/// Fails if it contains a script. A browser runs no scripts of an SVG in an `<img>`, but does so once a user has saved and
/// opened the picture.
fn harmless_svg(content: &[u8]) -> Result<bool, String> {
    let text = std::str::from_utf8(content).map_err(|_| "is not UTF-8 text".to_owned())?;
    let text = text.to_ascii_lowercase();
    for active in ["<script", "<foreignobject", "<!entity"] {
        if text.contains(active) {
            return Err(format!("contains {active}, which is not allowed in a logo"));
        }
    }
    if text.contains("javascript:") || handles_events(&text) {
        return Err("contains a script in an attribute, which is not allowed in a logo".to_owned());
    }
    Ok(text.contains("<svg"))
}

/// Whether lower-case markup has an event-handler attribute such as `onload=`.
fn handles_events(markup: &str) -> bool {
    markup.match_indices("on").any(|(at, _)| {
        let apart = markup[..at].ends_with(|before: char| before.is_whitespace() || "\"'/".contains(before));
        let behind = markup[at..].trim_start_matches(|name: char| name.is_ascii_alphabetic()).trim_start();
        apart && behind.starts_with('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logo_must_match_its_extension_and_contain_no_script() {
        let read = |extension: &str, content: &[u8]| Logo::read(extension, content.to_vec());
        assert_eq!(read("svg", b"<svg/>").unwrap().data_url(), "data:image/svg+xml;base64,PHN2Zy8+");
        assert_eq!(read("PNG", b"\x89PNG\r\n\x1a\n0").unwrap().media_type(), "image/png");
        assert!(read("jpg", b"\xff\xd8\xff\xe0").is_ok());
        assert!(read("webp", b"RIFF\0\0\0\0WEBPVP8 ").is_ok());
        for (extension, content, reason) in [
            ("png", &b"<svg/>"[..], "is not image/png"),
            ("gif", b"GIF89a", "must be a .png"),
            ("", b"<svg/>", "must be a .png"),
            ("svg", b"<svg><Script>x</Script></svg>", "contains <script"),
            ("svg", b"<svg\nonLoad = 'x'/>", "contains a script in an attribute"),
            ("svg", b"<svg id=\"a\"onload='x'/>", "contains a script in an attribute"),
            ("svg", b"<svg><a href='JavaScript:x'/></svg>", "contains a script in an attribute"),
            ("svg", b"<svg><foreignObject/></svg>", "contains <foreignobject"),
            ("svg", b"<html>", "is not image/svg+xml"),
            ("svg", b"\xff<svg/>", "UTF-8"),
        ] {
            assert!(read(extension, content).unwrap_err().contains(reason), "{extension}: {reason}");
        }
        let large = read("svg", "<svg>".repeat(FILE_MAX).as_bytes());
        assert_eq!(large.unwrap_err(), "is larger than 64 KiB");
    }

    #[test]
    fn size_is_read_from_the_file() {
        let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x40\0\0\0\x50\x08\x06\0\0\0";
        assert_eq!(Logo::read("png", header.to_vec()).unwrap().size(), Some((320, 80)));
        assert_eq!(Logo::read("svg", b"<svg/>".to_vec()).unwrap().size(), None);
    }
}
