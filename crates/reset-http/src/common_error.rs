//! Errors common to all dialects: the request reached no endpoint, or its endpoint failed.

use std::{error::Error, time::Duration};

use tracing::error;

/// An error that every dialect renders in its own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommonError {
    /// 404: unknown path.
    NotFound {
        /// The path as sent, without the query, for dialects that quote it.
        path: String,
        /// The query as sent, without `?`, for dialects that redirect to another spelling of the path.
        query: Option<String>,
    },
    /// 405: the path exists but not with this method. The caller adds the `Allow` header.
    MethodNotAllowed {
        /// The method as sent, for dialects that quote it.
        method: String,
    },
    /// 413: the body exceeds the size limit.
    BodyTooLarge,
    /// 400: the body was truncated or framed incorrectly.
    BodyUnreadable,
    /// 408: the body did not arrive within [`BODY_TIMEOUT`].
    BodyTooSlow,
    /// 415: the endpoint reads no bodies of this type.
    UnsupportedMediaType {
        /// `Content-Type` as sent, for dialects that quote it. Empty if there is none or it is not ASCII.
        content_type: String,
    },
    /// 500: internal error. No partial change was made.
    Failure,
    /// 429: the client exceeded a rate limit. The dialect adds the `Retry-After` header.
    TooMany {
        /// Time until the client may try again.
        retry_after: Duration,
    },
    /// 503: the server is overloaded. The dialect adds the `Retry-After` header.
    Busy {
        /// Time until the client should try again.
        retry_after: Duration,
    },
}

impl CommonError {
    /// Logs an internal error and returns [`Self::Failure`]. This is the only place that logs it.
    pub fn failure(dialect: &'static str, error: &(dyn Error + 'static)) -> Self {
        error!(dialect.name = dialect, error, "request failed, responded with 500");
        Self::Failure
    }
}

/// Why an HTTP front-end could not read a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body exceeds the route's size limit.
    TooLarge,
    /// The body was truncated or framed incorrectly.
    Unreadable,
    /// The body did not arrive within [`BODY_TIMEOUT`].
    TooSlow,
}

/// Timeout for reading a request body: 10 s (R40).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Awaits `read`, the web framework's body reader, for at most [`BODY_TIMEOUT`].
///
/// # Errors
/// Returns [`BodyError::TooSlow`] on timeout, and the error of `read` if it fails.
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
