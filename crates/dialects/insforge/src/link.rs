//! `GET /api/auth/email/reset-password-link`: what a mailed link opens.
//!
//! It looks and changes nothing: a mail scanner may open the link a hundred times before its owner does (R32).

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use reset_core::ticket::TicketState;
use url::{Url, form_urlencoded};

use super::{
    InsForgeSettings, NAME,
    error::{DEAD_TOKEN, ErrorResponse, InsForgeError},
};
use reset_http::{rate_limit::LimitClass, route::Call};

#[utoipa::path(get, path = "/api/auth/email/reset-password-link", operation_id = "resetPasswordLink",
    tag = "Client", summary = "Open a reset link",
    description = "Leads from the mail to the page that the client named, with the token if the link is good. \
        Nothing is spent by opening it.",
    params(("token" = String, Query, description = "The token from the link", pattern = "^[0-9a-fA-F]{64}$")),
    responses(
        (status = 302, description = "To the client's page: with `token`, `insforge_status=ready` and \
            `insforge_type=reset_password`, or with `insforge_status=error` and `insforge_error` when the link is \
            expired or used",
            headers(("Location" = String, description = "The client's page"))),
        (status = 400, description = "The token is malformed or unknown, or its target is not allowed",
            body = ErrorResponse, examples(
                ("malformed_token" = (summary = "Not 64 hexadecimal digits",
                    value = json!({"error": "INVALID_INPUT", "message": "token: token must be a 64-character hexadecimal token", "statusCode": 400}))),
                ("unknown_token" = (summary = "No such link",
                    value = json!({"error": "INVALID_INPUT", "message": "Invalid or expired verification token", "statusCode": 400}))))),
        (status = 429, description = "Too many wrong secrets from this address", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "The server failed", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let presented = presented(call.request.uri().query().unwrap_or_default())?;
    let guess = call.acquire(LimitClass::Token).await?;
    let token = insforge.tokens().parse(&presented).ok_or(InsForgeError::UnknownLink)?;
    let link = call.resets.inspect(NAME, &token, call.network()).await?.ok_or(InsForgeError::UnknownLink)?;
    guess.give_back();
    // Before its state: an exchanged token looks the same here, live or dead.
    let target = link.redirect_to.ok_or(InsForgeError::NoTarget)?;
    let target = insforge.allowed.admit(&target).ok_or(InsForgeError::TargetNotAllowed)?;
    Ok(found(&match link.state {
        TicketState::Live => target.ready(token.reveal()),
        TicketState::Expired | TicketState::Spent | TicketState::Void => target.failed(DEAD_TOKEN),
    }))
}

/// The one token of the query, once it has the form of one (texts: dialects.md 4.4).
fn presented(query: &str) -> Result<Cow<'_, str>, InsForgeError> {
    let mut tokens = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "token");
    let issue = match (tokens.next(), tokens.next()) {
        (Some((_, token)), None)
            if token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            return Ok(token);
        }
        (Some(_), None) => "token: token must be a 64-character hexadecimal token",
        (None, _) => "token: Required",
        (Some(_), Some(_)) => "token: Expected string, received array",
    };
    Err(InsForgeError::Issues(issue.into()))
}

/// A redirect without a body: express writes the URL into one, and so the token to whatever keeps bodies,
/// while no browser shows it (R34).
fn found(to: &Url) -> Response<Bytes> {
    let mut location = HeaderValue::from_str(to.as_str()).expect("a URL is plain ASCII");
    location.set_sensitive(true);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_one_token_of_64_hexadecimal_digits() {
        let (lower, upper) = ("0123456789abcdef".repeat(4), "0123456789ABCDEF".repeat(4));
        let of = |query: &str| match presented(query) {
            Ok(token) => token.into_owned(),
            Err(InsForgeError::Issues(text)) => text,
            Err(other) => panic!("{other:?}"),
        };
        let malformed = "token: token must be a 64-character hexadecimal token";
        let escaped = format!("%74oken=%30{}", &lower[1..]);
        for (query, expected) in [
            (format!("token={lower}"), lower.as_str()),
            (format!("a=1&token={upper}&b=2"), &upper),
            (escaped, &lower),
            (String::new(), "token: Required"),
            (format!("Token={lower}"), "token: Required"),
            (format!("token={lower}&token={lower}"), "token: Expected string, received array"),
            (format!("token={lower}&%74oken="), "token: Expected string, received array"),
            ("token=".into(), malformed),
            ("token".into(), malformed),
            (format!("token={lower}0"), malformed),
            (format!("token={}g", &lower[1..]), malformed),
            (format!("token=+{}", &lower[1..]), malformed),
            (format!("token={}", "é".repeat(32)), malformed),
            ("token=%00".into(), malformed),
        ] {
            assert_eq!(of(&query), expected, "{query}");
        }
    }

    #[test]
    fn a_redirect_keeps_its_token_out_of_bodies_and_logs() {
        let response = found(&Url::parse("https://app.example.com/?token=canary").unwrap());
        assert!(response.body().is_empty());
        assert!(!format!("{response:?}").contains("canary"));
    }
}
