//! `/not-me`: the page that the "this wasn't me" link of a notice opens. Loading the page changes nothing; its button
//! opens a dispute (R30, R32).

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::dispute::{DisputeError, DisputeLinkState};
use reset_words::PagePhrases;
use url::form_urlencoded;

use super::{
    Pages,
    icons::{self, Tone},
    message::Message,
    shell::{Shell, Visit, is_cross_site},
};
use reset_http::{common_error::CommonError, rate_limit::LimitClass, route::Call};

#[derive(Template)]
#[template(path = "not_me.html")]
struct DisputeForm<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    token: &'a str,
    shield: &'static str,
    /// Whether the button ends the account's sessions.
    ends_sessions: bool,
}

#[utoipa::path(get, path = "/not-me", operation_id = "notMe", tag = "pages",
    summary = "Page to dispute a reset",
    description = "Explains what the button does. Loading the page changes nothing.",
    params(("token" = String, Query, description = "The token of the link in the notice after a reset")),
    responses(
        (status = 200, description = "The page with the button, or a message that the reset is already disputed", body = String,
            content_type = "text/html"),
        (status = 404, description = "The link is invalid or older than three days", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this client", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let token = token_field(call.request.uri().query().unwrap_or_default().as_bytes());
    let visit = pages.visit(&call, "not-me").with_query("token", &token);
    let permit = match call.acquire(LimitClass::Token).await {
        Ok(permit) => permit,
        Err(error) => return Ok(visit.render(&error)),
    };
    let Ok(state) = call.resets.dispute_link_state(&token).await else { return Ok(failed(&visit)) };
    if state != DisputeLinkState::Invalid {
        permit.give_back();
    }
    Ok(match state {
        DisputeLinkState::Usable => {
            let ends_sessions = call.resets.ends_sessions();
            let (shell, words) = (visit.shell(), visit.words());
            let form = DisputeForm { shell, words, token: &token, shield: icons::SHIELD, ends_sessions };
            visit.page(StatusCode::OK, &form)
        }
        DisputeLinkState::Disputed => disputed(&visit, call.resets.ends_sessions()),
        DisputeLinkState::Invalid => invalid_link(&visit),
    })
}

#[utoipa::path(post, path = "/not-me", operation_id = "objectToReset", tag = "pages",
    summary = "Dispute a reset",
    description = "Invalidates the password that was set, ends the sessions that a reset ends, and voids all codes and \
        links. For three days, or until the next reset, resets are mailed only to the mailbox that received the notice.",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`token`"),
    responses(
        (status = 200, description = "The reset is disputed", body = String, content_type = "text/html"),
        (status = 403, description = "The form was submitted from another site", body = String, content_type = "text/html"),
        (status = 404, description = "The link is invalid or older than three days", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this client", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "Internal error; nothing was changed", body = String,
            content_type = "text/html"),
        (status = 503, description = "The server is busy; nothing was changed", body = String, content_type = "text/html",
            headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn open_dispute(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "not-me");
    if is_cross_site(call.request.headers()) {
        return Ok(visit.cross_site_error());
    }
    let token = token_field(call.request.body());
    let permit = match call.acquire(LimitClass::Token).await {
        Ok(permit) => permit,
        Err(error) => return Ok(visit.render(&error)),
    };
    let result = call.resets.open_dispute(&token, call.network()).await;
    if !matches!(result, Err(DisputeError::Invalid)) {
        permit.give_back();
    }
    Ok(match result {
        Ok(()) => disputed(&visit, call.resets.ends_sessions()),
        Err(DisputeError::Invalid) => invalid_link(&visit),
        Err(DisputeError::Busy { retry_after }) => visit.render(&CommonError::Busy { retry_after }),
        Err(DisputeError::Hash(_) | DisputeError::Store(_)) => failed(&visit),
    })
}

fn disputed(visit: &Visit<'_>, ends_sessions: bool) -> Response<Bytes> {
    let words = visit.words();
    let mailbox = words.not_me_done_mailbox.clone();
    let lines = if ends_sessions {
        vec![words.not_me_done.clone(), mailbox]
    } else {
        vec![words.not_me_done_devices.clone(), mailbox, words.devices.clone()]
    };
    let message = Message::new(StatusCode::OK, Tone::Success, &words.not_me_done_title, lines);
    visit.message(message.action("forgot", &words.again))
}

fn invalid_link(visit: &Visit<'_>) -> Response<Bytes> {
    let words = visit.words();
    let lines = vec![words.not_me_dead.clone()];
    let message = Message::new(StatusCode::NOT_FOUND, Tone::Warning, &words.not_me_dead_title, lines);
    visit.message(message.action("forgot", &words.again))
}

fn failed(visit: &Visit<'_>) -> Response<Bytes> {
    visit.failed("dispute failed: store or hashing error")
}

/// Returns the `token` of a form or a query. Returns an empty string, which is never valid, if there is none or more
/// than one.
fn token_field(form: &[u8]) -> String {
    let mut tokens = form_urlencoded::parse(form).filter(|(key, _)| key == "token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => token.into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_read_only_if_there_is_exactly_one() {
        for (form, token) in [
            ("token=ab12", "ab12"),
            ("a=1&token=%61b&b=2", "ab"),
            ("token=a&token=b", ""),
            ("", ""),
            ("Token=a", ""),
            ("{\"token\":\"a\"}", ""),
        ] {
            assert_eq!(token_field(form.as_bytes()), token, "{form}");
        }
    }
}
