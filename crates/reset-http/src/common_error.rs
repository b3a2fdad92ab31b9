//! Errors common to all dialects: the request reached no endpoint, or its endpoint failed.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::error::{RedeemError, RequestError, StoreError};
use tracing::error;

use crate::wire::retry_after;

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
    /// 405: the path exists but not with this method. The router adds the `Allow` header.
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
    /// 429: the client exceeded a rate limit.
    TooMany {
        /// Time until the client may try again.
        retry_after: Duration,
    },
    /// 503: the server is overloaded.
    Busy {
        /// Time until the client should try again.
        retry_after: Duration,
    },
}

impl CommonError {
    /// Returns one error of each kind, with empty texts and waits of a second, for tests that a dialect documents them all.
    pub fn one_of_each() -> [Self; 9] {
        let retry_after = Duration::from_secs(1);
        [
            Self::NotFound { path: String::new(), query: None },
            Self::MethodNotAllowed { method: String::new() },
            Self::BodyTooLarge,
            Self::BodyUnreadable,
            Self::BodyTooSlow,
            Self::UnsupportedMediaType { content_type: String::new() },
            Self::Failure,
            Self::TooMany { retry_after },
            Self::Busy { retry_after },
        ]
    }

    /// Logs an internal error and returns [`Self::Failure`]. This is the only place that logs it.
    pub fn failure(dialect: &'static str, error: &(dyn Error + 'static)) -> Self {
        error!(dialect.name = dialect, error, "request failed, responded with 500");
        Self::Failure
    }

    /// Returns a failed reset request as an internal error, for dialects that answer an unknown address like a known one.
    pub fn of_request(dialect: &'static str, error: &RequestError) -> Self {
        match error {
            // Never returned by a request with `Disclosure::Never`.
            RequestError::Unknown => Self::failure(dialect, error),
            RequestError::Busy { retry_after } => Self::Busy { retry_after: *retry_after },
            RequestError::Store(error) => Self::failure(dialect, error),
        }
    }

    /// Returns a failed operation of the store: [`Self::Busy`] if it did nothing because the store was in use for too long,
    /// otherwise an internal error.
    pub fn of_store(dialect: &'static str, error: &StoreError) -> Self {
        match error.retry_after() {
            Some(retry_after) => Self::Busy { retry_after },
            None => Self::failure(dialect, error),
        }
    }

    /// Returns what a dialect answers in its own words when a redemption was rejected.
    ///
    /// # Errors
    /// Returns the common error if the redemption could not be decided.
    pub fn unless_rejected(dialect: &'static str, error: RedeemError) -> Result<Rejection, Self> {
        match error {
            RedeemError::Invalid => Ok(Rejection::Invalid),
            RedeemError::Blocked => Ok(Rejection::Blocked),
            RedeemError::OwnName => Ok(Rejection::OwnName),
            RedeemError::Busy { retry_after } => Err(Self::Busy { retry_after }),
            RedeemError::Hash(error) => Err(Self::failure(dialect, &error)),
            RedeemError::Store(error) => Err(Self::failure(dialect, &error)),
        }
    }

    /// The status of the response, the same in every dialect.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyUnreadable => StatusCode::BAD_REQUEST,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Failure => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Adds `Retry-After` to the response of a client that should wait.
    pub fn add_retry_after(&self, response: Response<Bytes>) -> Response<Bytes> {
        match self {
            Self::TooMany { retry_after: wait } | Self::Busy { retry_after: wait } => {
                retry_after(response, *wait)
            }
            _ => response,
        }
    }
}

/// Why a redemption was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The secret is unknown, expired, used or superseded.
    Invalid,
    /// The account is blocked.
    Blocked,
    /// The password is built from the account's or the service's name.
    OwnName,
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
