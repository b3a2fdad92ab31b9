//! `/reset`: where a mailed link leads, and where a code is typed. Loading it changes nothing; the form sets the
//! password by the rules of whichever dialect's secret it is.
//!
//! A secret in the query moves into a cookie at once, and the form is shown at an address without it (R34).

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use reset_core::{
    Resets,
    email::EmailAddress,
    error::{ExchangeError, RedeemError, StoreError},
    exchange::Exchange,
    password::{NewPassword, PASSWORD_MAX, Policy, Weakness},
    secret::TicketSecret,
    ticket::{TicketKind, TicketState},
    time::Timestamp,
};
use reset_words::{Page, with_number};
use tracing::error;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Pages,
    door::{Door, Entrance, Unread, as_meant},
    shell::{Shell, Visit, cookie, is_foreign},
};
use crate::{gate::Class, refusal::Refusal, route::Call, wire::retry_after};

/// The cookie that holds the secret while the form is open, and for how long.
const SECRET: &str = "polyreset-reset";
const SECRET_AGE: u32 = 15 * 60;
/// Longest secret that is taken into a cookie: a token of worthai's has about 400 characters.
const SECRET_MAX: usize = 2048;

#[derive(Template)]
#[template(path = "reset.html")]
struct Form<'a> {
    shell: Shell<'a>,
    words: &'a Page,
    title: &'a str,
    lead: &'a str,
    fault: Option<Fault>,
    by_code: bool,
    email: &'a str,
    code: &'a str,
    passwordrules: String,
    min: usize,
    max: usize,
    rules: Vec<(&'static str, String)>,
}

impl Form<'_> {
    fn is_at(&self, field: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.field == field)
    }
}

/// What is wrong, and in which field.
struct Fault {
    field: &'static str,
    text: String,
}

/// What a form says.
#[derive(Default)]
struct Typed {
    by_code: bool,
    email: String,
    code: Zeroizing<String>,
    password: Zeroizing<String>,
}

/// Why there is no form for a secret.
enum Dead {
    Unknown,
    Expired,
    Spent,
    Void,
}

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
    let visit = pages.visit(&call, "reset");
    let now = call.resets.adapters().clock.now();
    let query = call.request.uri().query().unwrap_or_default();
    let presented: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let by_code = presented.iter().any(|(key, value)| key == "by" && value == "code");
    if let Some(arrival) = pages.arrive(&visit, &presented, now) {
        return Ok(arrival);
    }
    let held = if by_code { None } else { cookie(call.request.headers(), SECRET) };
    let Some(held) = held else {
        return Ok(if pages.takes_codes() {
            visit.page(StatusCode::OK, &pages.form(&visit, pages.code_policy(), &Typed::by_code(), None))
        } else {
            dead(&pages, &visit, &Dead::Unknown)
        });
    };
    let (door, secret) = match pages.opened(&held, now) {
        Ok(opened) => opened,
        Err(reason) => return Ok(dead(&pages, &visit, &reason)),
    };
    let Ok(looked) = call.resets.inspect(door.dialect, &secret, call.network()).await else {
        return Ok(failed(&visit));
    };
    Ok(match looked.map(|inspection| inspection.state) {
        Some(TicketState::Live) => {
            visit.page(StatusCode::OK, &pages.form(&visit, door.policy, &Typed::default(), None))
        }
        other => dead(&pages, &visit, &other.map_or(Dead::Unknown, Dead::of)),
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
        let words = visit.words();
        let lines = vec![words.foreign.clone()];
        return Ok(visit.message(StatusCode::FORBIDDEN, &words.foreign_title, lines, None));
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
    let Some(held) = cookie(call.request.headers(), SECRET) else { return dead(pages, visit, &Dead::Unknown) };
    let (door, secret) = match pages.opened(&held, now) {
        Ok(opened) => opened,
        Err(reason) => return dead(pages, visit, &reason),
    };
    // The password first: a weak one never spends the secret (R17).
    let password = match door.policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return pages.again(visit, door.policy, typed, weak(visit, weakness)),
    };
    let guess = match call.admit(Class::Token) {
        Ok(guess) => guess,
        Err(refusal) => return too_many(visit, &refusal),
    };
    match guess.judge(call.resets.redeem(door.dialect, &secret, password, call.network()).await) {
        Ok(_) => done(pages, visit),
        Err(RedeemError::Invalid | RedeemError::Blocked) => {
            match call.resets.inspect(door.dialect, &secret, call.network()).await {
                Ok(looked) => dead(pages, visit, &looked.map_or(Dead::Unknown, |seen| Dead::of(seen.state))),
                Err(_) => failed(visit),
            }
        }
        Err(RedeemError::Busy { retry_after: wait }) => busy(pages, visit, door.policy, typed, wait),
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit),
    }
}

/// Address, code and password are typed.
async fn by_code(pages: &Pages, visit: &Visit<'_>, call: &Call, typed: &Typed) -> Response<Bytes> {
    let (words, policy) = (visit.words(), pages.code_policy());
    let again = |field, text: &String| pages.again(visit, policy, typed, Fault { field, text: text.clone() });
    let Ok(email) = EmailAddress::parse(typed.email.trim()) else { return again("email", &words.email_wrong) };
    if typed.code.trim().is_empty() {
        return again("code", &words.code_missing);
    }
    let password = match policy.accept(&typed.password) {
        Ok(password) => password,
        Err(weakness) => return pages.again(visit, policy, typed, weak(visit, weakness)),
    };
    let code = Zeroizing::new(as_meant(&typed.code));
    let long = code.chars().count() > 6;
    let guess = match call.admit(if long { Class::Token } else { Class::AddressCode }) {
        Ok(guess) => guess,
        Err(refusal) => return too_many(visit, &refusal),
    };
    let outcome = pages.redeem_code(&call.resets, call, &email, &code, password).await;
    match guess.judge(outcome) {
        Ok(None) => done(pages, visit),
        // The code has become a token, and the token waits.
        Ok(Some((token, wait))) => {
            let mut response = busy(pages, visit, policy, &Typed::default(), wait);
            response.headers_mut().append(header::SET_COOKIE, pages.hold(&token));
            response
        }
        Err(RedeemError::Invalid | RedeemError::Blocked) => again("code", &words.code_wrong),
        Err(RedeemError::Busy { retry_after: wait }) => busy(pages, visit, policy, typed, wait),
        Err(RedeemError::Hash(_) | RedeemError::Store(_)) => failed(visit),
    }
}

impl Pages {
    fn takes_codes(&self) -> bool {
        self.doors.iter().any(Door::takes_codes)
    }

    /// The rules of every door that takes codes: whose code it is is not known before the password is judged.
    fn code_policy(&self) -> Policy {
        let none = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
        let doors = self.doors.iter().filter(|door| door.takes_codes());
        doors.fold(none, |policy, door| policy.and(door.policy))
    }

    /// A visitor who comes by a link: his secret moves into a cookie, and he goes on without it.
    fn arrive<'a>(
        &self,
        visit: &Visit<'a>,
        presented: &[(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)],
        now: Timestamp,
    ) -> Option<Response<Bytes>> {
        let mut reason = None;
        for (parameter, text) in presented.iter().filter(|(_, text)| text.len() <= SECRET_MAX) {
            for door in self.doors.iter().filter(|door| door.is_for(parameter)) {
                match door.open_link(text, now) {
                    Ok(_) => {
                        let mut response = visit.onward("reset");
                        let held = format!("{}.{text}", door.dialect);
                        response.headers_mut().append(header::SET_COOKIE, self.hold(&held));
                        return Some(response);
                    }
                    Err(Unread::Expired) => reason = Some(Dead::Expired),
                    Err(Unread::Unknown) => {
                        reason.get_or_insert(Dead::Unknown);
                    }
                }
            }
        }
        reason.map(|reason| dead(self, visit, &reason))
    }

    /// The secret that a cookie holds, and whose it is.
    fn opened(&self, held: &str, now: Timestamp) -> Result<(&Door, TicketSecret), Dead> {
        let (dialect, text) = held.split_once('.').ok_or(Dead::Unknown)?;
        let mut reason = Dead::Unknown;
        for door in self.doors.iter().filter(|door| door.dialect == dialect) {
            match door.open_link(text, now) {
                Ok(secret) => return Ok((door, secret)),
                Err(Unread::Expired) => reason = Dead::Expired,
                Err(Unread::Unknown) => {}
            }
        }
        Err(reason)
    }

    /// The cookie that holds a secret.
    fn hold(&self, held: &str) -> HeaderValue {
        self.cookie(SECRET, held, "/reset", "Strict", SECRET_AGE)
    }

    /// The cookie's end.
    fn drop_cookie(&self) -> HeaderValue {
        self.cookie(SECRET, "", "/reset", "Strict", 0)
    }

    /// Sets the password by a code of the account's, in whichever dialect it has one. A code that became a token while
    /// too much was being hashed is returned as what the cookie is to hold, with the time to wait.
    async fn redeem_code(
        &self,
        resets: &Resets,
        call: &Call,
        email: &EmailAddress,
        code: &str,
        password: NewPassword,
    ) -> Result<Option<(String, std::time::Duration)>, RedeemError> {
        let now = resets.adapters().clock.now();
        let known = resets.codes_of(email).await?;
        let has_code = |door: &&Door| known.as_ref().is_some_and(|(_, live)| live.iter().any(|of| of == door.dialect));
        let mut doors = self.doors.iter().filter(|door| door.takes_codes() && door.open_code(code, now).is_some());
        // Where there is no code, one is guessed at all the same: nobody's and somebody's wrong code take as long.
        let door = doors.clone().find(has_code).or_else(|| doors.next()).ok_or(RedeemError::Invalid)?;
        let secret = door.open_code(code, now).ok_or(RedeemError::Invalid)?;
        let Entrance::Exchange { max_attempts, shape, life, .. } = &door.entrance else {
            let (account, _) = known.ok_or(RedeemError::Invalid)?;
            // A code of somebody else's is none of this address's.
            let secret = secret.of(account);
            return resets.redeem(door.dialect, &secret, password, call.network()).await.map(|_| None);
        };
        let exchange = Exchange {
            dialect: door.dialect,
            email,
            code: &secret,
            max_attempts: *max_attempts,
            shape: &**shape,
            life: *life,
            network: call.network(),
        };
        let exchanged = resets.exchange(exchange).await.map_err(|error| match error {
            ExchangeError::Invalid => RedeemError::Invalid,
            ExchangeError::Store(error) => RedeemError::Store(error),
        })?;
        match resets.redeem(door.dialect, &exchanged.token, password, call.network()).await {
            Err(RedeemError::Busy { retry_after }) => {
                Ok(Some((format!("{}.{}", door.dialect, exchanged.token.reveal()), retry_after)))
            }
            redeemed => redeemed.map(|_| None),
        }
    }

    fn form<'a>(
        &self,
        visit: &Visit<'a>,
        policy: Policy,
        typed: &'a Typed,
        fault: Option<Fault>,
    ) -> Form<'a> {
        let words = visit.words();
        let (title, lead) = if typed.by_code {
            (&words.code_title, &words.code_lead)
        } else {
            (&words.reset_title, &words.reset_lead)
        };
        let mut rules = vec![("min", with_number(&words.rule_min, policy.min))];
        if policy.four_classes {
            rules.push(("classes", words.rule_classes.clone()));
        }
        if policy.refuse_common {
            rules.push(("common", words.rule_common.clone()));
        }
        if policy.max_bytes < PASSWORD_MAX {
            rules.push(("max", with_number(&words.rule_max, policy.max_bytes)));
        }
        Form {
            shell: visit.shell(),
            words,
            title,
            lead,
            fault,
            by_code: typed.by_code,
            email: &typed.email,
            code: &typed.code,
            passwordrules: passwordrules(policy),
            min: policy.min,
            max: policy.max_bytes,
            rules,
        }
    }

    /// The form once more, with what is wrong. The password has to be typed again.
    fn again(&self, visit: &Visit<'_>, policy: Policy, typed: &Typed, fault: Fault) -> Response<Bytes> {
        visit.page(StatusCode::BAD_REQUEST, &self.form(visit, policy, typed, Some(fault)))
    }
}

impl Typed {
    fn by_code() -> Self {
        Self { by_code: true, ..Self::default() }
    }

    /// Of several fields of a name the last counts, as in browsers' own reading.
    fn read(form: &[u8]) -> Self {
        let mut typed = Self::default();
        for (key, value) in form_urlencoded::parse(form) {
            match &*key {
                "by" => typed.by_code = value == "code",
                "email" => typed.email = value.into_owned(),
                "code" => typed.code = Zeroizing::new(value.into_owned()),
                "password" => typed.password = Zeroizing::new(value.into_owned()),
                _ => {}
            }
        }
        typed
    }
}

impl Dead {
    fn of(state: TicketState) -> Self {
        match state {
            TicketState::Expired => Self::Expired,
            TicketState::Spent => Self::Spent,
            // Live and refused all the same: the account is another one since.
            TicketState::Void | TicketState::Live => Self::Void,
        }
    }
}

/// What password managers read (Apple's "Password Rules").
fn passwordrules(policy: Policy) -> String {
    let mut rules = format!("minlength: {};", policy.min);
    if policy.max_bytes < PASSWORD_MAX {
        rules.push_str(&format!(" maxlength: {};", policy.max_bytes));
    }
    if policy.four_classes {
        rules.push_str(" required: upper; required: lower; required: digit; required: special;");
    }
    rules
}

fn weak(visit: &Visit<'_>, weakness: Weakness) -> Fault {
    let words = visit.words();
    let text = match weakness {
        Weakness::TooShort { min } => with_number(&words.weak_min, min),
        Weakness::MissingClass => words.weak_classes.clone(),
        Weakness::Common => words.weak_common.clone(),
        Weakness::TooLong { max_bytes } => with_number(&words.weak_max, max_bytes),
        Weakness::Nul => words.weak_sign.clone(),
    };
    Fault { field: "password", text }
}

fn done(pages: &Pages, visit: &Visit<'_>) -> Response<Bytes> {
    let words = visit.words();
    let lines = vec![words.done_lead.clone(), words.done_notice.clone()];
    let home = pages.brand.home.as_deref().map(|home| (home, words.done_home.as_str()));
    let mut response = visit.message_of(pages, StatusCode::OK, &words.done_title, lines, home);
    response.headers_mut().append(header::SET_COOKIE, pages.drop_cookie());
    response
}

/// One click from asking again.
fn dead(pages: &Pages, visit: &Visit<'_>, reason: &Dead) -> Response<Bytes> {
    let words = visit.words();
    let line = match reason {
        Dead::Unknown => &words.dead_unknown,
        Dead::Expired => &words.dead_expired,
        Dead::Spent => &words.dead_spent,
        Dead::Void => &words.dead_void,
    };
    let again = Some(("forgot", words.again.as_str()));
    let mut response =
        visit.message(StatusCode::BAD_REQUEST, &words.dead_title, vec![line.clone()], again);
    response.headers_mut().append(header::SET_COOKIE, pages.drop_cookie());
    response
}

fn busy(
    pages: &Pages,
    visit: &Visit<'_>,
    policy: Policy,
    typed: &Typed,
    wait: std::time::Duration,
) -> Response<Bytes> {
    let fault = Fault { field: "", text: visit.words().busy.clone() };
    let form = pages.form(visit, policy, typed, Some(fault));
    retry_after(visit.page(StatusCode::SERVICE_UNAVAILABLE, &form), wait)
}

fn failed(visit: &Visit<'_>) -> Response<Bytes> {
    error!("a reset by the page failed");
    let words = visit.words();
    visit.message(StatusCode::INTERNAL_SERVER_ERROR, &words.failed_title, vec![words.failed.clone()], None)
}

fn too_many(visit: &Visit<'_>, refusal: &Refusal) -> Response<Bytes> {
    let words = visit.words();
    let page = visit.message(StatusCode::TOO_MANY_REQUESTS, &words.many_title, vec![words.many.clone()], None);
    match refusal {
        Refusal::TooMany { retry_after: wait } => retry_after(page, *wait),
        _ => page,
    }
}
