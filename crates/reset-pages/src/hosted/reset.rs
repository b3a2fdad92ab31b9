//! `/reset`: where a mailed link leads, and where a code is typed. Loading it changes nothing; the form sets the
//! password by the rules of whichever dialect's secret it is.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use reset_core::{email::EmailAddress, error::RedeemError, exchange::Inspection, secret::TicketSecret};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Pages,
    form::{Fault, Form, Typed},
    link_cookie::{Arrival, Dead, Held, is_tag, onward, tag},
    shell::{Visit, is_foreign},
};
use reset_http::{
    rate_limit::LimitClass,
    redemption::{Redemption, as_meant},
    route::Call,
    wire::retry_after,
};

/// The form for a code.
const CODE: &str = "reset?by=code";

#[utoipa::path(get, path = "/reset", operation_id = "resetPage", tag = "pages",
    summary = "Page on which a person sets a password",
    description = "Where mailed links lead. A secret in the query moves into a cookie; nothing is spent by opening it.",
    params(("token" = Option<String>, Query, description = "The secret of a link of these pages, or of InsForge's"),
        ("reset_token" = Option<String>, Query, description = "The secret of a worthai link"),
        ("code" = Option<String>, Query, description = "The secret of a Strapi link"),
        ("by" = Option<String>, Query, description = "`link`: the form of a link that was opened before; without it, the form for a code"),
        ("link" = Option<String>, Query, description = "Which link that was")),
    responses(
        (status = 200, description = "The form, or a page that leads to it", body = String, content_type = "text/html"),
        (status = 400, description = "The link is good no more", body = String, content_type = "text/html"),
        (status = 500, description = "The server failed", body = String, content_type = "text/html")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let query: Vec<_> =
        form_urlencoded::parse(call.request.uri().query().unwrap_or_default().as_bytes()).collect();
    let of = |name| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    let visit = pages.visit(&call, "reset");
    let (now, headers) = (call.resets.adapters().clock.now(), call.request.headers());
    match pages.arrive(&visit, headers, &query, now) {
        Arrival::Onward(response) => return Ok(response),
        Arrival::Dead(reason) => return Ok(dead(&visit, reason)),
        Arrival::Without => {}
    }
    // A link leads on to `by=link`; without that, somebody comes with a code.
    if of("by") != "link" && pages.takes_codes() {
        let (visit, typed) = (visit.with_query("by", "code"), Typed::by_code());
        return Ok(visit.page(StatusCode::OK, &Form::new(&visit, pages.code_policy(), &typed, None)));
    }
    let link = of("link");
    let visit = visit.of_link(link);
    let Held { redemption, secret } = match pages.held(headers, link, now) {
        Some(Ok(held)) => held,
        Some(Err(reason)) => return Ok(over(&pages, &visit, link, reason)),
        None => return Ok(dead(&visit, Dead::without_cookie(headers, link))),
    };
    let Owner { email, locale } = owner(&pages, &visit, &call, link, redemption, &secret).await?;
    let visit = visit.of_account(locale.as_deref());
    let typed = Typed { email, link: link.to_owned(), ..Typed::default() };
    Ok(visit.page(StatusCode::OK, &Form::new(&visit, redemption.policy, &typed, None)))
}

/// Whose link it is.
struct Owner {
    /// Empty where it is not to be shown.
    email: String,
    locale: Option<String>,
}

/// Whose link it is, if it could set a password now; else the answer that says why not.
async fn owner(
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
        Ok(looked) => Err(over(pages, visit, link, Dead::of(looked.map(|inspection| inspection.state)))),
        Err(_) => Err(failed(visit, &onward(link))),
    }
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
    Ok(match (typed.by_code, pages.takes_codes()) {
        (true, true) => by_code(&pages, &visit, &call, &typed).await,
        // From the time when codes were mailed here.
        (true, false) => dead(&visit, Dead::Over),
        (false, _) => by_link(&pages, &visit, &call, &typed).await,
    })
}

/// The secret is in the cookie that the form names.
async fn by_link(pages: &Pages, visit: &Visit<'_>, call: &Call, typed: &Typed) -> Response<Bytes> {
    let (now, headers, link) = (call.resets.adapters().clock.now(), call.request.headers(), &*typed.link);
    let visit = &visit.clone().of_link(link);
    let Held { redemption, secret } = match pages.held(headers, link, now) {
        Some(Ok(held)) => held,
        Some(Err(reason)) => return over(pages, visit, link, reason),
        None => return dead(visit, Dead::without_cookie(headers, link)),
    };
    let owner = async || owner(pages, visit, call, link, redemption, &secret).await;
    let again = async |fault| match owner().await {
        Ok(Owner { email, .. }) => {
            let typed = Typed { email, link: link.to_owned(), ..Typed::default() };
            typed.again(visit, redemption.policy, fault)
        }
        Err(answer) => answer,
    };
    // The password first: a weak one never spends the secret (R17).
    let password = match redemption.policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return again(Fault::weak(visit.words(), weakness)).await,
    };
    let guess = match call.acquire(LimitClass::Token).await {
        Ok(guess) => guess,
        Err(error) => return visit.render(&error),
    };
    match guess.judge(call.resets.redeem(redemption.dialect, &secret, password, call.network()).await) {
        Ok(_) => done(pages, visit, call, link),
        // Usable and refused all the same: the account is another one by now.
        Err(RedeemError::Invalid | RedeemError::Blocked) => match owner().await {
            Ok(_) => over(pages, visit, link, Dead::Void),
            Err(answer) => answer,
        },
        Err(RedeemError::OwnName) => again(Fault::own_name(visit.words())).await,
        Err(RedeemError::Busy { retry_after: wait }) => {
            let mut response = again(Fault { field: "", text: visit.words().busy.clone() }).await;
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            retry_after(response, wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, &onward(link)),
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
    let guess = match call.acquire(pages.class_of(&code)).await {
        Ok(guess) => guess,
        Err(error) => return visit.render(&error),
    };
    let redeemed = pages.redeem_code(&call.resets, call.network(), &email, &code, password).await;
    // Where the code has become a token, that one waits in the cookie, and the form is a link's.
    let exchanged = redeemed.token.as_ref().map(|(dialect, token)| Typed {
        email: typed.email.clone(),
        link: tag(dialect, token),
        ..Typed::default()
    });
    let link = exchanged.as_ref().map_or("", |exchanged| &exchanged.link);
    let (by_link, back) = (&visit.clone().of_link(link), if link.is_empty() { CODE } else { &onward(link) });
    let (visit, typed) = exchanged.as_ref().map_or((by_code, typed), |exchanged| (by_link, exchanged));
    let mut response = match guess.judge(redeemed.outcome) {
        Ok(()) => return done(pages, visit, call, link),
        Err(RedeemError::Invalid | RedeemError::Blocked) => return again("code", &words.code_wrong),
        Err(RedeemError::OwnName) => typed.again(visit, policy, Fault::own_name(words)),
        Err(RedeemError::Busy { retry_after: wait }) => {
            let fault = Fault { field: "", text: words.busy.clone() };
            let form = Form::new(visit, policy, typed, Some(fault));
            retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
        }
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit, back),
    };
    if let Some((dialect, token)) = redeemed.token {
        response.headers_mut().append(header::SET_COOKIE, pages.hold(link, dialect, &token));
    }
    response
}

fn done(pages: &Pages, visit: &Visit<'_>, call: &Call, link: &str) -> Response<Bytes> {
    let words = visit.words();
    let mut lines = vec![words.done_lead.clone()];
    if call.resets.tells_owners() {
        lines.push(words.done_notice.clone());
    }
    let home = visit.home().map(|home| (home, words.done_home.as_str()));
    let mut response = visit.message(StatusCode::OK, &words.done_title, lines, home);
    if is_tag(link) {
        response.headers_mut().append(header::SET_COOKIE, pages.let_go(link));
        response.headers_mut().append(header::SET_COOKIE, pages.remember_done(link));
    }
    response
}

/// One click from asking again.
fn dead(visit: &Visit<'_>, reason: Dead) -> Response<Bytes> {
    let words = visit.words();
    let line = match reason {
        Dead::Unknown => &words.dead_unknown,
        Dead::Expired => &words.dead_expired,
        Dead::Spent => &words.dead_spent,
        Dead::Void => &words.dead_void,
        Dead::Over => &words.dead_over,
        Dead::Lost => &words.dead_lost,
    };
    // Where it was lost, the link itself may be good.
    let title = if reason == Dead::Lost { &words.open_title } else { &words.dead_title };
    let again = Some(("forgot", words.again.as_str()));
    visit.message(StatusCode::BAD_REQUEST, title, vec![line.clone()], again)
}

/// The same for the secret of a cookie, which ends.
fn over(pages: &Pages, visit: &Visit<'_>, link: &str, reason: Dead) -> Response<Bytes> {
    let mut response = dead(visit, reason);
    response.headers_mut().append(header::SET_COOKIE, pages.let_go(link));
    response
}

/// The secret waits in the cookie, unless it was spent after all: the page says so when it is opened again.
fn failed(visit: &Visit<'_>, back: &str) -> Response<Bytes> {
    visit.failed_at("a reset by the page failed", back)
}
