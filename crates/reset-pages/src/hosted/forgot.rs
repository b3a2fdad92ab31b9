//! `/forgot`: the page to request a reset link. The response is the same whether or not the account exists (R13).

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
    NAME, Pages, icons,
    shell::{Shell, Visit, is_cross_site},
    webmail::{Webmail, webmail_of},
};
use reset_http::{api::REFERENCE, rate_limit::LimitClass, route::Call, wire::whole_seconds};

#[derive(Template)]
#[template(path = "forgot.html")]
struct Form<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    email: &'a str,
    invalid: bool,
    notice: &'static str,
    codes: bool,
    /// URL of the sign-in page.
    home: Option<&'a str>,
}

/// The page after a request.
#[derive(Template)]
#[template(path = "sent.html")]
struct Sent<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    /// The lead, before and after the address.
    before: &'a str,
    after: &'a str,
    /// The submitted address: a typo in it is the most common reason for missing mail.
    email: &'a str,
    lifetime: String,
    webmail: Option<Webmail>,
    open_label: String,
    mail: &'static str,
    open: &'static str,
    /// Seconds until a further request for the address sends a mail.
    wait: u64,
    codes: bool,
    /// The line for a person who needs help, before and after the reference.
    help_before: &'a str,
    help_after: &'a str,
    reference: &'a str,
}

#[utoipa::path(get, path = "/forgot", operation_id = "forgotPage", tag = "pages",
    summary = "Page to request a reset",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "forgot");
    Ok(visit.page(StatusCode::OK, &form(&pages, &visit, "", false)))
}

/// Builds the form; an invalid address is shown with an error.
fn form<'a>(pages: &'a Pages, visit: &Visit<'a>, email: &'a str, invalid: bool) -> Form<'a> {
    Form {
        shell: visit.shell(),
        words: visit.words(),
        email,
        invalid,
        notice: icons::NOTICE,
        codes: pages.takes_codes(),
        home: visit.sign_in_url(),
    }
}

#[utoipa::path(post, path = "/forgot", operation_id = "askByPage", tag = "pages",
    summary = "Request a reset",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`email`"),
    responses(
        (status = 200, description = "If an account exists, a mail is sent", body = String,
            content_type = "text/html"),
        (status = 400, description = "The submitted address is invalid", body = String, content_type = "text/html"),
        (status = 403, description = "The form was submitted from another site", body = String, content_type = "text/html"),
        (status = 429, description = "Too many reset requests from this client", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "Internal error; the request was not accepted", body = String,
            content_type = "text/html")))]
pub(super) async fn request_reset(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let reference = call.resets.reference();
    let quoted = HeaderValue::from_str(reference.as_str()).expect("a reference is plain ASCII");
    let mut response = respond(&pages, call, reference).await;
    response.headers_mut().insert(REFERENCE, quoted);
    Ok(response)
}

async fn respond(pages: &Pages, call: Call, reference: reset_core::job::Reference) -> Response<Bytes> {
    let visit = pages.visit(&call, "forgot");
    let words = visit.words();
    if is_cross_site(call.request.headers()) {
        return visit.cross_site_error();
    }
    let fields = form_urlencoded::parse(call.request.body());
    let submitted = fields.filter(|(key, _)| key == "email").map(|(_, value)| value.trim().to_owned());
    let submitted = submitted.last().unwrap_or_default();
    let Ok(email) = EmailAddress::parse(&submitted) else {
        return visit.page(StatusCode::BAD_REQUEST, &form(pages, &visit, &submitted, true));
    };
    let permit = match call.acquire(LimitClass::ResetRequest).await {
        Ok(permit) => permit,
        Err(error) => return visit.render(&error),
    };
    let quoted = reference.clone();
    let request = ResetRequest {
        dialect: NAME,
        email: Some(email),
        redirect_to: None,
        locale: Some(visit.tag().to_owned()),
        network: call.network(),
        reference,
        disclosure: Disclosure::Never,
    };
    if call.resets.request(request).await.is_err() {
        permit.give_back();
        return visit.failed("failed to store a reset request");
    }
    let (before, after) = around(&words.sent_lead, "{email}");
    let (help_before, help_after) = around(&words.sent_reference, "{reference}");
    let webmail = webmail_of(&submitted);
    let open_label = webmail.map(|webmail| words.sent_open.replace("{name}", webmail.name));
    let sent = Sent {
        shell: visit.shell(),
        words,
        before,
        after,
        email: &submitted,
        lifetime: visit.wait(&words.sent_lifetime, pages.token_ttl),
        webmail,
        open_label: open_label.unwrap_or_default(),
        mail: icons::MAIL,
        open: icons::OPEN,
        wait: whole_seconds(call.resets.request_spacing()),
        codes: pages.takes_codes(),
        help_before,
        help_after,
        reference: quoted.as_str(),
    };
    visit.page(StatusCode::OK, &sent)
}

/// Returns the phrase before and after a placeholder.
fn around<'a>(phrase: &'a str, placeholder: &str) -> (&'a str, &'a str) {
    phrase.split_once(placeholder).unwrap_or((phrase, ""))
}
