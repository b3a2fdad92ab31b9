//! `/mailbox` and `/mail`: shows the mails of the demo accounts and how to continue from each. Reading changes nothing.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use url::form_urlencoded;

use super::{
    Carries, Demo, ShownMail,
    page::{STYLE, message, page},
    walkthrough::curl,
};
use reset_http::route::Call;

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct MailboxPage<'a> {
    style: &'static str,
    mails: Vec<Row<'a>>,
}

struct Row<'a> {
    mail: &'a ShownMail,
    dialect: &'static str,
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct MailPage<'a> {
    style: &'static str,
    mail: &'a ShownMail,
    dialect: &'static str,
    /// The text, split at its link.
    parts: Vec<TextPart<'a>>,
    /// Whether the mail carries a code or a link that sets a password.
    sets_password: bool,
    /// Whether a hosted page accepts the code.
    has_code_page: bool,
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
pub(super) async fn list(demo: Arc<Demo>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let mails = demo.stage.mails();
    let mails = mails.iter().map(|mail| Row { mail, dialect: demo.title(&mail.dialect) }).collect();
    Ok(page(StatusCode::OK, &MailboxPage { style: STYLE, mails }))
}

#[utoipa::path(get, path = "/mail", operation_id = "mail", tag = "demo",
    summary = "One mail", params(("id" = String, Query, description = "Id of the mail")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "No such mail in the mailbox", body = String,
            content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let query = call.request.uri().query().unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "id");
    let id = id.map(|(_, value)| value).unwrap_or_default();
    let Some(mail) = demo.stage.mails().into_iter().find(|mail| mail.id == id) else {
        let line = "The mailbox keeps the latest 100 mails.";
        return Err(message(StatusCode::NOT_FOUND, "Mail not found", line));
    };
    let link = match &mail.carries {
        Carries::Code(_) => None,
        Carries::Link(link) => Some(link.as_str()),
        Carries::Notice(link) => link.as_deref(),
    };
    let page_data = MailPage {
        style: STYLE,
        mail: &mail,
        dialect: demo.title(&mail.dialect),
        parts: split_at_link(&mail.text, link),
        sets_password: !matches!(mail.carries, Carries::Notice(_)),
        has_code_page: demo.pages && matches!(mail.carries, Carries::Code(_)),
        commands: demo.commands(&mail),
    };
    Ok(page(StatusCode::OK, &page_data))
}

impl Demo {
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
