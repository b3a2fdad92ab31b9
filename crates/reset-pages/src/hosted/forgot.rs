//! `/forgot`: a person asks for a link. The answer is one page for everybody (R13).

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use reset_core::{
    email::EmailAddress,
    request::{Disclosure, ResetRequest},
};
use reset_words::PagePhrases;
use url::form_urlencoded;

use super::{
    NAME, Pages,
    shell::{Shell, is_foreign},
};
use reset_http::{api::REFERENCE, rate_limit::LimitClass, route::Call};

#[derive(Template)]
#[template(path = "forgot.html")]
struct Form<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    email: &'a str,
    wrong: bool,
    codes: bool,
}

#[utoipa::path(get, path = "/forgot", operation_id = "forgotPage", tag = "pages",
    summary = "Page on which a person asks for a reset",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "forgot");
    let codes = pages.takes_codes();
    let form = Form { shell: visit.shell(), words: visit.words(), email: "", wrong: false, codes };
    Ok(visit.page(StatusCode::OK, &form))
}

#[utoipa::path(post, path = "/forgot", operation_id = "askByPage", tag = "pages",
    summary = "Ask for a reset",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`email`"),
    responses(
        (status = 200, description = "A mail is under way if there is an account", body = String,
            content_type = "text/html"),
        (status = 400, description = "What was typed is no address", body = String, content_type = "text/html"),
        (status = 403, description = "The form was another site's", body = String, content_type = "text/html"),
        (status = 429, description = "Too many resets asked for from this address", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "The server failed; nothing was accepted", body = String,
            content_type = "text/html")))]
pub(super) async fn ask(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let reference = call.resets.reference();
    let quoted = HeaderValue::from_str(reference.as_str()).expect("a reference is plain ASCII");
    let mut response = asked(&pages, call, reference).await;
    response.headers_mut().insert(REFERENCE, quoted);
    Ok(response)
}

async fn asked(pages: &Pages, call: Call, reference: reset_core::job::Reference) -> Response<Bytes> {
    let visit = pages.visit(&call, "forgot");
    let words = visit.words();
    if is_foreign(call.request.headers()) {
        return visit.foreign();
    }
    let form = form_urlencoded::parse(call.request.body());
    let typed = form.filter(|(key, _)| key == "email").map(|(_, value)| value.trim().to_owned());
    let typed = typed.last().unwrap_or_default();
    let Ok(email) = EmailAddress::parse(&typed) else {
        let codes = pages.takes_codes();
        let form = Form { shell: visit.shell(), words, email: &typed, wrong: true, codes };
        return visit.page(StatusCode::BAD_REQUEST, &form);
    };
    let permit = match call.acquire(LimitClass::ResetRequest).await {
        Ok(permit) => permit,
        Err(error) => return visit.render(&error),
    };
    let help = words.sent_reference.replace("{reference}", reference.as_str());
    let ask = ResetRequest {
        dialect: NAME,
        email: Some(email),
        redirect_to: None,
        locale: Some(visit.tag().to_owned()),
        network: call.network(),
        reference,
        disclosure: Disclosure::Never,
    };
    if call.resets.request(ask).await.is_err() {
        permit.give_back();
        return visit.failed("the store failed a request");
    }
    // What was typed is shown: a slip in it is why most mails do not come.
    let lines = vec![words.sent_lead.replace("{email}", &typed), words.sent_nothing.clone(), help];
    visit.message_aside(StatusCode::OK, &words.sent_title, lines, ("forgot", words.sent_again.as_str()))
}
