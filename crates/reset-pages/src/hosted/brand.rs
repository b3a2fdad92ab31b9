//! Whose service it is: what a team puts on the pages.

/// What a team puts on the pages. The default puts nothing but a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// Name of the service. Default `Polyreset`.
    pub name: String,
    /// The logo as a `data:` URL, in the place of the name.
    pub logo: Option<String>,
    /// Colour of buttons and links, `#rrggbb`; white text has to be readable on it.
    pub accent: Option<Colour>,
    /// Where people get help: an address or a URL.
    pub support: Option<String>,
    /// Where people sign in: the way on after a reset.
    pub home: Option<String>,
    /// A line at the end of each page.
    pub footer: Option<String>,
    /// A style sheet behind ours.
    pub stylesheet: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: "Polyreset".to_owned(),
            logo: None,
            accent: None,
            support: None,
            home: None,
            footer: None,
            stylesheet: None,
        }
    }
}

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// Least contrast of text (WCAG 2.2, 1.4.3, level AA).
pub const CONTRAST_MIN: f64 = 4.5;

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = reset_core::encoding::unhex(text.strip_prefix('#')?)?;
        bytes.try_into().ok().map(Self)
    }

    /// The colour as a style sheet writes it.
    pub fn css(self) -> String {
        format!("#{}", reset_core::encoding::hex(&self.0))
    }

    /// The contrast between two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The same, as light as it has to be to be read on a dark page.
    #[must_use]
    pub fn on_dark(self) -> Self {
        const DARK: Colour = Colour([0x16, 0x18, 0x1d]);
        let mut colour = self;
        while colour.contrast(DARK) < CONTRAST_MIN {
            colour.0 = colour.0.map(|part| part.saturating_add(8));
        }
        colour
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        let contrast = |one: &str| Colour::parse(one).unwrap().contrast(Colour::WHITE);
        assert!((contrast("#000000") - 21.0).abs() < 0.01);
        assert!((contrast("#ffffff") - 1.0).abs() < 0.01);
        // The lightest grey that passes on white, as the guidelines' own tools say.
        assert!(contrast("#767676") >= CONTRAST_MIN && contrast("#777777") < CONTRAST_MIN);
    }

    #[test]
    fn a_colour_is_six_digits() {
        for text in ["", "#fff", "1d4ed8", "#1d4ed", "#1d4ed8ff", "#gggggg", "red"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
        assert_eq!(Colour::parse("#1D4ED8").unwrap().css(), "#1d4ed8");
    }

    #[test]
    fn on_a_dark_page_a_dark_colour_is_lighter() {
        let navy = Colour::parse("#000080").unwrap();
        assert!(navy.on_dark().contrast(Colour::parse("#16181d").unwrap()) >= CONTRAST_MIN);
        assert_eq!(Colour::WHITE.on_dark(), Colour::WHITE);
    }
}
