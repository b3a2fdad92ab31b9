//! Invented sample data for the trials of templates.

use std::{sync::LazyLock, time::Duration};

use reset_core::{
    job::Reference,
    mail::{Mail, MailBody},
    time::Timestamp,
    turns::NetworkBlock,
};
use reset_words::brand::{Brand, Logo};

use super::MailContext;
use crate::mail_kind::MailKind;

const TO: &str = "ada@example.com";
const NAME: &str = "Ada Lovelace";
const CODE: &str = "482913";
const URL: &str = "https://accounts.example.com/reset?step=1&token=f7c3a1d8e05b4926";
const TOKEN: &str = "f7c3a1d8e05b4926";
const LIFETIME: Duration = Duration::from_secs(15 * 60);
const REFERENCE: &str = "K7Q2M4ZD8R";
/// 30 November 2026, 14:02 UTC.
const AT: Timestamp = Timestamp::from_millis(1_796_047_320_000);
const NETWORK: &str = "203.0.113.0/24";

/// A brand that sets nothing but a name.
static BARE: LazyLock<Brand> = LazyLock::new(Brand::default);

/// A brand that sets everything that mails show.
static FULL: LazyLock<Brand> = LazyLock::new(|| {
    let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x40\0\0\0\x50\x08\x06\0\0\0";
    let logo = Logo::read("png", header.to_vec()).ok();
    Brand {
        logo: logo.clone(),
        logo_dark: logo,
        support: Some("help@example.com".to_owned()),
        home: Some("https://example.com/login".to_owned()),
        footer: Some("Example Ltd".to_owned()),
        address: Some("1 Example Street, London".to_owned()),
        ..Brand::default()
    }
});

/// Returns a mail of this kind, with links to the hosted pages at `public_url`. `disputes` tells whether the notice of a
/// changed password has a link.
pub(crate) fn sample_mail(
    kind: MailKind,
    dialect: &str,
    locale: Option<&str>,
    public_url: &str,
    disputes: bool,
) -> Mail {
    let url = |page: &str| format!("{public_url}/{page}?token={TOKEN}").into();
    Mail {
        to: TO.to_owned(),
        name: Some(NAME.to_owned()),
        locale: locale.map(ToOwned::to_owned),
        dialect: dialect.to_owned(),
        reference: Reference::stored(REFERENCE),
        at: AT,
        // Notices do not know the network.
        network: (kind != MailKind::PasswordChanged).then(|| NetworkBlock::of([203, 0, 113, 7].into())),
        message_id: "sample".to_owned(),
        body: match kind {
            MailKind::ResetCode => MailBody::ResetCode { code: CODE.to_owned().into(), lifetime: LIFETIME },
            MailKind::ResetLink => MailBody::ResetLink { url: url("reset"), lifetime: LIFETIME },
            MailKind::PasswordChanged => {
                MailBody::PasswordChanged { dispute: disputes.then(|| url("not-me")) }
            }
        },
    }
}

/// Returns the content of a sample mail.
pub(super) fn sample(kind: MailKind) -> MailContext<'static> {
    let (code, url, lifetime) = match kind {
        MailKind::ResetCode => (Some(CODE), None, Some(LIFETIME)),
        MailKind::ResetLink => (None, Some(URL), Some(LIFETIME)),
        MailKind::PasswordChanged => (None, Some(URL), None),
    };
    MailContext {
        kind,
        dialect: "",
        locale: None,
        brand: &FULL,
        pictures: "sample@example.com",
        sender: "Polyreset",
        account: TO,
        name: Some(NAME),
        code,
        code_host: Some("accounts.example.com"),
        url,
        lifetime,
        at: AT,
        network: Some(NETWORK),
        reference: REFERENCE,
    }
}

/// Returns every variant of a mail of this kind: with and without a name, with and without the optional link, and with a
/// brand and a request of which little is known.
pub(super) fn variants(kind: MailKind) -> Vec<MailContext<'static>> {
    let full = sample(kind);
    let mut variants = vec![full, MailContext { name: None, ..full }];
    if kind == MailKind::PasswordChanged {
        variants.push(MailContext { url: None, ..full });
        variants.push(MailContext { url: None, name: None, ..full });
    }
    variants.push(MailContext { brand: &BARE, network: None, code_host: None, ..full });
    variants
}
