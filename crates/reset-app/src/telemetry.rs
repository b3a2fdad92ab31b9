//! Logging, and the panic hook.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber, dispatcher, error};
use tracing_subscriber::{
    EnvFilter, Layer, fmt, fmt::MakeWriter, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// Prefixes of the crates of this workspace, and thus of the targets of their log lines.
const OWN_CRATES: [&str; 2] = ["reset_", "server_"];

/// Starts logging to stderr with `filter`; in colour if stderr is a terminal.
pub(crate) fn log(filter: &str) {
    // A second call in one process has no effect.
    let _ = logger(filter, stderr, stderr().is_terminal()).try_init();
}

fn logger<W>(filter: &str, writer: W, colour: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(colour);
    registry()
        .with(EnvFilter::new(filter))
        .with(lines.with_filter(tracing_subscriber::filter::filter_fn(is_safe)))
}

/// Whether a line cannot contain a secret or an address (R70).
///
/// Lines of this workspace have no such fields. HTTP and mail libraries may log the contents of requests and mails below
/// `info`, so their lines are dropped there, whatever the filter.
fn is_safe(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || OWN_CRATES.iter().any(|own| line.target().starts_with(own))
}

/// Installs a panic hook that logs only the location: the message could quote a secret (R70).
pub(crate) fn redact_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown location".to_owned(), ToString::to_string);
        if dispatcher::has_been_set() {
            error!(place, "panicked");
        } else {
            eprintln!("panicked at {place}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing::{debug, info, subscriber::with_default, trace, warn};

    use super::*;

    /// Captures log output.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what `work` logs with this filter.
    fn logged(filter: &str, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        with_default(logger(filter, move || writer.clone(), false), work);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_log_nothing_below_info_whatever_the_filter() {
        for filter in
            ["trace", "hyper=trace", "info,hyper::proto=trace,lettre=debug", "reset_app=trace,trace"]
        {
            let output = logged(filter, || {
                trace!(target: "hyper::proto::h1", "canary");
                debug!(target: "lettre::transport::smtp", "canary");
                debug!(target: "tokio_postgres", "canary");
                trace!(target: "a_new_dependency", "canary");
            });
            assert_eq!(output, "", "{filter}");
        }
        let output = logged("trace", || {
            info!(target: "actix_server", "workers started");
            warn!(target: "rustls", "a certificate is old");
            trace!(target: "reset_core::deliver", "own crate");
            debug!(target: "server_axum", "own crate");
        });
        assert_eq!(output.lines().count(), 4, "{output}");
    }

    #[test]
    fn filter_applies_to_the_remaining_lines() {
        let output = logged("warn,reset_core=debug", || {
            info!(target: "reset_app", "dropped");
            info!(target: "hyper", "dropped");
            debug!(target: "reset_core::redeem", "kept");
            trace!(target: "reset_core::redeem", "dropped");
        });
        assert!(output.lines().count() == 1 && output.contains("kept"), "{output}");
    }
}
