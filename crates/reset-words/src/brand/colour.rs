//! Colours in sRGB, and their contrast.

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// Minimum contrast ratio of text (WCAG 2.2, 1.4.3, level AA).
pub const CONTRAST_MIN: f64 = 4.5;

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Background of cards in dark mode, and text on the accent there.
    pub const DARK: Self = Self([0x16, 0x18, 0x1d]);

    /// Creates a colour of its red, green and blue parts.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Parses `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = reset_core::encoding::unhex(text.strip_prefix('#')?)?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns the colour in CSS notation, `#rrggbb`.
    pub fn css(self) -> String {
        format!("#{}", reset_core::encoding::hex(&self.0))
    }

    /// Returns the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Returns the colour, lightened until it is readable on [`Self::DARK`].
    #[must_use]
    pub fn on_dark(self) -> Self {
        let mut colour = self;
        while colour.contrast(Self::DARK) < CONTRAST_MIN {
            colour.0 = colour.0.map(|part| part.saturating_add(8));
        }
        colour
    }

    /// Returns the relative luminance (WCAG 2.2).
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
    fn contrast_ratio_matches_wcag() {
        let contrast = |one: &str| Colour::parse(one).unwrap().contrast(Colour::WHITE);
        assert!((contrast("#000000") - 21.0).abs() < 0.01);
        assert!((contrast("#ffffff") - 1.0).abs() < 0.01);
        // #767676 is the lightest grey that passes on white, according to the WCAG tools.
        assert!(contrast("#767676") >= CONTRAST_MIN && contrast("#777777") < CONTRAST_MIN);
    }

    #[test]
    fn only_six_hex_digits_parse_as_a_colour() {
        for text in ["", "#fff", "1d4ed8", "#1d4ed", "#1d4ed8ff", "#gggggg", "red"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
        assert_eq!(Colour::parse("#1D4ED8").unwrap().css(), "#1d4ed8");
    }

    #[test]
    fn dark_colour_is_lightened_for_dark_mode() {
        let navy = Colour::parse("#000080").unwrap();
        assert!(navy.on_dark().contrast(Colour::parse("#16181d").unwrap()) >= CONTRAST_MIN);
        assert_eq!(Colour::WHITE.on_dark(), Colour::WHITE);
    }
}
