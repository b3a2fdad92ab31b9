//! Invented sample data for the trials of templates.

use std::time::Duration;

use reset_core::mail::{Mail, MailBody};

use super::MailContext;
use crate::mail_kind::MailKind;

const TO: &str = "ada@example.com";
const NAME: &str = "Ada Lovelace";
const CODE: &str = "482913";
const URL: &str = "https://accounts.example.com/reset?step=1&token=f7c3a1d8e05b4926";
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Returns a mail of this kind. The notice of a changed password has its link.
pub(crate) fn sample_mail(kind: MailKind, dialect: &str, locale: Option<&str>) -> Mail {
    Mail {
        to: TO.to_owned(),
        name: Some(NAME.to_owned()),
        locale: locale.map(ToOwned::to_owned),
        dialect: dialect.to_owned(),
        message_id: "sample".to_owned(),
        body: match kind {
            MailKind::ResetCode => MailBody::ResetCode { code: CODE.to_owned().into(), lifetime: LIFE },
            MailKind::ResetLink => MailBody::ResetLink { url: URL.to_owned().into(), lifetime: LIFE },
            MailKind::PasswordChanged => MailBody::PasswordChanged { dispute: Some(URL.to_owned().into()) },
        },
    }
}

/// Returns the content of a sample mail.
pub(super) fn sample(kind: MailKind) -> MailContext<'static> {
    let (code, url, lifetime) = match kind {
        MailKind::ResetCode => (Some(CODE), None, Some(LIFE)),
        MailKind::ResetLink => (None, Some(URL), Some(LIFE)),
        MailKind::PasswordChanged => (None, Some(URL), None),
    };
    MailContext {
        kind,
        dialect: "",
        locale: None,
        sender: "Polyreset",
        name: Some(NAME),
        code,
        url,
        lifetime,
    }
}

/// Returns every variant of a mail of this kind: with and without a name, and with and without the optional link.
pub(super) fn variants(kind: MailKind) -> Vec<MailContext<'static>> {
    let full = sample(kind);
    let mut variants = vec![full, MailContext { name: None, ..full }];
    if kind == MailKind::PasswordChanged {
        variants.push(MailContext { url: None, ..full });
        variants.push(MailContext { url: None, name: None, ..full });
    }
    variants
}
