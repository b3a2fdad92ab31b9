//! Logs, and what a panic may say.

use std::io::{IsTerminal, stderr};

use tracing::{dispatcher, error};
use tracing_subscriber::EnvFilter;

/// Logs to stderr what `filter` lets through, in colour on a terminal alone.
pub(crate) fn log(filter: &str) {
    let filter = EnvFilter::new(filter);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // A second call in one process changes nothing.
    let _ = logs.with_ansi(stderr().is_terminal()).try_init();
}

/// Tells where a panic happened and nothing else: its message may quote a secret (R70).
pub(crate) fn muzzle_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        if dispatcher::has_been_set() {
            error!(place, "panicked");
        } else {
            eprintln!("panicked at {place}");
        }
    }));
}
