//! `/not-me`: where the link of a notice leads. The page looks; only its button does something (R30, R32).

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    dispute::{DisputeError, DisputeLinkState},
    error::HashError,
};
use reset_words::PagePhrases;
use url::form_urlencoded;

use super::{
    Pages,
    shell::{Shell, Visit, is_foreign},
};
use reset_http::{common_error::CommonError, rate_limit::LimitClass, route::Call};

#[derive(Template)]
#[template(path = "not_me.html")]
struct Offer<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    token: &'a str,
}

#[utoipa::path(get, path = "/not-me", operation_id = "notMe", tag = "pages",
    summary = "Page behind the link of a notice",
    description = "Says what the button does. Nothing happens by opening it.",
    params(("token" = String, Query, description = "The end of the link in the notice after a reset")),
    responses(
        (status = 200, description = "The page with its button, or that it was pressed already", body = String,
            content_type = "text/html"),
        (status = 404, description = "The link is not valid, or its three days are over", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this address", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let token = field(call.request.uri().query().unwrap_or_default().as_bytes());
    let visit = pages.visit(&call, "not-me").with_query("token", &token);
    let guess = match call.acquire(LimitClass::Token).await {
        Ok(guess) => guess,
        Err(error) => return Ok(visit.render(&error)),
    };
    let Ok(standing) = call.resets.dispute_link_state(&token).await else { return Ok(failed(&visit)) };
    if standing != DisputeLinkState::Invalid {
        guess.give_back();
    }
    Ok(match standing {
        DisputeLinkState::Usable => {
            let offer = Offer { shell: visit.shell(), words: visit.words(), token: &token };
            visit.page(StatusCode::OK, &offer)
        }
        DisputeLinkState::Disputed => done(&visit),
        DisputeLinkState::Invalid => dead(&visit),
    })
}

#[utoipa::path(post, path = "/not-me", operation_id = "objectToReset", tag = "pages",
    summary = "Object to a reset",
    description = "Takes away the password that was set, ends all sessions, voids all codes and links, and lets \
        resets be mailed to the mailbox of the notice alone, for three days or until the next reset.",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`token`"),
    responses(
        (status = 200, description = "Done", body = String, content_type = "text/html"),
        (status = 403, description = "The form was another site's", body = String, content_type = "text/html"),
        (status = 404, description = "The link is not valid, or its three days are over", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this address", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 500, description = "The server failed; nothing was done", body = String,
            content_type = "text/html"),
        (status = 503, description = "Too busy; nothing was done", body = String, content_type = "text/html",
            headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn object(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "not-me");
    if is_foreign(call.request.headers()) {
        return Ok(visit.foreign());
    }
    let token = field(call.request.body());
    let guess = match call.acquire(LimitClass::Token).await {
        Ok(guess) => guess,
        Err(error) => return Ok(visit.render(&error)),
    };
    let objected = call.resets.open_dispute(&token, call.network()).await;
    if !matches!(objected, Err(DisputeError::Invalid)) {
        guess.give_back();
    }
    Ok(match objected {
        Ok(()) => done(&visit),
        Err(DisputeError::Invalid) => dead(&visit),
        Err(DisputeError::Hash(HashError::Busy { retry_after })) => {
            visit.render(&CommonError::Busy { retry_after })
        }
        Err(DisputeError::Hash(HashError::Failed(_)) | DisputeError::Store(_)) => failed(&visit),
    })
}

fn done(visit: &Visit<'_>) -> Response<Bytes> {
    let words = visit.words();
    let lines = vec![words.not_me_done.clone(), words.not_me_done_mailbox.clone()];
    visit.message(StatusCode::OK, &words.not_me_done_title, lines, Some(("forgot", &words.again)))
}

fn dead(visit: &Visit<'_>) -> Response<Bytes> {
    let words = visit.words();
    visit.message(
        StatusCode::NOT_FOUND,
        &words.not_me_dead_title,
        vec![words.not_me_dead.clone()],
        Some(("forgot", &words.again)),
    )
}

fn failed(visit: &Visit<'_>) -> Response<Bytes> {
    visit.failed("a dispute failed")
}

/// The one token of a form or a query; an empty text, which is nobody's, for none or several.
fn field(form: &[u8]) -> String {
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
    fn one_token_is_read_and_of_several_none() {
        for (form, token) in [
            ("token=ab12", "ab12"),
            ("a=1&token=%61b&b=2", "ab"),
            ("token=a&token=b", ""),
            ("", ""),
            ("Token=a", ""),
            ("{\"token\":\"a\"}", ""),
        ] {
            assert_eq!(field(form.as_bytes()), token, "{form}");
        }
    }
}
