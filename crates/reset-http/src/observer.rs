//! What an operator may count: each answer, by the row that gave it. Nothing of what was asked.

use std::time::Duration;

use http::{Method, StatusCode};

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Name of the row's dialect; empty where no row has the path.
    pub dialect: &'static str,
    /// The row's path, never the one that was asked for; empty where no row has it.
    pub route: &'a str,
    /// The row's method; nothing where the path has other methods.
    pub method: Option<&'a Method>,
    /// The status.
    pub status: StatusCode,
    /// From the whole request to the whole answer.
    pub took: Duration,
}

/// Whoever counts answers. It is asked in the path of each: it must be quick.
pub trait Observer: Send + Sync {
    /// This was answered.
    fn answered(&self, answered: Answered<'_>);
}
