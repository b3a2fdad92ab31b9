//! The port for metrics about responses. It passes on the route and the result, and no request data.

use std::time::Duration;

use http::{Method, StatusCode};

/// One response.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Name of the route's dialect; empty if no route matched.
    pub dialect: &'static str,
    /// Path of the matched route, never the requested path; empty if no route matched.
    pub route: &'a str,
    /// Method of the matched endpoint; `None` if the path does not support the request's method.
    pub method: Option<&'a Method>,
    /// Status of the response.
    pub status: StatusCode,
    /// Time from the complete request to the complete response.
    pub took: Duration,
}

/// Receives every response, for example to update metrics. The call is on the request path and must be fast.
pub trait Observer: Send + Sync {
    /// Records a response.
    fn answered(&self, answered: Answered<'_>);
}
