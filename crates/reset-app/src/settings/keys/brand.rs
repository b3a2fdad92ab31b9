//! Settings of the brand that pages and mails show.

use reset_settings::{Key, Text};

pub(crate) static BRAND_NAME: Key<Text> = Key::found(
    "brand.name",
    "the display name in `mail_from`, or `Polyreset`",
    "Name of the service on pages and in mails",
);
pub(crate) static BRAND_LOGO: Key<Text> = Key::found(
    "brand.logo",
    "the name as text",
    "Logo shown instead of the name: a file of at most 64 KiB, `.svg`, `.png`, `.webp` or `.jpg`",
);
pub(crate) static BRAND_LOGO_DARK: Key<Text> =
    Key::found("brand.logo_dark", "`brand.logo`", "Logo in dark mode, a file as for `brand.logo`");
pub(crate) static BRAND_MAIL_LOGO: Key<Text> = Key::found(
    "brand.mail_logo",
    "`brand.logo` if it is `.png` or `.jpg`, otherwise the name as text",
    "Logo in mails, `.png` or `.jpg`: many mail programs show no other format. Best 2 to 3 times the size at which it is \
         shown, which is at most 40 pixels high",
);
pub(crate) static BRAND_MAIL_LOGO_DARK: Key<Text> = Key::found(
    "brand.mail_logo_dark",
    "`brand.logo_dark` if it is `.png` or `.jpg`, otherwise the logo in mails",
    "Logo in mails in dark mode, `.png` or `.jpg`",
);
pub(crate) static BRAND_ACCENT: Key<Text> = Key::found(
    "brand.accent",
    "`#1d4ed8`",
    "Colour of buttons and links, `#rrggbb`. Its contrast with white must be at least 4.5:1. The colour in dark mode is \
         derived from it",
);
pub(crate) static BRAND_SUPPORT: Key<Text> = Key::found(
    "brand.support",
    "none",
    "Support contact: a mail address, an https URL or a text. A mail address is also the `Reply-To` of mails",
);
pub(crate) static BRAND_HOME: Key<Text> =
    Key::found("brand.home", "no link", "URL of the sign-in page, linked after a reset");
pub(crate) static BRAND_FOOTER: Key<Text> =
    Key::found("brand.footer", "none", "Line of text at the bottom of pages and mails");
pub(crate) static BRAND_ADDRESS: Key<Text> =
    Key::found("brand.address", "none", "Postal address of the company, at the bottom of mails");
