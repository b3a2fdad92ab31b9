//! The port for metrics about responses and connections. It passes on the route and the result, and no request data.

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

/// An event of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It was accepted.
    Opened,
    /// It has ended. Follows each [`Self::Opened`], whatever ended the connection.
    Closed,
    /// It was closed at once, because its client had too many connections.
    Rejected,
    /// It was closed while it waited for its client, so that another connection could take its place.
    Evicted,
    /// It was closed because its client did not read a response in time.
    WriteTimeout,
}

/// Receives every response and the events of connections, for example to update metrics. The calls are on the request
/// path and must be fast.
pub trait Observer: Send + Sync {
    /// Records a response.
    fn answered(&self, answered: Answered<'_>);

    /// Records an event of a connection.
    fn connection(&self, event: ConnectionEvent);
}
