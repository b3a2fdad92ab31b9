//! Pages that only say something: an outcome, a dead link or an error, with at most two links.

use std::{borrow::Cow, time::Duration};

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_words::PagePhrases;
use tracing::error;

use super::{
    icons::Tone,
    shell::{Shell, Visit},
};
use reset_http::{common_error::CommonError, wire::retry_after};

/// URL and label of a link.
pub(super) type Link<'a> = (Cow<'a, str>, &'a str);

/// A page with an icon, a title, some lines and at most two links.
pub(super) struct Message<'a> {
    pub(super) status: StatusCode,
    pub(super) tone: Tone,
    pub(super) title: &'a str,
    pub(super) lines: Vec<String>,
    /// The link that is shown as a button.
    pub(super) action: Option<Link<'a>>,
    /// A link for an action that few users need.
    pub(super) secondary: Option<Link<'a>>,
}

/// The template of a message.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    message: Message<'a>,
}

/// A page without content that loads another page.
#[derive(Template)]
#[template(path = "refresh.html")]
struct Refresh<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    /// URL that the browser loads by itself (`<meta http-equiv="refresh">`).
    to: &'a str,
}

impl<'a> Message<'a> {
    /// A message without links.
    pub(super) fn new(status: StatusCode, tone: Tone, title: &'a str, lines: Vec<String>) -> Self {
        Self { status, tone, title, lines, action: None, secondary: None }
    }

    /// Adds a button.
    pub(super) fn action(self, to: impl Into<Cow<'a, str>>, label: &'a str) -> Self {
        Self { action: Some((to.into(), label)), ..self }
    }
}

impl<'a> Visit<'a> {
    /// Renders a message.
    pub(super) fn message(&self, message: Message<'a>) -> Response<Bytes> {
        let status = message.status;
        self.page(status, &MessagePage { shell: self.shell(), words: self.words(), message })
    }

    /// Rejects a form that was submitted from another site.
    pub(super) fn cross_site_error(&self) -> Response<Bytes> {
        let words = self.words();
        let lines = vec![words.foreign.clone()];
        let message = Message::new(StatusCode::FORBIDDEN, Tone::Failure, &words.foreign_title, lines);
        self.message(message.action(self.start(), &words.start))
    }

    /// Renders a common error as a page.
    pub(super) fn render(&self, error: &CommonError) -> Response<Bytes> {
        let words = self.words();
        let message = |tone, title: &'a str, lines: Vec<String>| {
            let message = Message::new(error.status(), tone, title, lines);
            self.message(message.action(self.start(), &words.start))
        };
        let response = match error {
            CommonError::NotFound { .. } => {
                message(Tone::Warning, &words.not_found_title, vec![words.not_found.clone()])
            }
            CommonError::MethodNotAllowed { .. } | CommonError::UnsupportedMediaType { .. } => {
                message(Tone::Failure, &words.method_title, vec![words.method.clone()])
            }
            CommonError::BodyTooLarge | CommonError::BodyUnreadable | CommonError::BodyTooSlow => {
                message(Tone::Failure, &words.unread_title, vec![words.unread.clone()])
            }
            CommonError::Failure => message(Tone::Failure, &words.failed_title, vec![words.failed.clone()]),
            CommonError::Busy { .. } => message(Tone::Neutral, &words.busy_title, vec![words.busy.clone()]),
            CommonError::TooMany { retry_after } => {
                let lines = vec![words.many_reason.clone(), self.wait(&words.many, *retry_after)];
                message(Tone::Neutral, &words.many_title, lines)
            }
        };
        match error {
            CommonError::TooMany { retry_after: wait } | CommonError::Busy { retry_after: wait } => {
                retry_after(response, *wait)
            }
            _ => response,
        }
    }

    /// Puts a wait into a phrase.
    pub(super) fn wait(&self, phrase: &str, wait: Duration) -> String {
        phrase.replace("{lifetime}", &self.all_words().mail.wait(wait))
    }

    /// Logs `what` and renders the error page.
    pub(super) fn failed(&self, what: &str) -> Response<Bytes> {
        error!(dialect.name = super::NAME, "{what}");
        self.render(&CommonError::Failure)
    }

    /// Logs `what` and renders an error page with a link to `back`, for a failure after which the password may
    /// already be set.
    pub(super) fn failed_unsure(&self, what: &str, back: &str) -> Response<Bytes> {
        error!(dialect.name = super::NAME, "{what}");
        let words = self.words();
        let lines = vec![words.failed.clone(), words.failed_unsure.clone()];
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let message = Message::new(status, Tone::Failure, &words.failed_title, lines);
        self.message(message.action(back.to_owned(), &words.onward))
    }

    /// Renders a page that makes the browser load `to`. An HTTP redirect would not do: a browser that comes from
    /// another site sends a `SameSite=Strict` cookie only with a request that a page of this site starts.
    pub(super) fn refresh_to(&self, to: &str) -> Response<Bytes> {
        self.page(StatusCode::OK, &Refresh { shell: self.shell(), words: self.words(), to })
    }
}
