//! From a mail as the domain knows it to the bytes that leave.
//!
//! All text is ours or the operator's (R27). What is neither, the owner's name, is left out unless it is harmless,
//! and escaped in HTML all the same.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use reset_core::{
    email::EmailAddress,
    error::MailError,
    mail::{Mail, MailBody},
};

use crate::{
    mail_kind::MailKind,
    templates::{MailContext, Parts, Templates},
};

/// Longest name that is greeted, in characters (R27).
const NAME_MAX: usize = 64;

/// A mail that is ready to leave. It holds a secret: no `Debug`.
pub(crate) struct ComposedMail {
    /// Envelope sender.
    pub(crate) from: Address,
    /// The only recipient.
    pub(crate) to: Address,
    /// Left part of the `Message-ID`: letters, digits, `-` and `_`, so that it can name a file.
    pub(crate) id: String,
    /// The subject, without any secret.
    pub(crate) subject: String,
    /// The text part before encoding, with LF.
    pub(crate) text: String,
    /// The HTML part before encoding, with LF.
    pub(crate) html: String,
    /// The RFC 5322 message: ASCII with CRLF.
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
impl ComposedMail {
    /// A letter to hand over, for the tests of those who do.
    pub(crate) fn sample() -> Self {
        Self {
            from: "no-reply@localhost".parse().unwrap(),
            to: "ada@example.org".parse().unwrap(),
            id: "1".to_owned(),
            subject: "Your code".to_owned(),
            text: "123456\n".to_owned(),
            html: "<p>123456</p>".to_owned(),
            bytes: b"hello".to_vec(),
        }
    }
}

/// Writes letters.
pub(crate) struct Composer {
    templates: Templates,
    from: Mailbox,
    domain: String,
}

impl Composer {
    /// A composer whose mails come from `from`, with `domain` right of the `@` in each `Message-ID`.
    pub(crate) fn new(from: Mailbox, domain: String, templates: Templates) -> Self {
        Self { templates, from, domain }
    }

    pub(crate) fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    /// The envelope sender.
    pub(crate) fn from(&self) -> &Address {
        &self.from.email
    }

    /// Writes the letter for `mail`.
    ///
    /// # Errors
    /// [`MailError::Permanent`] when the stored address, or the message id, is none that can be sent to.
    pub(crate) fn compose(&self, mail: &Mail) -> Result<ComposedMail, MailError> {
        let to = recipient(&mail.to).ok_or_else(|| unsendable("address"))?;
        let id_is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if mail.message_id.is_empty()
            || mail.message_id.len() > 64
            || !mail.message_id.bytes().all(id_is_plain)
        {
            return Err(unsendable("message id"));
        }
        let sender = self.from.name.as_deref().unwrap_or_else(|| self.from.email.domain());
        let name = mail.name.as_deref().and_then(greetable);
        let (code, url, lifetime) = match &mail.body {
            MailBody::ResetCode { code, lifetime } => (Some(code), None, Some(*lifetime)),
            MailBody::ResetLink { url, lifetime } => (None, Some(url), Some(*lifetime)),
            MailBody::PasswordChanged { dispute } => (None, dispute.as_ref(), None),
        };
        let Parts { subject, text, html } = self.templates.write(MailContext {
            kind: MailKind::from(&mail.body),
            dialect: &mail.dialect,
            locale: mail.locale.as_deref(),
            sender,
            name,
            code: code.map(|code| code.as_str()),
            url: url.map(|url| url.as_str()),
            lifetime,
        });
        let message = self.message(&to, &mail.message_id, &subject, &text, &html);
        Ok(ComposedMail {
            from: self.from.email.clone(),
            to,
            id: mail.message_id.clone(),
            subject,
            text,
            html,
            bytes: message,
        })
    }

    fn message(&self, to: &Address, id: &str, subject: &str, text: &str, html: &str) -> Vec<u8> {
        let part = |kind: ContentType, body: String| {
            // Quoted-printable even where 7bit would do: no encoded body can end a message early (R24).
            SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(body)
        };
        // `=_` never occurs in quoted-printable text, so this cannot either (RFC 2045, 6.7).
        let parts = MultiPart::alternative().boundary(format!("=_{id}"));
        Message::builder()
            .from(self.from.clone())
            .to(to.clone().into())
            .subject(subject)
            .date_now()
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(
                parts
                    .singlepart(part(ContentType::TEXT_PLAIN, text.to_owned()))
                    .singlepart(part(ContentType::TEXT_HTML, html.to_owned())),
            )
            .expect("sender and recipient are set")
            .formatted()
    }
}

fn unsendable(what: &str) -> MailError {
    MailError::Permanent { reply: format!("{what} not sendable") }
}

/// The stored address, letter for letter, if it follows our grammar (R22). Only a domain outside ASCII is
/// rewritten, as A-labels: few servers offer SMTPUTF8, and all know A-labels.
fn recipient(stored: &str) -> Option<Address> {
    let canonical = EmailAddress::parse(stored).ok()?;
    if stored.is_ascii() {
        return stored.parse().ok();
    }
    let (local, _) = stored.split_once('@')?;
    let (_, domain) = canonical.key().split_once('@')?;
    Address::new(local, domain).ok()
}

/// The name, if it is short, visible, and nothing that a mail program or a template might act upon.
fn greetable(name: &str) -> Option<&str> {
    let name = name.trim();
    let sly = |sign: char| {
        sign.is_control()
            || "<>{}%@/\\".contains(sign)
            // Zero-width and direction signs, line and paragraph separators.
            || matches!(sign, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let fit = !name.is_empty() && name.chars().count() <= NAME_MAX;
    (fit && !name.contains(sly) && !name.split_whitespace().any(looks_like_a_host)).then_some(name)
}

/// Whether mail programs would make a link of the word: `evil.example`, `www.evil`; not `J.R.` or `Jr.`
fn looks_like_a_host(word: &str) -> bool {
    let ends_like_one = |(before, after): (&str, &str)| {
        before.ends_with(char::is_alphanumeric)
            && after.chars().take_while(|sign| sign.is_alphanumeric()).count() > 1
    };
    word.match_indices('.').any(|(at, _)| ends_like_one((&word[..at], &word[at + 1..])))
}

#[cfg(test)]
mod tests;
