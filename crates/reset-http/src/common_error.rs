//! Refusals: why a request never reached an endpoint, or never came back from one.

use std::{error::Error, time::Duration};

use tracing::error;

/// What each dialect must have an answer for beside its own endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommonError {
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
    /// 408: the body did not come within [`BODY_TIMEOUT`].
    BodyTooSlow,
    /// 415: the body is not declared as JSON.
    NotJson,
    /// 500: we failed; nothing was half done.
    Failure,
    /// 429: this client has done enough for a while. The `Retry-After` header is added by the dialect.
    TooMany {
        /// When to come back.
        retry_after: Duration,
    },
    /// 503: come back later. The `Retry-After` header is added by the dialect.
    Busy {
        /// When.
        retry_after: Duration,
    },
}

impl CommonError {
    /// The error for what went wrong with us, logged here and nowhere else.
    pub fn failure(dialect: &'static str, error: &(dyn Error + 'static)) -> Self {
        error!(dialect.name = dialect, error, "request failed");
        Self::Failure
    }
}

/// Why a front-end has no body to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is over the row's limit.
    TooLarge,
    /// It broke off or was framed wrongly.
    Unreadable,
    /// It did not come within [`BODY_TIMEOUT`].
    TooSlow,
}

/// Longest time for the body of a request. Default 10 s (R40).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a body with a front-end's own means, for as long as [`BODY_TIMEOUT`].
///
/// # Errors
/// [`BodyError::TooSlow`] beyond that, and whatever `read` fails with.
pub async fn with_body_timeout<T>(read: impl Future<Output = Result<T, BodyError>>) -> Result<T, BodyError> {
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(BodyError::TooSlow))
}

impl From<BodyError> for CommonError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::Unreadable => Self::BodyUnreadable,
            BodyError::TooSlow => Self::BodyTooSlow,
        }
    }
}
