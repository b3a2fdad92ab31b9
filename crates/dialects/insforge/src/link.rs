//! `GET /api/auth/email/reset-password-link`: redirects from a mailed link to the client's page.
//!
//! Opening a link changes nothing, because mail scanners may open it many times before the owner does (R32).

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
    description = "Redirects to the page that the client named in its request, with the token if the link is valid. \
        Opening a link does not use it up.",
    params(("token" = String, Query, description = "The reset token from the link", pattern = "^[0-9a-fA-F]{64}$")),
    responses(
        (status = 302, description = "Redirect to the client's page. A valid link adds `token`, `insforge_status=ready` \
            and `insforge_type=reset_password`; a link that expired or was used adds `insforge_status=error`, \
            `insforge_type=reset_password` and `insforge_error`",
            headers(("Location" = String, description = "URL of the client's page"))),
        (status = 400, description = "The token is malformed or unknown, or its redirect target is not allowed",
            body = ErrorResponse, examples(
                ("malformed_token" = (summary = "Malformed token",
                    value = json!({"error": "INVALID_INPUT", "message": "token: token must be a 64-character hexadecimal token", "statusCode": 400}))),
                ("unknown_token" = (summary = "Unknown token",
                    value = json!({"error": "INVALID_INPUT", "message": "Invalid or expired verification token", "statusCode": 400}))))),
        (status = 429, description = "Too many invalid tokens from this client", body = ErrorResponse,
            headers(("Retry-After" = u64, description = "Seconds to wait before retrying")),
            example = json!({"error": "TOO_MANY_REQUESTS", "message": "Too many requests, please try again later", "statusCode": 429})),
        (status = 500, description = "Internal error", body = ErrorResponse,
            example = json!({"error": "INTERNAL_ERROR", "message": "Internal server error", "statusCode": 500}))))]
pub(super) async fn run(
    insforge: Arc<InsForgeSettings>,
    call: Call,
) -> Result<Response<Bytes>, InsForgeError> {
    let presented = token_of_query(call.request.uri().query().unwrap_or_default())?;
    let guess = call.acquire(LimitClass::Token).await?;
    let token = insforge.tokens().parse(&presented).ok_or(InsForgeError::UnknownLink)?;
    let link = call.resets.inspect(NAME, &token, call.network()).await?.ok_or(InsForgeError::UnknownLink)?;
    guess.give_back();
    // Checked before the state, so that an exchanged token gets the same response whether it is live or not.
    let target = link.redirect_to.ok_or(InsForgeError::NoTarget)?;
    let target = insforge.allowed.admit(&target).ok_or(InsForgeError::TargetNotAllowed)?;
    Ok(redirect(&match link.state {
        TicketState::Live => target.ready(token.reveal()),
        TicketState::Expired | TicketState::Spent | TicketState::Void => target.failed(DEAD_TOKEN),
    }))
}

/// Returns the token of the query, if there is exactly one and it is well formed. The error texts are InsForge's.
fn token_of_query(query: &str) -> Result<Cow<'_, str>, InsForgeError> {
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

/// Returns a redirect without a body. Express repeats the URL in the body, which would copy the token into anything
/// that records bodies; browsers do not show it (R34).
fn redirect(to: &Url) -> Response<Bytes> {
    let mut location = HeaderValue::from_str(to.as_str()).expect("a parsed URL is ASCII");
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
    fn query_must_hold_exactly_one_token_of_64_hexadecimal_digits() {
        let (lower, upper) = ("0123456789abcdef".repeat(4), "0123456789ABCDEF".repeat(4));
        let of = |query: &str| match token_of_query(query) {
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
    fn redirect_keeps_the_token_out_of_bodies_and_logs() {
        let response = redirect(&Url::parse("https://app.example.com/?token=canary").unwrap());
        assert!(response.body().is_empty());
        assert!(!format!("{response:?}").contains("canary"));
    }
}
