//! The composition root: settings, commands, adapters, the worker and the lifecycle of the process.
//!
//! The `main` of a server is one line, `reset_app::run(serve)`; `serve` is all that an HTTP framework has to provide.
//! Settings, commands and logs are the same in every server.
//!
//! # Map
//! * `settings`: one table of keys; flags, environment and file; validated types.
//! * `cli`: one file per command. Start reading at `cli/serve.rs`, which builds and runs the service.
//! * `service`: everything behind the listener. [`Embedded`] provides the same to a host application.
//! * `deployment` builds the adapters, `webhook` notifies other systems, `counters` keeps the per-client counters in Redis,
//!   `listener` binds the socket, `worker` processes the jobs of the outbox, `shutdown` defines how the process ends.
//! * `system`: clock and randomness. `telemetry`: logging. `metrics`: monitoring. `demo`: `serve --demo`.
//!
//! This is the only crate that reads the environment and depends on every adapter.
//!
//! ```no_run
//! # async fn host() -> anyhow::Result<()> {
//! let polyreset = reset_app::Embedded::start(&[("public_url", "https://example.com/accounts")]).await?;
//! let api = polyreset.api(); // its routes go into the router of the host application
//! assert!(!api.routes().is_empty());
//! polyreset.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod audit;
mod brand_preview;
mod cli;
mod counters;
mod demo;
mod deployment;
mod embedded;
mod metrics;
mod service;
mod settings;
mod shadow;
mod shutdown;
mod system;
mod telemetry;
mod threads;
mod webhook;
mod webhook_event;
mod worker;

use std::{future::Future, pin::Pin, process::ExitCode, time::Duration};

use reset_http::Api;

pub use reset_listen::{Listener, Stop};

pub use crate::embedded::Embedded;

/// A running server. It completes when, after [`Stop`], every request in flight has its response.
pub type ServeFuture = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// Timeout of a graceful shutdown, from the first signal.
pub const DRAIN: Duration = shutdown::TIMEOUT;

/// Serves the routes of the API on the listener until [`Stop`]. Each HTTP framework provides one such function.
pub type Serve = fn(Listener, Api, Stop) -> ServeFuture;

/// Parses the command line, runs the command on its own async runtime, and returns its exit code.
pub fn run(serve: Serve) -> ExitCode {
    telemetry::redact_panics();
    cli::run(serve)
}
