//! `/`: the start page of the demo, the first step of the tour.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::language::Language;
use url::form_urlencoded;

use super::{
    Demo, Person, UNKNOWN_EMAIL, Walkthrough,
    page::{Frame, page},
};
use reset_http::route::Call;

#[derive(Template)]
#[template(path = "demo/start.html")]
struct Start<'a> {
    frame: Frame,
    walkthroughs: &'a [Walkthrough],
    /// The dialect on the page; `None` for the hosted pages.
    chosen: Option<&'a Walkthrough>,
    people: &'a [Person],
    unknown: &'static str,
    pages: bool,
    languages: usize,
    server: &'a str,
}

impl Start<'_> {
    fn is_chosen(&self, dialect: &str) -> bool {
        self.chosen.is_some_and(|chosen| chosen.client.dialect == dialect)
    }
}

#[utoipa::path(get, path = "/", operation_id = "start", tag = "demo",
    summary = "Start page", params(("dialect" = Option<String>, Query,
        description = "The dialect on the page, or `pages` for the hosted pages; without it, the first one")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let people = demo.stage.people();
    let query = form_urlencoded::parse(call.request.uri().query().unwrap_or_default().as_bytes());
    let dialect = query.into_iter().find(|(key, _)| key == "dialect").map(|(_, dialect)| dialect);
    let chosen = match dialect.as_deref() {
        Some(crate::hosted::NAME) if demo.pages => None,
        name => name.and_then(|name| demo.walkthrough(name)).or_else(|| demo.walkthroughs.first()),
    };
    let start = Start {
        frame: Frame::new(1, demo.pages),
        walkthroughs: &demo.walkthroughs,
        chosen,
        people: &people,
        unknown: UNKNOWN_EMAIL,
        pages: demo.pages,
        languages: Language::ALL.len(),
        server: &demo.public_url,
    };
    Ok(page(StatusCode::OK, &start))
}
