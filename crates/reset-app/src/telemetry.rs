//! Logs, and what a panic may say.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber, dispatcher, error};
use tracing_subscriber::{
    EnvFilter, Layer, fmt, fmt::MakeWriter, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// How our own crates begin, and so the targets of their log lines.
const OURS: [&str; 2] = ["reset_", "server_"];

/// Logs to stderr what `filter` lets through, in colour on a terminal alone.
pub(crate) fn log(filter: &str) {
    // A second call in one process changes nothing.
    let _ = logger(filter, stderr, stderr().is_terminal()).try_init();
}

fn logger<W>(filter: &str, writer: W, colour: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(colour);
    registry()
        .with(EnvFilter::new(filter))
        .with(lines.with_filter(tracing_subscriber::filter::filter_fn(may_be_told)))
}

/// Our own lines have no field for a secret or an address. Of libraries nobody knows: below `info`, those that carry
/// requests and mails may tell what is in them, so they tell nothing there, whatever the filter says (R70).
fn may_be_told(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || OURS.iter().any(|ours| line.target().starts_with(ours))
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

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing::{debug, info, subscriber::with_default, trace, warn};

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of `work` with this filter.
    fn logged(filter: &str, work: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        with_default(logger(filter, move || writer.clone(), false), work);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_tell_nothing_below_info_whatever_the_filter_says() {
        for filter in
            ["trace", "hyper=trace", "info,hyper::proto=trace,lettre=debug", "reset_app=trace,trace"]
        {
            let said = logged(filter, || {
                trace!(target: "hyper::proto::h1", "canary");
                debug!(target: "lettre::transport::smtp", "canary");
                debug!(target: "tokio_postgres", "canary");
                trace!(target: "a_new_dependency", "canary");
            });
            assert_eq!(said, "", "{filter}");
        }
        let said = logged("trace", || {
            info!(target: "actix_server", "workers started");
            warn!(target: "rustls", "a certificate is old");
            trace!(target: "reset_core::deliver", "our own");
            debug!(target: "server_axum", "our own");
        });
        assert_eq!(said.lines().count(), 4, "{said}");
    }

    #[test]
    fn the_filter_still_chooses_among_what_may_be_told() {
        let said = logged("warn,reset_core=debug", || {
            info!(target: "reset_app", "left out");
            info!(target: "hyper", "left out");
            debug!(target: "reset_core::redeem", "told");
            trace!(target: "reset_core::redeem", "left out");
        });
        assert!(said.lines().count() == 1 && said.contains("told"), "{said}");
    }
}
