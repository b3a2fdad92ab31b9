//! `/mailbox` and `/mail`: what the people were mailed, and what one can do with it. Looking changes nothing.

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
struct Mailbox<'a> {
    style: &'static str,
    mails: Vec<Row<'a>>,
}

struct Row<'a> {
    mail: &'a ShownMail,
    by: &'static str,
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct Opened<'a> {
    style: &'static str,
    mail: &'a ShownMail,
    by: &'static str,
    /// The text in pieces; a link is one.
    pieces: Vec<Piece<'a>>,
    /// Whether a password can be set with it.
    leads_on: bool,
    /// Whether a code can be typed on a page of ours.
    typed_here: bool,
    /// The same as commands.
    commands: Vec<String>,
}

enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

#[utoipa::path(get, path = "/mailbox", operation_id = "mailbox", tag = "demo",
    summary = "The mails of the people who take part",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn list(demo: Arc<Demo>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let mails = demo.stage.mails();
    let mails = mails.iter().map(|mail| Row { mail, by: demo.title(&mail.dialect) }).collect();
    Ok(page(StatusCode::OK, &Mailbox { style: STYLE, mails }))
}

#[utoipa::path(get, path = "/mail", operation_id = "mail", tag = "demo",
    summary = "One of these mails", params(("id" = String, Query, description = "Which")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "There is none of that name any more", body = String,
            content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let query = call.request.uri().query().unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "id");
    let id = id.map(|(_, value)| value).unwrap_or_default();
    let Some(mail) = demo.stage.mails().into_iter().find(|mail| mail.id == id) else {
        let line = "The mailbox keeps the last hundred.";
        return Err(message(StatusCode::NOT_FOUND, "There is no such mail", line));
    };
    let link = match &mail.carries {
        Carries::Code(_) => None,
        Carries::Link(link) => Some(link.as_str()),
        Carries::Notice(link) => link.as_deref(),
    };
    let opened = Opened {
        style: STYLE,
        mail: &mail,
        by: demo.title(&mail.dialect),
        pieces: pieces(&mail.text, link),
        leads_on: !matches!(mail.carries, Carries::Notice(_)),
        typed_here: demo.pages && matches!(mail.carries, Carries::Code(_)),
        commands: demo.commands(&mail),
    };
    Ok(page(StatusCode::OK, &opened))
}

impl Demo {
    /// How a program would go on from this mail.
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

/// The text, cut where the link is; a link is one of ours.
fn pieces<'a>(text: &'a str, link: Option<&'a str>) -> Vec<Piece<'a>> {
    let Some(link) = link.filter(|link| link.starts_with("http")) else { return vec![Piece::Text(text)] };
    let mut pieces = Vec::new();
    for (place, part) in text.split(link).enumerate() {
        if place > 0 {
            pieces.push(Piece::Link(link));
        }
        pieces.push(Piece::Text(part));
    }
    pieces
}
