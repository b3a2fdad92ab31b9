//! `/ask`: requests a reset through the endpoint of a dialect, and shows the request and the response.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use url::form_urlencoded;

use super::{
    Demo, UNKNOWN_EMAIL,
    page::{Frame, message, page, reject_cross_site},
    walkthrough::curl,
};
use crate::hosted::icons;
use reset_http::{Peer, api::REFERENCE, client::Step, route::Call};

#[derive(Template)]
#[template(path = "demo/asked.html")]
struct ExchangePage<'a> {
    frame: Frame,
    title: &'a str,
    /// Base URL of the demo, for the command.
    server: &'a str,
    step: &'a Step,
    email: &'a str,
    mail: &'static str,
    alert: &'static str,
    status: &'a str,
    content_type: &'a str,
    reference: &'a str,
    body: &'a str,
    /// Whether the address has no account.
    unknown: bool,
    accepted: bool,
}

#[utoipa::path(post, path = "/ask", operation_id = "askByDialect", tag = "demo",
    summary = "Request a reset through the endpoint of a dialect",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`dialect`, and the `email` of a demo account"),
    responses(
        (status = 200, description = "The request and its response, whatever its status", body = String,
            content_type = "text/html"),
        (status = 400, description = "Unknown dialect, or no demo account with this address",
            body = String, content_type = "text/html"),
        (status = 403, description = "The form was submitted from another site", body = String, content_type = "text/html")))]
pub(super) async fn ask(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    if let Some(rejection) = reject_cross_site(call.request.headers()) {
        return Err(rejection);
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
    let (Some(walkthrough), true) = (walkthrough, known || email == UNKNOWN_EMAIL) else {
        let line = "Choose a dialect and an account on the start page.";
        return Err(message(StatusCode::BAD_REQUEST, "Request failed", line));
    };
    let step = walkthrough.client.request_for(&email);
    let response = call.api.perform(dialect_request(&call, &step)).await;
    let header =
        |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let exchange = ExchangePage {
        frame: Frame::new(1, demo.pages),
        title: walkthrough.client.title,
        server: &demo.public_url,
        step: &step,
        email: &email,
        mail: icons::MAIL,
        alert: icons::ALERT,
        status: &response.status().to_string(),
        content_type: header(&header::CONTENT_TYPE),
        reference: header(&REFERENCE),
        body: &String::from_utf8_lossy(response.body()),
        unknown: !known,
        accepted: response.status().is_success(),
    };
    let mut page = page(StatusCode::OK, &exchange);
    if let Some(reference) = response.headers().get(REFERENCE) {
        page.headers_mut().insert(REFERENCE, reference.clone());
    }
    Ok(page)
}

/// Builds the request that a client of the dialect would send, with the peer and the headers of `call`, such as
/// `Accept-Language`.
fn dialect_request(call: &Call, step: &Step) -> Request<Bytes> {
    let mut headers = call.request.headers().clone();
    for form_header in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::COOKIE, header::ORIGIN] {
        headers.remove(form_header);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut request = Request::new(Bytes::from(step.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = step.path.parse().expect("paths of rows are valid URIs");
    *request.headers_mut() = headers;
    if let Some(peer) = call.request.extensions().get::<Peer>() {
        request.extensions_mut().insert(*peer);
    }
    request
}
