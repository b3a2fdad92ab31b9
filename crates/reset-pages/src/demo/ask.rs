//! `/ask`: asks for a reset by a dialect's own row, and shows the request and what came back.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use url::form_urlencoded;

use super::{
    Demo, NOBODY,
    page::{STYLE, foreign, message, page},
};
use reset_http::{Peer, api::REFERENCE, client::Step, route::Call};

#[derive(Template)]
#[template(path = "demo/asked.html")]
struct Asked<'a> {
    style: &'static str,
    title: &'a str,
    step: &'a Step,
    status: &'a str,
    content_type: &'a str,
    reference: &'a str,
    body: &'a str,
    /// Who has no account, if that is so.
    nobody: Option<&'a str>,
    accepted: bool,
}

#[utoipa::path(post, path = "/ask", operation_id = "askByDialect", tag = "demo",
    summary = "Ask for a reset by a dialect's own row",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`dialect`, and the `email` of somebody who takes part"),
    responses(
        (status = 200, description = "The request that was made, and its answer whatever it was", body = String,
            content_type = "text/html"),
        (status = 400, description = "There is no such dialect, or nobody with this address takes part",
            body = String, content_type = "text/html"),
        (status = 403, description = "The form was another site's", body = String, content_type = "text/html")))]
pub(super) async fn ask(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    if let Some(refused) = foreign(call.request.headers()) {
        return Err(refused);
    }
    let (mut dialect, mut email) = (String::new(), String::new());
    for (key, value) in form_urlencoded::parse(call.request.body()) {
        match &*key {
            "dialect" => dialect = value.into_owned(),
            "email" => email = value.into_owned(),
            _ => {}
        }
    }
    let walkthrough = demo.walkthrough(&dialect);
    let known = demo.person(&email).is_some();
    let (Some(walkthrough), true) = (walkthrough, known || email == NOBODY) else {
        let line = "Choose a dialect and an address on the start page.";
        return Err(message(StatusCode::BAD_REQUEST, "That did not work", line));
    };
    let step = walkthrough.client.request_for(&email);
    let answer = call.api.perform(request(&call, &step)).await;
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        style: STYLE,
        title: walkthrough.client.title,
        step: &step,
        status: &answer.status().to_string(),
        content_type: text(&header::CONTENT_TYPE),
        reference: text(&REFERENCE),
        body: &String::from_utf8_lossy(answer.body()),
        nobody: (!known).then_some(&email),
        accepted: answer.status().is_success(),
    };
    let mut response = page(StatusCode::OK, &asked);
    if let Some(reference) = answer.headers().get(REFERENCE) {
        response.headers_mut().insert(REFERENCE, reference.clone());
    }
    Ok(response)
}

/// The request that a client of the dialect would make, from whom this one is, and in the same language.
fn request(call: &Call, step: &Step) -> Request<Bytes> {
    let mut headers = call.request.headers().clone();
    for of_the_form in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::COOKIE, header::ORIGIN] {
        headers.remove(of_the_form);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut request = Request::new(Bytes::from(step.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = step.path.parse().expect("rows have plain paths");
    *request.headers_mut() = headers;
    if let Some(peer) = call.request.extensions().get::<Peer>() {
        request.extensions_mut().insert(*peer);
    }
    request
}
