//! The brand of a deployment: what pages and mails are called and how they look.
//!
//! Pages and mails show the same [`Brand`], so that a person recognises one in the other.

mod colour;
mod logo;

pub use self::{
    colour::{CONTRAST_MIN, Colour},
    logo::{FILE_MAX, Logo},
};

/// The brand of pages and mails. The default sets only a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// Name of the service. Default `Polyreset`.
    pub name: String,
    /// The logo, shown instead of the name.
    pub logo: Option<Logo>,
    /// The logo in dark mode. Without one, `logo` is shown there too.
    pub logo_dark: Option<Logo>,
    /// The logo in mails, PNG or JPEG: mail programs show no other formats. Without one, `logo` if it is such a file.
    pub mail_logo: Option<Logo>,
    /// The logo in mails in dark mode, PNG or JPEG. Without one, `logo_dark` if it is such a file.
    pub mail_logo_dark: Option<Logo>,
    /// Colour of buttons and links in light mode. White text must be readable on it. Default [`Brand::ACCENT`].
    /// [`Colour::on_dark`] derives the colour in dark mode.
    pub accent: Option<Colour>,
    /// Support contact: an email address, an https URL or a text.
    pub support: Option<String>,
    /// URL of the sign-in page, linked after a reset.
    pub home: Option<String>,
    /// A line of text at the bottom of pages and mails.
    pub footer: Option<String>,
    /// Postal address of the company, at the bottom of mails.
    pub address: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: "Polyreset".to_owned(),
            logo: None,
            logo_dark: None,
            mail_logo: None,
            mail_logo_dark: None,
            accent: None,
            support: None,
            home: None,
            footer: None,
            address: None,
        }
    }
}

impl Brand {
    /// The accent of a brand without one.
    pub const ACCENT: Colour = Colour::rgb(0x1d, 0x4e, 0xd8);

    /// The accent of a brand without one, in dark mode.
    pub const ACCENT_DARK: Colour = Colour::rgb(0x8a, 0xb0, 0xff);

    /// Returns the accent in light mode.
    pub fn accent(&self) -> Colour {
        self.accent.unwrap_or(Self::ACCENT)
    }

    /// Returns the accent in dark mode, which is readable on [`Colour::DARK`].
    pub fn accent_dark(&self) -> Colour {
        self.accent.map_or(Self::ACCENT_DARK, Colour::on_dark)
    }

    /// Returns the logos of mails for light and dark mode: those for mails, else those of pages if mail programs show their
    /// format. Dark mode has a logo only if light mode has one.
    pub fn mail_logos(&self) -> (Option<&Logo>, Option<&Logo>) {
        let shown = |logo: &&Logo| logo.is_shown_in_mails();
        let light = self.mail_logo.as_ref().or(self.logo.as_ref().filter(shown));
        let dark = self.mail_logo_dark.as_ref().or(self.logo_dark.as_ref().filter(shown));
        (light, dark.filter(|_| light.is_some()))
    }

    /// Returns the support contact as an email address, if it is one.
    pub fn support_address(&self) -> Option<&str> {
        let support = self.support.as_deref()?;
        let (local, domain) = support.split_once('@')?;
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"@<>()[],;:\\\"/".contains(&byte))
        };
        (plain(local) && plain(domain) && domain.contains('.')).then_some(support)
    }

    /// Returns the target of a link to the support contact: an https URL unchanged, an email address as `mailto:`.
    pub fn support_href(&self) -> Option<String> {
        let support = self.support.as_deref()?;
        if support.starts_with("https://") && !support.contains(char::is_whitespace) {
            return Some(support.to_owned());
        }
        self.support_address().map(|address| format!("mailto:{address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u8) -> Logo {
        let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0";
        Logo::read("png", [&header[..], &[width, 0, 0, 0, 20, 8, 6, 0, 0, 0]].concat()).unwrap()
    }

    #[test]
    fn mails_show_a_logo_only_in_a_format_that_mail_programs_show() {
        let svg = Logo::read("svg", b"<svg/>".to_vec()).unwrap();
        let brand = |logo: &Logo, dark: Option<Logo>, mail: Option<Logo>| Brand {
            logo: Some(logo.clone()),
            logo_dark: dark,
            mail_logo: mail,
            ..Brand::default()
        };
        assert_eq!(brand(&svg, Some(png(9)), None).mail_logos(), (None, None));
        assert_eq!(brand(&svg, None, Some(png(8))).mail_logos(), (Some(&png(8)), None));
        assert_eq!(brand(&png(7), Some(png(9)), None).mail_logos(), (Some(&png(7)), Some(&png(9))));
        assert_eq!(brand(&png(7), Some(svg), Some(png(8))).mail_logos(), (Some(&png(8)), None));
    }

    #[test]
    fn support_contact_is_linked_if_it_is_an_address_or_a_url() {
        let brand = |support: &str| Brand { support: Some(support.to_owned()), ..Brand::default() };
        for (support, address, href) in [
            ("help@example.com", Some("help@example.com"), Some("mailto:help@example.com")),
            ("https://example.com/help", None, Some("https://example.com/help")),
            ("Call 555 0100", None, None),
            ("Write to help@example.com", None, None),
            ("help@example", None, None),
            ("https://example.com/ or call", None, None),
        ] {
            let brand = brand(support);
            assert_eq!((brand.support_address(), brand.support_href().as_deref()), (address, href));
        }
    }
}
