//! `/reset`: where a mailed link leads, and where a code is typed. Loading it changes nothing; the form sets the
//! password by the rules of whichever dialect's secret it is.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use reset_core::{email::EmailAddress, error::RedeemError, exchange::Inspection, ticket::TicketState};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Pages,
    door::as_meant,
    form::{Fault, Form, Typed},
    held::{Arrival, Dead, Held, tag},
    shell::{Visit, is_foreign},
};
use crate::{gate::Class, route::Call, wire::retry_after};

/// The form of a link that was opened before.
pub(super) const LINK: &str = "reset?by=link";
/// The form for a code.
const CODE: &str = "reset?by=code";

#[utoipa::path(get, path = "/reset", operation_id = "resetPage", tag = "pages",
    summary = "Page on which a person sets a password",
    description = "Where mailed links lead. A secret in the query moves into a cookie; nothing is spent by opening it.",
    params(("token" = Option<String>, Query, description = "The secret of a link of these pages, or of InsForge's"),
        ("reset_token" = Option<String>, Query, description = "The secret of a worthai link"),
        ("code" = Option<String>, Query, description = "The secret of a Strapi link"),
        ("by" = Option<String>, Query, description = "`link`: the form of the link that was opened before; without it, the form for a code")),
    responses(
        (status = 200, description = "The form, or a page that leads to it", body = String, content_type = "text/html"),
        (status = 400, description = "The link is good no more", body = String, content_type = "text/html"),
        (status = 500, description = "The server failed", body = String, content_type = "text/html")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let query: Vec<_> =
        form_urlencoded::parse(call.request.uri().query().unwrap_or_default().as_bytes()).collect();
    let by = query.iter().find(|(key, _)| key == "by").map(|(_, by)| &**by);
    let visit = pages.visit(&call, "reset");
    let now = call.resets.adapters().clock.now();
    match pages.arrive(&visit, &query, now) {
        Arrival::Onward(response) => return Ok(response),
        Arrival::Dead(reason) => return Ok(dead(&pages, &visit, reason)),
        Arrival::Without => {}
    }
    // A link leads on to `by=link`; without that, somebody comes with a code.
    if by != Some("link") && pages.takes_codes() {
        let (visit, typed) = (visit.with_query("by", "code"), Typed::by_code());
        return Ok(visit.page(StatusCode::OK, &Form::new(&visit, pages.code_policy(), &typed, None)));
    }
    let headers = call.request.headers();
    let Held { door, secret, tag } = match pages.held(headers, now) {
        Some(Ok(held)) => held,
        Some(Err(reason)) => return Ok(dead(&pages, &visit, reason)),
        None => return Ok(dead(&pages, &visit, Dead::without_cookie(headers))),
    };
    let Ok(looked) = call.resets.inspect(door.dialect, &secret, call.network()).await else {
        return Ok(failed(&visit, LINK));
    };
    let Some(Inspection { state: TicketState::Live, locale, email, .. }) = looked else {
        return Ok(dead(&pages, &visit, Dead::of(looked.map(|inspection| inspection.state))));
    };
    let visit = visit.with_query("by", "link").of_account(locale.as_deref());
    let typed = Typed { email: email.unwrap_or_default(), link: tag, ..Typed::default() };
    Ok(visit.page(StatusCode::OK, &Form::new(&visit, door.policy, &typed, None)))
}

#[utoipa::path(post, path = "/reset", operation_id = "resetByPage", tag = "pages",
    summary = "Set a password",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`password`; with `by=code` also `email` and `code`, else the secret is in the cookie, and `link` is what the form said"),
    responses(
        (status = 200, description = "The password is set", body = String, content_type = "text/html"),
        (status = 400, description = "Something typed is not right, and the secret is unspent; or it is good no more",
            body = String, content_type = "text/html"),
        (status = 403, description = "The form was another site's", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this address", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "The server failed", body = String, content_type = "text/html"),
        (status = 503, description = "Too busy; the secret is unspent", body = String, content_type = "text/html",
            headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn set(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "reset");
    if is_foreign(call.request.headers()) {
        return Ok(visit.foreign());
    }
    let typed = Typed::read(call.request.body());
    Ok(if typed.by_code && pages.takes_codes() {
        by_code(&pages, &visit, &call, &typed).await
    } else {
        by_link(&pages, &visit, &call, &typed).await
    })
}

/// The secret is in the cookie.
async fn by_link(pages: &Pages, visit: &Visit<'_>, call: &Call, typed: &Typed) -> Response<Bytes> {
    let (now, headers) = (call.resets.adapters().clock.now(), call.request.headers());
    let Held { door, secret, tag } = match pages.held(headers, now) {
        // In another tab, maybe: the password must not go to another account than the form showed.
        Some(Ok(held)) if !typed.link.is_empty() && typed.link != held.tag => {
            return dead(pages, visit, Dead::Other);
        }
        Some(Ok(held)) => held,
        Some(Err(reason)) => return dead(pages, visit, reason),
        None => return dead(pages, visit, Dead::without_cookie(headers)),
    };
    let visit = &visit.clone().with_query("by", "link");
    let again = async |fault| {
        let looked = call.resets.inspect(door.dialect, &secret, call.network()).await;
        let email = looked.ok().flatten().and_then(|inspection| inspection.email).unwrap_or_default();
        (Typed { email, link: tag.clone(), ..Typed::default() }).again(visit, door.policy, fault)
    };
    // The password first: a weak one never spends the secret (R17).
    let password = match door.policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return again(Fault::weak(visit.words(), weakness)).await,
    };
    let guess = match call.admit(Class::Token).await {
        Ok(guess) => guess,
        Err(refusal) => return visit.too_many(&refusal),
    };
    match guess.judge(call.resets.redeem(door.dialect, &secret, password, call.network()).await) {
        Ok(_) => done(pages, visit, call),
        Err(RedeemError::Invalid | RedeemError::Blocked) => {
            match call.resets.inspect(door.dialect, &secret, call.network()).await {
                Ok(looked) => dead(pages, visit, Dead::of(looked.map(|inspection| inspection.state))),
                Err(_) => failed(visit, LINK),
            }
        }
        Err(RedeemError::OwnName) => again(Fault::own_name(visit.words())).await,
        Err(RedeemError::Busy { retry_after: wait }) => {
            let mut response = again(Fault { field: "", text: visit.words().busy.clone() }).await;
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            retry_after(response, wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, LINK),
    }
}

/// Address, code and password are typed.
async fn by_code(pages: &Pages, visit: &Visit<'_>, call: &Call, typed: &Typed) -> Response<Bytes> {
    let (words, policy) = (visit.words(), pages.code_policy());
    let by_code = &visit.clone().with_query("by", "code");
    let again = |field, text: &String| typed.again(by_code, policy, Fault { field, text: text.clone() });
    let Ok(email) = EmailAddress::parse(typed.email.trim()) else {
        return again("email", &words.email_wrong);
    };
    if typed.code.trim().is_empty() {
        return again("code", &words.code_missing);
    }
    let password = match policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return typed.again(by_code, policy, Fault::weak(words, weakness)),
    };
    let code = Zeroizing::new(as_meant(&typed.code));
    let guess = match call.admit(pages.class_of(&code)).await {
        Ok(guess) => guess,
        Err(refusal) => return visit.too_many(&refusal),
    };
    let redeemed = pages.redeem_code(&call.resets, call.network(), &email, &code, password).await;
    // Where the code has become a token, that one waits in the cookie, and the form is a link's.
    let by_link = &visit.clone().with_query("by", "link");
    let link = redeemed.token.as_ref().map(|(dialect, token)| tag(dialect, token));
    let onward = if link.is_some() { LINK } else { CODE };
    let exchanged = link.map(|link| Typed { email: typed.email.clone(), link, ..Typed::default() });
    let (visit, typed) = exchanged.as_ref().map_or((by_code, typed), |exchanged| (by_link, exchanged));
    let mut response = match guess.judge(redeemed.outcome) {
        Ok(()) => return done(pages, visit, call),
        Err(RedeemError::Invalid | RedeemError::Blocked) => return again("code", &words.code_wrong),
        Err(RedeemError::OwnName) => typed.again(visit, policy, Fault::own_name(words)),
        Err(RedeemError::Busy { retry_after: wait }) => {
            let fault = Fault { field: "", text: words.busy.clone() };
            let form = Form::new(visit, policy, typed, Some(fault));
            retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, onward),
    };
    if let Some((dialect, token)) = redeemed.token {
        response.headers_mut().append(header::SET_COOKIE, pages.hold(dialect, &token));
    }
    response
}

fn done(pages: &Pages, visit: &Visit<'_>, call: &Call) -> Response<Bytes> {
    let words = visit.words();
    let mut lines = vec![words.done_lead.clone()];
    if call.resets.tells_owners() {
        lines.push(words.done_notice.clone());
    }
    let home = visit.home().map(|home| (home, words.done_home.as_str()));
    let mut response = visit.message(StatusCode::OK, &words.done_title, lines, home);
    response.headers_mut().append(header::SET_COOKIE, pages.let_go());
    response.headers_mut().append(header::SET_COOKIE, pages.remember_done());
    response
}

/// One click from asking again.
fn dead(pages: &Pages, visit: &Visit<'_>, reason: Dead) -> Response<Bytes> {
    let words = visit.words();
    let line = match reason {
        Dead::Unknown => &words.dead_unknown,
        Dead::Expired => &words.dead_expired,
        Dead::Spent => &words.dead_spent,
        Dead::Void => &words.dead_void,
        Dead::Over => &words.dead_over,
        Dead::Lost => &words.dead_lost,
        Dead::Other => &words.dead_other,
    };
    // The link itself may be good.
    let open_again = matches!(reason, Dead::Lost | Dead::Other);
    let title = if open_again { &words.open_title } else { &words.dead_title };
    let again = Some(("forgot", words.again.as_str()));
    let mut response = visit.message(StatusCode::BAD_REQUEST, title, vec![line.clone()], again);
    if reason != Dead::Other {
        response.headers_mut().append(header::SET_COOKIE, pages.let_go());
    }
    response
}

/// The secret waits in the cookie, unless it was spent after all: the page says so when it is opened again.
fn failed<'a>(visit: &Visit<'a>, onward: &'a str) -> Response<Bytes> {
    visit.failed("a reset by the page failed", Some((onward, visit.words().onward.as_str())))
}
