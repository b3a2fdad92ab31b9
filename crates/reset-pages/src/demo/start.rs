//! `/`: where a newcomer begins.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::{
    Demo, NOBODY, Person, Walkthrough,
    page::{STYLE, page},
};
use reset_http::route::Call;

#[derive(Template)]
#[template(path = "demo/start.html")]
struct Start<'a> {
    style: &'static str,
    walkthroughs: &'a [Walkthrough],
    people: &'a [Person],
    nobody: &'static str,
    pages: bool,
    server: &'a str,
}

#[utoipa::path(get, path = "/", operation_id = "start", tag = "demo",
    summary = "Where a newcomer begins",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let people = demo.stage.people();
    let start = Start {
        style: STYLE,
        walkthroughs: &demo.walkthroughs,
        people: &people,
        nobody: NOBODY,
        pages: demo.pages,
        server: &demo.public_url,
    };
    Ok(page(StatusCode::OK, &start))
}
