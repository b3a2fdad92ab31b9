//! `/`: the start page of the demo.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::{
    Demo, Person, UNKNOWN_EMAIL, Walkthrough,
    page::{STYLE, page},
};
use reset_http::route::Call;

#[derive(Template)]
#[template(path = "demo/start.html")]
struct Start<'a> {
    style: &'static str,
    walkthroughs: &'a [Walkthrough],
    people: &'a [Person],
    unknown: &'static str,
    pages: bool,
    server: &'a str,
}

#[utoipa::path(get, path = "/", operation_id = "start", tag = "demo",
    summary = "Start page",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let people = demo.stage.people();
    let start = Start {
        style: STYLE,
        walkthroughs: &demo.walkthroughs,
        people: &people,
        unknown: UNKNOWN_EMAIL,
        pages: demo.pages,
        server: &demo.public_url,
    };
    Ok(page(StatusCode::OK, &start))
}
