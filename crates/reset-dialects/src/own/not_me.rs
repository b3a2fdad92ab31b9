//! `/not-me`: where the link of a notice leads. The page looks; only its button does something (R30, R32).

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use reset_core::{
    error::HashError,
    objection::{ObjectError, Standing},
};
use sha2::{Digest, Sha256};
use tracing::error;
use url::form_urlencoded;

use super::{page::escape, problem};
use crate::{
    gate::Class,
    refusal::Refusal,
    route::Call,
    wire::{reply, retry_after},
};

const STYLE: &str = include_str!("not_me.css");

/// What the page says.
enum Said<'a> {
    /// What the button would do.
    Offer { token: &'a str },
    /// It is done.
    Done,
    /// There is nothing to be done by this link.
    Invalid,
}

/// Why there is no page.
enum Failed {
    Refused(Refusal),
    Hash(HashError),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failed> for Response<Bytes> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refusal) => problem::refuse(&refusal),
            Failed::Hash(HashError::Busy { retry_after: wait }) => {
                retry_after(problem::refuse(&Refusal::Busy { retry_after: wait }), wait)
            }
            Failed::Hash(HashError::Failed(_)) => problem::refuse(&Refusal::Failure),
        }
    }
}

#[utoipa::path(get, path = "/not-me", operation_id = "notMe", tag = "polyreset",
    summary = "Page behind the link of a notice",
    description = "Says what the button does. Nothing happens by opening it.",
    params(("token" = String, Query, description = "The end of the link in the notice after a reset")),
    responses(
        (status = 200, description = "The page with its button, or that it was pressed already", body = String,
            content_type = "text/html"),
        (status = 404, description = "The link is not valid, or its three days are over", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this address")))]
pub(super) async fn show(_: Arc<()>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let token = field(call.request.uri().query().unwrap_or_default().as_bytes());
    let guess = call.admit(Class::Token).await.map_err(Failed::from)?;
    let standing = call.resets.objection_standing(&token).await.map_err(|_| failure())?;
    if standing != Standing::Invalid {
        guess.give_back();
    }
    Ok(match standing {
        Standing::Open => page(StatusCode::OK, &Said::Offer { token: &token }),
        Standing::Raised => page(StatusCode::OK, &Said::Done),
        Standing::Invalid => page(StatusCode::NOT_FOUND, &Said::Invalid),
    })
}

#[utoipa::path(post, path = "/not-me", operation_id = "objectToReset", tag = "polyreset",
    summary = "Object to a reset",
    description = "Takes away the password that was set, ends all sessions, voids all codes and links, and lets \
        resets be mailed to the mailbox of the notice alone, for three days or until the next reset.",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Done", body = String, content_type = "text/html"),
        (status = 404, description = "The link is not valid, or its three days are over", body = String,
            content_type = "text/html"),
        (status = 429, description = "Too many wrong secrets from this address"),
        (status = 503, description = "Too busy; nothing was done",
            headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn object(_: Arc<()>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let token = field(call.request.body());
    let guess = call.admit(Class::Token).await.map_err(Failed::from)?;
    let objected = call.resets.object(&token, call.network()).await;
    if !matches!(objected, Err(ObjectError::Invalid)) {
        guess.give_back();
    }
    match objected {
        Ok(()) => Ok(page(StatusCode::OK, &Said::Done)),
        Err(ObjectError::Invalid) => Ok(page(StatusCode::NOT_FOUND, &Said::Invalid)),
        Err(ObjectError::Hash(error)) => Err(Failed::Hash(error).into()),
        Err(ObjectError::Store(_)) => Err(failure()),
    }
}

fn failure() -> Response<Bytes> {
    error!("the store failed an objection");
    problem::refuse(&Refusal::Failure)
}

/// The one token of a form or a query; an empty text, which is nobody's, for none or several.
fn field(form: &[u8]) -> String {
    let mut tokens = form_urlencoded::parse(form).filter(|(key, _)| key == "token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => token.into_owned(),
        _ => String::new(),
    }
}

fn page(status: StatusCode, said: &Said<'_>) -> Response<Bytes> {
    let main = match said {
        Said::Offer { token } => format!(
            "<h1>Was it not you?</h1>\n\
             <p>The password of your account was changed. If that was not you, press the button. Then</p>\n\
             <ul>\n<li>the new password is taken away,</li>\n<li>everybody is signed out everywhere,</li>\n\
             <li>codes and links that are under way are void,</li>\n\
             <li>and for three days a password can be reset only with a mail to the mailbox where you found this \
             link.</li>\n</ul>\n\
             <p>After that, ask for a new password as usual: the mail comes to that mailbox.</p>\n\
             <form method=\"post\" action=\"not-me\">\n\
             <input type=\"hidden\" name=\"token\" value=\"{}\">\n\
             <button type=\"submit\">This was not me</button>\n</form>\n\
             <p>If it was you, close this page. Nothing happens.</p>\n",
            escape(token)
        ),
        Said::Done => "<h1>Done</h1>\n\
             <p>The password that was set is taken away, and everybody is signed out. Now ask for a new password as \
             usual; the mail comes to the mailbox where you found the link.</p>\n\
             <p>Whoever changed the password may read that mailbox, too. Change its own password first.</p>\n"
            .to_owned(),
        Said::Invalid => "<h1>This link does nothing</h1>\n\
             <p>It is incomplete, or older than three days. If somebody else changed your password, ask for a new one \
             as usual, or write to the people who run the service.</p>\n"
            .to_owned(),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>Password changed</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>"
    );
    let mut response = reply(status, HeaderValue::from_static("text/html; charset=utf-8"), html);
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    let policy = HeaderValue::from_str(&policy).expect("base64 is plain ASCII");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
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

    #[test]
    fn a_token_cannot_be_markup() {
        let page = page(StatusCode::OK, &Said::Offer { token: "\"><script>" });
        let html = String::from_utf8(page.body().to_vec()).unwrap();
        assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;\"") && !html.contains("<script"));
    }

    #[test]
    fn the_page_runs_and_loads_nothing_and_posts_to_us_alone() {
        let page = page(StatusCode::OK, &Said::Offer { token: "t" });
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("form-action 'self'"));
        let html = String::from_utf8(page.body().to_vec()).unwrap();
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(policy.contains(&BASE64_STANDARD.encode(Sha256::digest(style))));
        for absent in ["http:", "https:", "//", "<script", "<link", "<img", " src=", "@import", "url("] {
            assert!(!html.contains(absent), "{absent}");
        }
    }
}
