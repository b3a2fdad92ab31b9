//! The style sheet of the hosted pages, and the Content-Security-Policy that allows it.

use std::fmt::Write;

use http::HeaderValue;

use super::{brand::Brand, shell::mark};
use crate::html::source;

const STYLE: &str = include_str!("pages.css");
pub(super) const SCRIPT: &str = include_str!("pages.js");

/// Concatenates the style sheet: the built-in one, the accent colour and the configured style sheet.
pub(super) fn style(brand: &Brand, stylesheet: Option<&str>) -> String {
    let mut style = STYLE.to_owned();
    if let Some(accent) = brand.accent {
        let (light, dark) = (accent.css(), accent.on_dark().css());
        let _ = write!(
            style,
            ":root {{ --accent: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
        );
    }
    style.push_str(stylesheet.unwrap_or_default());
    style
}

/// Draws the icon of the browser tab: the first letter of the service's name on its accent colour.
pub(super) fn icon(brand: &Brand) -> String {
    let accent = brand.accent().css();
    // A letter or a digit, so it needs no escaping.
    let letter = mark(&brand.name);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"8\" \
         fill=\"{accent}\"/><text x=\"16\" y=\"22.5\" text-anchor=\"middle\" fill=\"#ffffff\" font-size=\"19\" \
         font-weight=\"700\" font-family=\"system-ui,sans-serif\">{letter}</text></svg>"
    )
}

/// Builds the Content-Security-Policy of the pages: only the inline style sheet and script, images from `data:` URLs,
/// forms and requests to this server, and no framing (R35).
pub(super) fn policy(style: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
        source(style),
        source(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::hosted::brand::{CONTRAST_MIN, Colour};

    /// Returns the custom properties of the light or dark mode; the last declaration of each wins.
    fn colours(style: &str, dark: bool) -> HashMap<String, Colour> {
        let mut colours = HashMap::new();
        for line in style.lines().filter(|line| line.contains(":root {")) {
            if line.starts_with("@media") && !dark {
                continue;
            }
            for (name, value) in line.split(['{', ';']).filter_map(|part| part.split_once(": ")) {
                if let Some(colour) = Colour::parse(value) {
                    colours.insert(name.trim().to_owned(), colour);
                }
            }
        }
        colours
    }

    #[test]
    fn every_colour_pair_has_enough_contrast_in_light_and_dark_mode_with_any_accent() {
        let accents =
            [None, Some("#767676"), Some("#000000"), Some("#000080"), Some("#c40000"), Some("#7a1fa2")];
        for accent in accents {
            let brand = Brand { accent: accent.and_then(Colour::parse), ..Brand::default() };
            for dark in [false, true] {
                let colours = colours(&style(&brand, None), dark);
                let colour = |name: &str| *colours.get(name).unwrap_or_else(|| panic!("{name}"));
                let contrast = |one: &str, other: &str| colour(one).contrast(colour(other));
                for (one, other, minimum) in [
                    ("--text", "--page", CONTRAST_MIN),
                    ("--text", "--card", CONTRAST_MIN),
                    ("--text", "--field", CONTRAST_MIN),
                    ("--text", "--neutral-page", CONTRAST_MIN),
                    ("--soft", "--page", CONTRAST_MIN),
                    ("--soft", "--card", CONTRAST_MIN),
                    ("--soft", "--neutral-page", CONTRAST_MIN),
                    ("--accent", "--card", CONTRAST_MIN),
                    ("--on-accent", "--accent", CONTRAST_MIN),
                    ("--on-accent", "--fault", CONTRAST_MIN),
                    ("--fault", "--card", CONTRAST_MIN),
                    ("--fault", "--fault-page", CONTRAST_MIN),
                    ("--good", "--card", CONTRAST_MIN),
                    // Non-text contrast (WCAG 2.2, 1.4.11).
                    ("--line", "--card", 3.0),
                    ("--line", "--field", 3.0),
                    ("--accent", "--page", 3.0),
                    ("--good", "--good-page", 3.0),
                    ("--warn", "--card", 3.0),
                    ("--warn", "--warn-page", 3.0),
                ] {
                    let ratio = contrast(one, other);
                    assert!(ratio >= minimum, "{accent:?}, dark {dark}: {one} on {other} is {ratio:.2}:1");
                }
            }
        }
    }
}
