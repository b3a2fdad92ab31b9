//! `/mailbox`, `/mail` and `/mail/html`: show the mails of the demo accounts, as a person sees them, and how to continue
//! from each. Reading changes nothing.

use std::{sync::Arc, time::Duration};

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use url::form_urlencoded;

use super::{
    Carries, Demo, ShownMail,
    page::{Frame, message, page},
    walkthrough::curl,
};
use crate::{hosted::icons, html};
use reset_http::{route::Call, wire::iso};

/// Content-Security-Policy of the HTML part of a mail: its own style and the pictures in it, no script and no form. The
/// sandbox gives it an origin of its own; a link that a user presses opens in the whole window.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox \
     allow-top-navigation-by-user-activation",
);

/// Maximum length of a preview, in characters.
const PREVIEW_MAX: usize = 140;

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct MailboxPage<'a> {
    frame: Frame,
    icon: &'static str,
    mails: Vec<Row<'a>>,
}

struct Row<'a> {
    mail: &'a ShownMail,
    dialect: &'static str,
    from: &'a str,
    preview: String,
    at: String,
    ago: String,
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct MailPage<'a> {
    frame: Frame,
    mail: &'a ShownMail,
    from: &'a str,
    at: String,
    ago: String,
    dialect: &'static str,
    /// The text, split at its link.
    parts: Vec<TextPart<'a>>,
    /// Whether the mail carries a code or a link that sets a password.
    sets_password: bool,
    /// The code, if a hosted page accepts it.
    code: Option<&'a str>,
    /// The remaining requests of the reset, as curl commands.
    commands: Vec<String>,
}

/// A part of a mail's text.
enum TextPart<'a> {
    Text(&'a str),
    Link(&'a str),
}

#[utoipa::path(get, path = "/mailbox", operation_id = "mailbox", tag = "demo",
    summary = "The mails of the demo accounts",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn list(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let (mails, now) = (demo.stage.mails(), call.resets.adapters().clock.now());
    let row = |mail| Row {
        mail,
        dialect: demo.title(&mail.dialect),
        from: display_name(&mail.from),
        preview: preview(&mail.text),
        at: iso(mail.at),
        ago: ago(now.since(mail.at)),
    };
    let mails = mails.iter().map(row).collect();
    Ok(page(StatusCode::OK, &MailboxPage { frame: Frame::new(2, demo.pages), icon: icons::MAIL, mails }))
}

#[utoipa::path(get, path = "/mail", operation_id = "mail", tag = "demo",
    summary = "One mail", params(("id" = String, Query, description = "Id of the mail")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "No such mail in the mailbox", body = String,
            content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let (mail, now) = (demo.mail(&call).map_err(|page| *page)?, call.resets.adapters().clock.now());
    let link = match &mail.carries {
        Carries::Code(_) => None,
        Carries::Link(link) => Some(link.as_str()),
        Carries::Notice(link) => link.as_deref(),
    };
    let page_data = MailPage {
        frame: Frame::new(2, demo.pages),
        mail: &mail,
        from: &mail.from,
        at: iso(mail.at),
        ago: ago(now.since(mail.at)),
        dialect: demo.title(&mail.dialect),
        parts: split_at_link(&mail.text, link),
        sets_password: !matches!(mail.carries, Carries::Notice(_)),
        code: match &mail.carries {
            Carries::Code(code) if demo.pages => Some(code),
            _ => None,
        },
        commands: demo.commands(&mail),
    };
    Ok(page(StatusCode::OK, &page_data))
}

#[utoipa::path(get, path = "/mail/html", operation_id = "mailHtml", tag = "demo",
    summary = "The HTML part of one mail", params(("id" = String, Query, description = "Id of the mail")),
    responses(
        (status = 200, description = "The HTML part, in a sandbox without scripts", body = String, content_type = "text/html"),
        (status = 404, description = "No such mail in the mailbox", body = String,
            content_type = "text/html")))]
pub(super) async fn show_html(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let mail = demo.mail(&call).map_err(|page| *page)?;
    // Hosted pages refuse to be framed, so a link opens in the whole window.
    let framed = mail.html.replace("<a ", "<a target=\"_top\" ");
    Ok(html::page(StatusCode::OK, framed, &MAIL_POLICY))
}

impl Demo {
    /// Returns the mail that the query names, or else a page that says that there is none.
    fn mail(&self, call: &Call) -> Result<ShownMail, Box<Response<Bytes>>> {
        let query = call.request.uri().query().unwrap_or_default();
        let id = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "id");
        let id = id.map(|(_, value)| value).unwrap_or_default();
        let found = self.stage.mails().into_iter().find(|mail| mail.id == id);
        let line = "The mailbox keeps the latest 100 mails.";
        found.ok_or_else(|| Box::new(message(StatusCode::NOT_FOUND, "Mail not found", line)))
    }

    /// Returns the curl commands that complete the reset with the secret of this mail.
    fn commands(&self, mail: &ShownMail) -> Vec<String> {
        let Some(walkthrough) = self.walkthrough(&mail.dialect) else { return Vec::new() };
        let steps = match &mail.carries {
            Carries::Notice(_) => return Vec::new(),
            Carries::Code(code) => walkthrough.after_code(&mail.to, code),
            Carries::Link(link) => walkthrough.after_link(link),
        };
        steps.iter().map(|step| curl(step, &self.public_url)).collect()
    }
}

/// Splits the text at every occurrence of `link`. Only an http or https URL becomes a link.
fn split_at_link<'a>(text: &'a str, link: Option<&'a str>) -> Vec<TextPart<'a>> {
    let Some(link) = link.filter(|link| link.starts_with("http")) else { return vec![TextPart::Text(text)] };
    let mut parts = Vec::new();
    for (index, part) in text.split(link).enumerate() {
        if index > 0 {
            parts.push(TextPart::Link(link));
        }
        parts.push(TextPart::Text(part));
    }
    parts
}

/// Returns the name of a sender, or the address if there is no name.
fn display_name(from: &str) -> &str {
    let name = from.split_once('<').map_or(from, |(name, _)| name).trim().trim_matches('"').trim();
    if name.is_empty() { from } else { name }
}

/// Returns the beginning of a mail's text, as mail programs show it behind the subject.
fn preview(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(PREVIEW_MAX).collect()
}

/// Returns how long ago something was, in words.
fn ago(passed: Duration) -> String {
    match passed.as_secs() {
        0..=9 => "just now".to_owned(),
        seconds @ 10..=59 => format!("{seconds} s ago"),
        seconds @ 60..=3599 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_is_shown_by_name() {
        for (from, name) in [
            ("Polyreset <no-reply@localhost>", "Polyreset"),
            ("\"Acme, Ltd.\" <no-reply@example.com>", "Acme, Ltd."),
            ("<no-reply@example.com>", "<no-reply@example.com>"),
            ("no-reply@example.com", "no-reply@example.com"),
        ] {
            assert_eq!(display_name(from), name);
        }
    }

    #[test]
    fn preview_is_one_line_of_limited_length() {
        assert_eq!(preview(" Hi Ann,\n\n  a code:\r\n123456 "), "Hi Ann, a code: 123456");
        assert_eq!(preview(&"パスワード".repeat(100)).chars().count(), PREVIEW_MAX);
    }

    #[test]
    fn age_of_a_mail_is_rounded_down() {
        for (seconds, words) in [(0, "just now"), (10, "10 s ago"), (119, "1 min ago"), (7300, "2 h ago")] {
            assert_eq!(ago(Duration::from_secs(seconds)), words);
        }
    }
}
