//! The composition root: settings, commands, adapters, the worker and the lifetime cycle.
//!
//! A server's `main` is one line, `reset_app::run(serve)`, where `serve` is the only thing that a web
//! framework has to bring. Everything an operator meets is the same in every server.
//!
//! # Map
//! * `settings`: one table of keys; flags, environment and file; types that cannot be wrong.
//! * `cli`: one file a command. `cli/serve.rs` puts the parts together and is the place to start reading.
//! * `service` is everything behind the listener, and [`Embedded`] the same for a host application.
//! * `deployment` makes the adapters, `webhook` tells other systems, `counters` counts clients in Redis, `listener`
//!   binds the socket, `worker` works jobs off behind the answers, `shutdown` says how all of it ends.
//! * `system` is the clock and the randomness, `telemetry` the logs, `metrics` the figures, `demo` the one-minute trial.
//!
//! This is the only crate that knows the environment and every adapter.

mod admin;
mod audit;
mod cli;
mod counters;
mod demo;
mod deployment;
mod embedded;
mod metrics;
mod service;
mod settings;
mod shutdown;
mod system;
mod telemetry;
mod webhook;
mod webhook_event;
mod worker;

use std::{future::Future, pin::Pin, process::ExitCode, time::Duration};

use reset_http::Api;

pub use reset_listen::{Listener, Stop};

pub use crate::embedded::Embedded;

/// A server at work. It ends when everything in flight is answered after [`Stop`].
pub type ServeFuture = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// Longest time between the first signal and the end.
pub const DRAIN: Duration = shutdown::TIMEOUT;

/// What a web framework brings: serves the rows on the listener until told to stop.
pub type Serve = fn(Listener, Api, Stop) -> ServeFuture;

/// Runs the command line to its end, on a runtime of its own.
pub fn run(serve: Serve) -> ExitCode {
    telemetry::muzzle_panics();
    cli::run(serve)
}
