//! Words to try templates with: made up, and nobody's.

use std::time::Duration;

use reset_core::mail::{Mail, MailBody};

use super::MailContext;
use crate::mail_kind::MailKind;

const TO: &str = "ada@example.com";
const NAME: &str = "Ada Lovelace";
const CODE: &str = "482913";
const URL: &str = "https://accounts.example.com/reset?step=1&token=f7c3a1d8e05b4926";
const LIFE: Duration = Duration::from_secs(15 * 60);

/// A mail of this kind. The notice of a changed password has its link.
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

/// What such a mail is to say.
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

/// Every shape that a mail of this kind comes in.
pub(super) fn shapes(kind: MailKind) -> Vec<MailContext<'static>> {
    let whole = sample(kind);
    let mut shapes = vec![whole, MailContext { name: None, ..whole }];
    if kind == MailKind::PasswordChanged {
        shapes.push(MailContext { url: None, ..whole });
        shapes.push(MailContext { url: None, name: None, ..whole });
    }
    shapes
}
