//! From a mail as the domain knows it to the bytes that leave.
//!
//! All text is ours, from templates that are compiled in (R27). What is not ours, the owner's name, is left
//! out unless it is harmless, and escaped in HTML all the same. Mails are in English: there is no other set
//! of templates yet, so the account's language is not looked at.

use std::time::Duration;

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use reset_core::{
    email::EmailAddress,
    error::MailError,
    mail::{Mail, MailBody},
};
use serde::Serialize;

/// Longest name that is greeted, in characters (R27).
const NAME_MAX: usize = 64;

/// One name per mail; each is three files: `.subject`, `.txt` and `.html`.
macro_rules! templates {
    ($($name:literal),+) => {
        [$(
            (concat!($name, ".subject"), include_str!(concat!("templates/", $name, ".subject"))),
            (concat!($name, ".txt"), include_str!(concat!("templates/", $name, ".txt"))),
            (concat!($name, ".html"), include_str!(concat!("templates/", $name, ".html"))),
        )+]
    };
}

/// A mail that is ready to leave. It holds a secret: no `Debug`.
pub(crate) struct Letter {
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
    /// The RFC 5322 message: ASCII with CRLF.
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
impl Letter {
    /// A letter to hand over, for the tests of those who do.
    pub(crate) fn sample() -> Self {
        Self {
            from: "no-reply@localhost".parse().unwrap(),
            to: "ada@example.org".parse().unwrap(),
            id: "1".to_owned(),
            subject: "Your code".to_owned(),
            text: "123456\n".to_owned(),
            bytes: b"hello".to_vec(),
        }
    }
}

/// Writes letters.
pub(crate) struct Composer {
    templates: Environment<'static>,
    from: Mailbox,
    domain: String,
}

/// What templates can say.
#[derive(Serialize)]
struct Words<'a> {
    sender: &'a str,
    name: Option<&'a str>,
    code: Option<&'a str>,
    url: Option<&'a str>,
    life: Option<String>,
}

impl Composer {
    /// A composer whose mails come from `from`, with `domain` right of the `@` in each `Message-ID`.
    pub(crate) fn new(from: Mailbox, domain: String) -> Self {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let compiled_in = templates!["reset-code", "reset-link", "password-changed"];
        for (name, source) in
            [("layout.html", include_str!("templates/layout.html"))].into_iter().chain(compiled_in)
        {
            templates.add_template(name, source).expect("the templates compiled in are well-formed");
        }
        Self { templates, from, domain }
    }

    /// The envelope sender.
    pub(crate) fn from(&self) -> &Address {
        &self.from.email
    }

    /// Writes the letter for `mail`.
    ///
    /// # Errors
    /// [`MailError::Permanent`] when the stored address, or the message id, is none that can be sent to.
    pub(crate) fn compose(&self, mail: &Mail) -> Result<Letter, MailError> {
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
        let bare = Words { sender, name, code: None, url: None, life: None };
        let (template, words) = match &mail.body {
            MailBody::ResetCode { code, life } => {
                ("reset-code", Words { code: Some(code), life: Some(in_words(*life)), ..bare })
            }
            MailBody::ResetLink { url, life } => {
                ("reset-link", Words { url: Some(url), life: Some(in_words(*life)), ..bare })
            }
            MailBody::PasswordChanged { objection } => {
                ("password-changed", Words { url: objection.as_deref().map(String::as_str), ..bare })
            }
        };
        let subject = self.render(template, "subject", &words);
        let text = self.render(template, "txt", &words);
        let html = self.render(template, "html", &words);
        let message = self.message(&to, &mail.message_id, &subject, &text, html);
        Ok(Letter {
            from: self.from.email.clone(),
            to,
            id: mail.message_id.clone(),
            subject,
            text,
            bytes: message,
        })
    }

    /// Renders without a bare CR: lettre makes each LF a CRLF, and a CR left over would be a line end to
    /// some servers and none to others (R24).
    fn render(&self, template: &str, part: &str, words: &Words<'_>) -> String {
        let rendered = self.templates.get_template(&format!("{template}.{part}"));
        let rendered = rendered.and_then(|template| template.render(Serde(words)));
        rendered.expect("the templates compiled in use what they are given").replace('\r', "")
    }

    fn message(&self, to: &Address, id: &str, subject: &str, text: &str, html: String) -> Vec<u8> {
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
                    .singlepart(part(ContentType::TEXT_HTML, html)),
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

/// A lifetime in the largest unit that states it exactly, or else in whole minutes, rounded down so that
/// no mail promises too much.
fn in_words(life: Duration) -> String {
    let seconds = life.as_secs();
    let (count, unit) = match seconds {
        s if s >= 172_800 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s >= 60 && (s % 60 == 0 || s >= 120) => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
