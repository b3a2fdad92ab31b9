//! How the pages look, and the policy that lets a browser use just that.

use std::fmt::Write;

use http::HeaderValue;

use super::brand::Brand;
use crate::html::source;

const STYLE: &str = include_str!("pages.css");
pub(super) const SCRIPT: &str = include_str!("pages.js");

/// The style sheet as it is served: ours, the team's colour, the team's own.
pub(super) fn style(brand: &Brand) -> String {
    let mut style = STYLE.to_owned();
    if let Some(accent) = brand.accent {
        let (light, dark) = (accent.css(), accent.on_dark().css());
        let _ = write!(
            style,
            ":root {{ --accent: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
        );
    }
    style.push_str(brand.stylesheet.as_deref().unwrap_or_default());
    style
}

/// Nothing is loaded but what is on the page itself; forms lead to us, and so does what the script asks; nobody frames it
/// (R35).
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

    /// The colours of a mode: the last word about each.
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
    fn everything_can_be_read_in_light_and_in_dark_whatever_the_accent() {
        let accents =
            [None, Some("#767676"), Some("#000000"), Some("#000080"), Some("#c40000"), Some("#7a1fa2")];
        for accent in accents {
            let brand = Brand { accent: accent.and_then(Colour::parse), ..Brand::default() };
            for dark in [false, true] {
                let colours = colours(&style(&brand), dark);
                let colour = |name: &str| *colours.get(name).unwrap_or_else(|| panic!("{name}"));
                let contrast = |one: &str, other: &str| colour(one).contrast(colour(other));
                for (one, other, least) in [
                    ("--text", "--page", CONTRAST_MIN),
                    ("--soft", "--page", CONTRAST_MIN),
                    ("--accent", "--page", CONTRAST_MIN),
                    ("--on-accent", "--accent", CONTRAST_MIN),
                    ("--on-accent", "--fault", CONTRAST_MIN),
                    ("--text", "--fault-page", CONTRAST_MIN),
                    // What is no text (WCAG 2.2, 1.4.11).
                    ("--line", "--page", 3.0),
                    ("--fault", "--page", 3.0),
                    ("--fault", "--fault-page", 3.0),
                ] {
                    let seen = contrast(one, other);
                    assert!(seen >= least, "{accent:?}, dark {dark}: {one} on {other} is {seen:.2}:1");
                }
            }
        }
    }
}
