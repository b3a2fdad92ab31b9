//! `/reset`: where a mailed link leads, and where a code is typed. Loading it changes nothing; the form sets the
//! password by the rules of whichever dialect's secret it is.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use reset_core::{email::EmailAddress, error::RedeemError, ticket::TicketState};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Pages,
    door::as_meant,
    form::{Fault, Form, Typed},
    held::{Arrival, Dead},
    shell::{Visit, is_foreign},
};
use crate::{gate::Class, route::Call, wire::retry_after};

#[utoipa::path(get, path = "/reset", operation_id = "resetPage", tag = "pages",
    summary = "Page on which a person sets a password",
    description = "Where mailed links lead. A secret in the query moves into a cookie; nothing is spent by opening it.",
    params(("token" = Option<String>, Query, description = "The secret of a link of these pages, or of InsForge's"),
        ("reset_token" = Option<String>, Query, description = "The secret of a worthai link"),
        ("code" = Option<String>, Query, description = "The secret of a Strapi link"),
        ("by" = Option<String>, Query, description = "`code`: show the form for a code")),
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
    let held = if by == Some("code") { None } else { pages.held(call.request.headers(), now) };
    let (door, secret) = match held {
        Some(Ok(opened)) => opened,
        Some(Err(reason)) => return Ok(dead(&pages, &visit, reason)),
        None if by == Some("link") || !pages.takes_codes() => return Ok(dead(&pages, &visit, Dead::Lost)),
        None => {
            let (visit, typed) = (visit.with_query("by", "code"), Typed::by_code());
            return Ok(visit.page(StatusCode::OK, &Form::new(&visit, pages.code_policy(), &typed, None)));
        }
    };
    let Ok(looked) = call.resets.inspect(door.dialect, &secret, call.network()).await else {
        return Ok(failed(&visit));
    };
    let (state, locale) = looked.map(|inspection| (inspection.state, inspection.locale)).unzip();
    let visit = visit.of_account(locale.flatten().as_deref());
    Ok(match state {
        Some(TicketState::Live) => {
            let typed = Typed::default();
            visit.page(StatusCode::OK, &Form::new(&visit, door.policy, &typed, None))
        }
        other => dead(&pages, &visit, Dead::of(other)),
    })
}

#[utoipa::path(post, path = "/reset", operation_id = "resetByPage", tag = "pages",
    summary = "Set a password",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`password`; with `by=code` also `email` and `code`, else the secret is in the cookie"),
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
    let now = call.resets.adapters().clock.now();
    let (door, secret) = match pages.held(call.request.headers(), now) {
        Some(Ok(opened)) => opened,
        Some(Err(reason)) => return dead(pages, visit, reason),
        None => return dead(pages, visit, Dead::Lost),
    };
    let typed = &Typed { password: typed.password.clone(), ..Typed::default() };
    // The password first: a weak one never spends the secret (R17).
    let password = match door.policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return typed.again(visit, door.policy, Fault::weak(visit.words(), weakness)),
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
                Err(_) => failed(visit),
            }
        }
        Err(RedeemError::OwnName) => typed.again(visit, door.policy, Fault::own_name(visit.words())),
        Err(RedeemError::Busy { retry_after: wait }) => {
            let fault = Fault { field: "", text: visit.words().busy.clone() };
            let form = Form::new(visit, door.policy, typed, Some(fault));
            retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit),
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
    let empty = Typed::default();
    let (visit, typed) = if redeemed.token.is_some() { (visit, &empty) } else { (by_code, typed) };
    let mut response = match guess.judge(redeemed.outcome) {
        Ok(()) => return done(pages, visit, call),
        Err(RedeemError::Invalid | RedeemError::Blocked) => return again("code", &words.code_wrong),
        Err(RedeemError::OwnName) => typed.again(visit, policy, Fault::own_name(words)),
        Err(RedeemError::Busy { retry_after: wait }) => {
            let fault = Fault { field: "", text: words.busy.clone() };
            let form = Form::new(visit, policy, typed, Some(fault));
            retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit),
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
    };
    let again = Some(("forgot", words.again.as_str()));
    let mut response = visit.message(StatusCode::BAD_REQUEST, &words.dead_title, vec![line.clone()], again);
    response.headers_mut().append(header::SET_COOKIE, pages.let_go());
    response
}

/// The secret waits in the cookie, unless it was spent after all: the page says so when it is opened again.
fn failed(visit: &Visit<'_>) -> Response<Bytes> {
    visit.failed("a reset by the page failed", Some(("reset", visit.words().onward.as_str())))
}
