//! `/reset`: the page that mailed links open and on which a code is entered. Loading the page changes nothing; the form
//! sets a password under the password policy of the dialect that issued the secret.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use reset_core::{
    email::EmailAddress, error::RedeemError, exchange::Inspection, password::NewPassword,
    secret::TicketSecret,
};
use url::form_urlencoded;

use super::{
    Pages,
    cookies::is_tag,
    form::{FieldError, Form, FormInput},
    icons::Tone,
    link_cookie::{DeadLink, HeldSecret, LinkQuery, form_url, link_tag},
    message::Message,
    shell::{Visit, is_cross_site},
};
use reset_http::{
    common_error::CommonError,
    rate_limit::LimitClass,
    redemption::{Redemption, normalize_code},
    route::Call,
    wire::retry_after,
};

/// URL of the form for a code.
const CODE_FORM: &str = "reset?by=code";

#[utoipa::path(get, path = "/reset", operation_id = "resetPage", tag = "pages",
    summary = "Page to set a password",
    description = "The page that mailed links open. A secret in the query moves into a cookie. Loading the page does not use up the secret.",
    params(("token" = Option<String>, Query, description = "The secret of a link of the hosted pages or of InsForge"),
        ("reset_token" = Option<String>, Query, description = "The secret of a worthai link"),
        ("code" = Option<String>, Query, description = "The secret of a Strapi link"),
        ("by" = Option<String>, Query, description = "`link`: the form for a link that was opened before; without it, the form for a code"),
        ("link" = Option<String>, Query, description = "Tag of that link")),
    responses(
        (status = 200, description = "The form, or a page that loads the form", body = String, content_type = "text/html"),
        (status = 400, description = "The link is expired, used or invalid", body = String, content_type = "text/html"),
        (status = 500, description = "Internal error", body = String, content_type = "text/html")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let query: Vec<_> =
        form_urlencoded::parse(call.request.uri().query().unwrap_or_default().as_bytes()).collect();
    let parameter = |name| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    let visit = pages.visit(&call, "reset");
    let (now, headers) = (call.resets.adapters().clock.now(), call.request.headers());
    match pages.take_secret_from_query(&visit, headers, &query, now) {
        LinkQuery::Secret(response) => return Ok(response),
        LinkQuery::Dead(reason) => return Ok(dead_link(&visit, reason)),
        LinkQuery::Absent => {}
    }
    // An opened link continues at `by=link`. Without it, the page shows the form for a code.
    if parameter("by") != "link" && pages.takes_codes() {
        let (visit, input) = (visit.with_query("by", "code"), FormInput::for_code());
        return Ok(visit.page(StatusCode::OK, &Form::new(&visit, pages.code_policy(), &input, None)));
    }
    let link = parameter("link");
    let visit = visit.for_link(link);
    let HeldSecret { redemption, secret } = match pages.held_secret(headers, link, now) {
        Some(Ok(held)) => held,
        Some(Err(reason)) => return Ok(dead_link_with_cookie(&pages, &visit, link, reason)),
        None => return Ok(dead_link(&visit, pages.without_cookie(headers, link))),
    };
    let Owner { email, locale } = find_owner(&pages, &visit, &call, link, redemption, &secret).await?;
    let visit = visit.for_account(locale.as_deref());
    let input = FormInput { email, link: link.to_owned(), ..FormInput::default() };
    Ok(visit.page(StatusCode::OK, &Form::new(&visit, redemption.policy, &input, None)))
}

/// The account that a link belongs to.
struct Owner {
    /// Address shown in the form; empty if it must not be shown.
    email: String,
    locale: Option<String>,
}

/// Returns the owner of a link that can set a password now, or else the page that says why it cannot.
async fn find_owner(
    pages: &Pages,
    visit: &Visit<'_>,
    call: &Call,
    link: &str,
    redemption: &Redemption,
    secret: &TicketSecret,
) -> Result<Owner, Response<Bytes>> {
    match call.resets.inspect(redemption.dialect, secret, call.network()).await {
        Ok(Some(Inspection { usable: true, email, locale, .. })) => {
            Ok(Owner { email: email.unwrap_or_default(), locale })
        }
        Ok(inspection) => {
            let state = inspection.map(|inspection| inspection.state);
            let reason = match DeadLink::from_state(state) {
                DeadLink::Spent if pages.has_used(call.request.headers(), link) => DeadLink::Done,
                reason => reason,
            };
            Err(dead_link_with_cookie(pages, visit, link, reason))
        }
        Err(error) => Err(match error.retry_after() {
            Some(retry_after) => visit.render(&CommonError::Busy { retry_after }),
            None => failed(visit, &form_url(link)),
        }),
    }
}

#[utoipa::path(post, path = "/reset", operation_id = "resetByPage", tag = "pages",
    summary = "Set a password",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`password`. With `by=code` also `email` and `code`, and without `password` the form is only filled in. Otherwise `link`, the tag in the form; the secret is in the cookie"),
    responses(
        (status = 200, description = "The password is set; or the form, filled in", body = String, content_type = "text/html"),
        (status = 400, description = "An input is invalid and the secret stays usable, or the secret is expired, used or invalid",
            body = String, content_type = "text/html"),
        (status = 403, description = "The form was submitted from another site", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this client", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "Internal error", body = String, content_type = "text/html"),
        (status = 503, description = "The server is busy; the secret stays usable", body = String, content_type = "text/html",
            headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn set(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "reset");
    if is_cross_site(call.request.headers()) {
        return Ok(visit.cross_site_error());
    }
    let input = FormInput::parse(call.request.body());
    if input.by_code && !input.has_password && pages.takes_codes() {
        // The code is in no address: a page that has it, such as the demo's mailbox, sends it as a form.
        let visit = visit.with_query("by", "code");
        return Ok(visit.page(StatusCode::OK, &Form::new(&visit, pages.code_policy(), &input, None)));
    }
    Ok(match (input.by_code, pages.takes_codes()) {
        (true, true) => set_by_code(&pages, &visit, &call, &input).await,
        // The form is older than the current settings: no dialect mails codes any more.
        (true, false) => dead_link(&visit, DeadLink::Ended),
        (false, _) => set_by_link(&pages, &visit, &call, &input).await,
    })
}

/// Sets the password with the secret in the cookie that the form names.
async fn set_by_link(pages: &Pages, visit: &Visit<'_>, call: &Call, input: &FormInput) -> Response<Bytes> {
    let (now, headers, link) = (call.resets.adapters().clock.now(), call.request.headers(), &*input.link);
    let visit = &visit.clone().for_link(link);
    let HeldSecret { redemption, secret } = match pages.held_secret(headers, link, now) {
        Some(Ok(held)) => held,
        Some(Err(reason)) => return dead_link_with_cookie(pages, visit, link, reason),
        None => return dead_link(visit, pages.without_cookie(headers, link)),
    };
    let find_owner = async || find_owner(pages, visit, call, link, redemption, &secret).await;
    let form_with = async |error| match find_owner().await {
        Ok(Owner { email, .. }) => {
            let input = FormInput { email, link: link.to_owned(), ..FormInput::default() };
            input.form_with(visit, redemption.policy, error)
        }
        Err(response) => response,
    };
    // Check the password first: a weak password never uses up the secret (R17).
    let password = match redemption.policy.accept(&input.password) {
        Ok(password) => password,
        Err(weakness) => return form_with(FieldError::weak(visit.words(), weakness)).await,
    };
    let permit = match call.acquire(LimitClass::Token).await {
        Ok(permit) => permit,
        Err(error) => return visit.render(&error),
    };
    let (network, locale) = (call.network(), Some(visit.tag().to_owned()));
    match permit.judge(call.resets.redeem(redemption.dialect, &secret, password, network, locale).await) {
        Ok(_) => done(pages, visit, call, link),
        Err(RedeemError::Invalid | RedeemError::Blocked) => {
            // A double click sends the form twice: the second response is the first one's.
            let again = redemption.policy.accept(&input.password);
            if let Ok(again) = again
                && has_just_set(call, redemption.dialect, &secret, again).await
            {
                return done(pages, visit, call, link);
            }
            // A usable link is rejected if its account has changed in the meantime.
            match find_owner().await {
                Ok(_) => dead_link_with_cookie(pages, visit, link, DeadLink::Void),
                Err(response) => response,
            }
        }
        Err(RedeemError::OwnName) => form_with(FieldError::own_name(visit.words())).await,
        Err(RedeemError::Busy { retry_after: wait }) => {
            let mut response =
                form_with(FieldError { field: "", text: visit.words().busy_form.clone() }).await;
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            retry_after(response, wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, &form_url(link)),
    }
}

/// Whether the secret has set this password a moment ago. If that cannot be found out, it counts as no.
pub(super) async fn has_just_set(
    call: &Call,
    dialect: &'static str,
    secret: &TicketSecret,
    password: NewPassword,
) -> bool {
    call.resets.has_just_set(dialect, secret, password).await.unwrap_or(false)
}

/// Sets the password with the code and the address in the form.
async fn set_by_code(pages: &Pages, visit: &Visit<'_>, call: &Call, input: &FormInput) -> Response<Bytes> {
    let (words, policy) = (visit.words(), pages.code_policy());
    let by_code = &visit.clone().with_query("by", "code");
    let form_with =
        |field, text: &String| input.form_with(by_code, policy, FieldError { field, text: text.clone() });
    let Ok(email) = EmailAddress::parse(input.email.trim()) else {
        return form_with("email", &words.email_wrong);
    };
    if input.code.trim().is_empty() {
        return form_with("code", &words.code_missing);
    }
    let accept = || policy.accept(&input.password);
    let password = match accept() {
        Ok(password) => password,
        Err(weakness) => return input.form_with(by_code, policy, FieldError::weak(words, weakness)),
    };
    let code = normalize_code(&input.code);
    let permit = match call.acquire(pages.limit_class(&code)).await {
        Ok(permit) => permit,
        Err(error) => return visit.render(&error),
    };
    let locale = Some(visit.tag().to_owned());
    let redeemed = pages.redeem_code(call, locale, &email, &code, password, accept).await;
    // After an exchange the code is used up. The token goes into the cookie, and the next form is the one for a link.
    let exchanged = redeemed.token.as_ref().map(|(dialect, token)| FormInput {
        email: input.email.clone(),
        link: link_tag(dialect, token),
        ..FormInput::default()
    });
    let link = exchanged.as_ref().map_or("", |exchanged| &exchanged.link);
    let by_link = &visit.clone().for_link(link);
    let back = if link.is_empty() { CODE_FORM } else { &form_url(link) };
    let (visit, input) = exchanged.as_ref().map_or((by_code, input), |exchanged| (by_link, exchanged));
    let mut response = match permit.judge(redeemed.outcome) {
        Ok(()) => return done(pages, visit, call, link),
        Err(RedeemError::Invalid | RedeemError::Blocked) => return form_with("code", &words.code_wrong),
        Err(RedeemError::OwnName) => input.form_with(visit, policy, FieldError::own_name(words)),
        Err(RedeemError::Busy { retry_after: wait }) => {
            let error = FieldError { field: "", text: words.busy_form.clone() };
            let form = Form::new(visit, policy, input, Some(error));
            retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, back),
    };
    if let Some((dialect, token)) = redeemed.token {
        response.headers_mut().append(header::SET_COOKIE, pages.secret_cookie(link, dialect, &token));
    }
    response
}

/// Renders the page that confirms the new password, and deletes the cookie of a link's secret.
fn done(pages: &Pages, visit: &Visit<'_>, call: &Call, link: &str) -> Response<Bytes> {
    let words = visit.words();
    let mut lines = if call.resets.ends_sessions() {
        vec![words.done_lead.clone()]
    } else {
        vec![words.done_lead_devices.clone(), words.devices.clone()]
    };
    if call.resets.tells_owners() {
        lines.push(words.done_notice.clone());
    }
    let message = Message::new(StatusCode::OK, Tone::Success, &words.done_title, lines);
    let mut response = visit.message(with_sign_in(visit, message));
    if is_tag(link) {
        response.headers_mut().append(header::SET_COOKIE, pages.expired_cookie(link));
        response.headers_mut().append(header::SET_COOKIE, pages.done_cookie(link));
    }
    response
}

/// Adds the button to the sign-in page, if the deployment names one.
fn with_sign_in<'a>(visit: &Visit<'a>, message: Message<'a>) -> Message<'a> {
    match visit.sign_in_url() {
        Some(url) => message.action(url, &visit.words().done_home),
        None => message,
    }
}

/// Renders the page of a dead link, with a button to request a new one.
fn dead_link(visit: &Visit<'_>, reason: DeadLink) -> Response<Bytes> {
    let words = visit.words();
    let (title, line) = match reason {
        DeadLink::Unknown => (&words.dead_title, &words.dead_unknown),
        DeadLink::Expired => (&words.dead_expired_title, &words.dead_expired),
        DeadLink::Spent => (&words.dead_spent_title, &words.dead_spent),
        DeadLink::Void => (&words.dead_title, &words.dead_void),
        DeadLink::Ended => (&words.dead_title, &words.dead_over),
        // Without the cookie, the link itself may still be valid.
        DeadLink::CookieMissing => (&words.open_title, &words.dead_lost),
        DeadLink::Done => {
            let lines = vec![words.already.clone()];
            let message = Message::new(StatusCode::OK, Tone::Success, &words.already_title, lines);
            let secondary = Some(("forgot".into(), words.again.as_str()));
            return visit.message(Message { secondary, ..with_sign_in(visit, message) });
        }
    };
    let tone = if reason == DeadLink::Expired { Tone::Neutral } else { Tone::Warning };
    let message = Message::new(StatusCode::BAD_REQUEST, tone, title, vec![line.clone()]);
    visit.message(message.action("forgot", &words.again))
}

/// Renders the page of a dead link and deletes the cookie of its secret.
fn dead_link_with_cookie(pages: &Pages, visit: &Visit<'_>, link: &str, reason: DeadLink) -> Response<Bytes> {
    let mut response = dead_link(visit, reason);
    response.headers_mut().append(header::SET_COOKIE, pages.expired_cookie(link));
    response
}

/// Renders the error page of a reset whose outcome is unknown. The cookie keeps the secret, so the form at `back` can
/// be tried again; if the secret was used up after all, that page says so.
fn failed(visit: &Visit<'_>, back: &str) -> Response<Bytes> {
    visit.failed_unsure("reset on the hosted page failed: store or hashing error", back)
}
