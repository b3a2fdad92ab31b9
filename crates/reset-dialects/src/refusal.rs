//! Refusals: why a request never reached an endpoint, or never came back from one.

use std::time::Duration;

/// What each dialect must have an answer for beside its own endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 404: no such path.
    NotFound {
        /// The path as it was sent, without the query, for dialects that quote it.
        path: String,
    },
    /// 405: the path has other methods. The `Allow` header is added by the caller.
    MethodNotAllowed,
    /// 413: the body is over the limit.
    BodyTooLarge,
    /// 400: the body broke off or was framed wrongly.
    BodyUnreadable,
    /// 415: the body is not declared as JSON.
    NotJson,
    /// 500: we failed; nothing was half done.
    Failure,
    /// 503: come back later. The `Retry-After` header is added by the dialect.
    Busy {
        /// When.
        retry_after: Duration,
    },
}

/// Why a front-end has no body to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is over the row's limit.
    TooLarge,
    /// It broke off or was framed wrongly.
    Unreadable,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::Unreadable => Self::BodyUnreadable,
        }
    }
}
