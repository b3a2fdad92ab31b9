//! Composes the RFC 5322 message of a mail.
//!
//! All text is built in or the operator's (R27), with two exceptions, which are escaped in HTML: the owner's name, which
//! is omitted unless it is harmless, and the account's address, which must pass the address grammar.

use std::net::IpAddr;

use lettre::{
    Address, Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use minijinja::HtmlEscape;
use reset_core::{
    email::EmailAddress,
    error::MailError,
    mail::{Mail, MailBody},
    turns::NetworkBlock,
};
use reset_words::brand::{Brand, Logo};

use crate::{
    dkim::DkimSigner,
    mail_kind::MailKind,
    templates::{MailContext, Parts, Templates},
};

/// Longest name that appears in a greeting, in characters (R27).
const NAME_MAX: usize = 64;

/// A mail that is ready to be sent. Deliberately not `Debug`: it holds a secret.
pub(crate) struct ComposedMail {
    /// Envelope sender.
    pub(crate) from: Address,
    /// The sender with its display name, as in the `From` field.
    pub(crate) sender: String,
    /// The only recipient.
    pub(crate) to: Address,
    /// Part of the `Message-ID` before the `@`: letters, digits, `-` and `_`, so that it can be a file name.
    pub(crate) id: String,
    /// The subject, without any secret.
    pub(crate) subject: String,
    /// The text part before encoding, with LF.
    pub(crate) text: String,
    /// The HTML part before encoding, with LF, and with its pictures in place.
    pub(crate) html: String,
    /// The RFC 5322 message: ASCII with CRLF.
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
impl ComposedMail {
    /// Returns a mail for the tests of the transports.
    pub(crate) fn sample() -> Self {
        Self {
            from: "no-reply@localhost".parse().unwrap(),
            sender: "no-reply@localhost".to_owned(),
            to: "ada@example.org".parse().unwrap(),
            id: "1".to_owned(),
            subject: "Your code".to_owned(),
            text: "123456\n".to_owned(),
            html: "<p>123456</p>".to_owned(),
            bytes: b"hello".to_vec(),
        }
    }
}

/// Composes mails.
pub(crate) struct Composer {
    templates: Templates,
    brand: Brand,
    from: Mailbox,
    /// Host of the public URL.
    host: String,
    dkim: Option<DkimSigner>,
}

impl Composer {
    /// Creates a composer for mails from `from` about resets at `host`, the host of the public URL.
    pub(crate) fn new(from: Mailbox, host: String, templates: Templates) -> Self {
        Self { templates, brand: Brand::default(), from, host, dkim: None }
    }

    pub(crate) fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    pub(crate) fn with_brand(self, brand: Brand) -> Self {
        Self { brand, ..self }
    }

    pub(crate) fn with_dkim(self, signer: DkimSigner) -> Self {
        Self { dkim: Some(signer), ..self }
    }

    /// Replaces the sender, so that a fuzz target compiles the templates only once.
    #[cfg(fuzzing)]
    pub(crate) fn set_from(&mut self, from: Mailbox) {
        self.from = from;
    }

    /// Returns the envelope sender.
    pub(crate) fn from(&self) -> &Address {
        &self.from.email
    }

    /// Composes `mail`.
    ///
    /// # Errors
    /// Returns [`MailError::Permanent`] if the stored address or the message id is invalid.
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
        let message_id = format!("{}@{}", mail.message_id, self.from.email.domain());
        let network = mail.network.and_then(NetworkBlock::public);
        let Parts { subject, text, html } = self.templates.render(MailContext {
            kind: MailKind::from(&mail.body),
            dialect: &mail.dialect,
            locale: mail.locale.as_deref(),
            brand: &self.brand,
            pictures: &message_id,
            sender,
            account: &mail.to,
            name,
            code: code.map(|code| code.as_str()),
            code_host: self.code_host(),
            url: url.map(|url| url.as_str()),
            lifetime,
            at: mail.at,
            network: network.as_deref(),
            reference: mail.reference.as_str(),
        });
        let pictures = self.pictures(&message_id, &html);
        let message = self.message(&to, mail, &message_id, &subject, &text, &html, &pictures);
        let message = match &self.dkim {
            Some(signer) => signer.sign(message),
            None => message,
        };
        Ok(ComposedMail {
            from: self.from.email.clone(),
            sender: self.from.to_string(),
            to,
            id: mail.message_id.clone(),
            subject,
            text,
            html: in_place(html, &pictures),
            bytes: message,
        })
    }

    /// Returns the host of the site that codes are typed on: that of the sign-in page, otherwise that of the public URL.
    /// `None` if it is no domain that programs could compare with a site's.
    fn code_host(&self) -> Option<&str> {
        let home = self.brand.home.as_deref().and_then(|url| url.split_once("://"));
        let home = home.and_then(|(_, rest)| rest.split(['/', '?', ':']).next());
        let host = home.unwrap_or(&self.host);
        let is_domain = host.contains('.')
            && host.parse::<IpAddr>().is_err()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        is_domain.then_some(host)
    }

    /// Returns the logos that the HTML part shows, with their content ids.
    fn pictures(&self, message_id: &str, html: &str) -> Vec<(String, &Logo)> {
        let (light, dark) = self.brand.mail_logos();
        let logos = [("logo", light), ("logo-dark", dark)];
        let named =
            logos.into_iter().filter_map(|(name, logo)| Some((format!("{name}.{message_id}"), logo?)));
        named.filter(|(id, _)| html.contains(&format!("cid:{}", HtmlEscape(id)))).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    fn message(
        &self,
        to: &Address,
        mail: &Mail,
        message_id: &str,
        subject: &str,
        text: &str,
        html: &str,
        pictures: &[(String, &Logo)],
    ) -> Vec<u8> {
        let part = |kind: ContentType, body: &str| {
            // Quoted-printable even where 7bit would suffice: no encoded body can end a message early (R24).
            SinglePart::builder()
                .header(kind)
                .header(ContentTransferEncoding::QuotedPrintable)
                .body(body.to_owned())
        };
        // `=_` occurs neither in quoted-printable text nor in Base64, so neither does a boundary (RFC 2045, 6.7 and 6.8). A
        // dot is in no id, so no boundary is the beginning of the other.
        let id = &mail.message_id;
        let alternatives = MultiPart::alternative()
            .boundary(format!("=_{id}"))
            .singlepart(part(ContentType::TEXT_PLAIN, text));
        let html = part(ContentType::TEXT_HTML, html);
        let parts = if pictures.is_empty() {
            alternatives.singlepart(html)
        } else {
            let related = MultiPart::related().boundary(format!("=_.{id}")).singlepart(html);
            alternatives.multipart(pictures.iter().fold(related, |related, (id, logo)| {
                let kind = ContentType::parse(logo.media_type()).expect("the media type is well-formed");
                related.singlepart(Attachment::new_inline(id.clone()).body(logo.content().to_vec(), kind))
            }))
        };
        let reply_to = self.brand.support_address().and_then(|address| address.parse::<Address>().ok());
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.clone().into())
            .subject(subject)
            .date_now()
            .message_id(Some(format!("<{message_id}>")));
        let message = match reply_to {
            Some(address) => message.reply_to(address.into()),
            None => message,
        };
        message
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(parts)
            .expect("sender and recipient are set")
            .formatted()
    }
}

/// Replaces the references to attached pictures by the pictures, so that a browser shows the part on its own.
fn in_place(html: String, pictures: &[(String, &Logo)]) -> String {
    pictures
        .iter()
        .fold(html, |html, (id, logo)| html.replace(&format!("cid:{}", HtmlEscape(id)), logo.data_url()))
}

fn unsendable(field: &str) -> MailError {
    MailError::Permanent { reply: format!("{field} not sendable") }
}

/// Returns the stored address verbatim if it passes the address grammar (R22). Only a non-ASCII domain is rewritten,
/// to A-labels: few servers offer SMTPUTF8, and all accept A-labels.
fn recipient(stored: &str) -> Option<Address> {
    let canonical = EmailAddress::parse(stored).ok()?;
    if stored.is_ascii() {
        return stored.parse().ok();
    }
    let (local, _) = stored.split_once('@')?;
    let (_, domain) = canonical.key().split_once('@')?;
    Address::new(local, domain).ok()
}

/// Returns the name if it is short and visible, and holds nothing that a mail program or a template might interpret.
fn greetable(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_unsafe = |character: char| {
        character.is_control()
            || "<>{}%@/\\".contains(character)
            // Zero-width and direction characters, line and paragraph separators.
            || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let fits = !name.is_empty() && name.chars().count() <= NAME_MAX;
    (fits && !name.contains(is_unsafe) && !name.split_whitespace().any(looks_like_a_host)).then_some(name)
}

/// Returns whether mail programs would turn the word into a link: `evil.example` and `www.evil`, but not `J.R.` or
/// `Jr.`
fn looks_like_a_host(word: &str) -> bool {
    let has_host_shape = |(before, after): (&str, &str)| {
        before.ends_with(char::is_alphanumeric)
            && after.chars().take_while(|character| character.is_alphanumeric()).count() > 1
    };
    word.match_indices('.').any(|(at, _)| has_host_shape((&word[..at], &word[at + 1..])))
}

#[cfg(test)]
mod tests;
