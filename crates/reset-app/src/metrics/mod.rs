//! Metrics of a running server, for `/metrics` on the second listener. They are counted in this process, except for those
//! of the outbox, which come from the database. No label contains client input or personal data.

mod counted;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use crate::admin::MetricsSource;
use async_trait::async_trait;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use reset_core::{Resets, error::StoreError};
use reset_http::{
    observer::{Answered, ConnectionEvent, Observer},
    shadow::Comparison,
};
use tokio::time::timeout;
use tracing::warn;

pub(crate) use self::counted::Counted;

/// Timeout for database queries. The default scrape timeout of Prometheus is 10 s.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Histogram bounds, in seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Reasons for which the server closes a connection: its client has too many, another one needed its place, or its client
/// did not read a response in time.
const CLOSE_REASONS: [&str; 3] = ["rejected", "evicted", "write_timeout"];

type Float = Gauge<f64, AtomicU64>;

/// Labels of a response: the route, the method and the status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    dialect: &'static str,
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Row {
    dialect: &'static str,
    route: String,
}

/// Label of a delivery attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Label of a connection that the server closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Labels of a request that shadow mode has compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComparedRequest {
    dialect: &'static str,
    route: String,
    result: &'static str,
}

/// Labels of a difference that shadow mode has found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComparedPart {
    dialect: &'static str,
    route: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    work: &'static str,
}

/// All metrics of a process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    request_seconds: Family<Row, Histogram>,
    connections: Gauge,
    connections_closed: Family<Reason, Counter>,
    mails: Family<Outcome, Counter>,
    mail_seconds: Histogram,
    webhooks: Family<Outcome, Counter>,
    hash_seconds: Family<Work, Histogram>,
    hash_refused: Counter,
    shadow_requests: Family<ComparedRequest, Counter>,
    shadow_differences: Family<ComparedPart, Counter>,
    ready: Gauge,
    mail_works: Gauge,
    waiting: Float,
    oldest: Float,
    quarantined: Float,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new(BOUNDS);
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            connections: Gauge::default(),
            connections_closed: Family::default(),
            mails: Family::default(),
            mail_seconds: histogram(),
            webhooks: Family::default(),
            hash_seconds: Family::new_with_constructor(histogram),
            hash_refused: Counter::default(),
            shadow_requests: Family::default(),
            shadow_differences: Family::default(),
            ready: Gauge::default(),
            mail_works: Gauge::default(),
            waiting: Float::default(),
            oldest: Float::default(),
            quarantined: Float::default(),
        };
        metrics.registered()
    }

    /// Registers the metrics with their names and help texts.
    fn registered(self) -> Self {
        let mut registry = Registry::with_prefix("polyreset");
        registry.register(
            "build",
            "Version of polyreset",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "http_requests",
            "HTTP responses by route, method and status",
            self.requests.clone(),
        );
        let (name, help) = ("http_request_duration", "Time from a request to its response");
        registry.register_with_unit(name, help, Unit::Seconds, self.request_seconds.clone());
        registry.register("connections", "Open client connections", self.connections.clone());
        let help = "Connections that the server closed because of their clients, by reason";
        registry.register("connections_closed", help, self.connections_closed.clone());
        registry.register("mails", "Mail delivery attempts by outcome", self.mails.clone());
        let (name, help) =
            ("mail_duration", "Time for handing one mail to the mail server, the disk or the terminal");
        registry.register_with_unit(name, help, Unit::Seconds, self.mail_seconds.clone());
        registry.register("webhooks", "Webhook delivery attempts by outcome", self.webhooks.clone());
        let (name, help) = ("hash_duration", "Time for one password hash, including the wait for a thread");
        registry.register_with_unit(name, help, Unit::Seconds, self.hash_seconds.clone());
        let help = "Password hashes rejected because the queue was full";
        registry.register("hash_refused", help, self.hash_refused.clone());
        let help = "Requests in shadow mode by route and result of the comparison";
        registry.register("shadow_requests", help, self.shadow_requests.clone());
        let help = "Differences from the back end in shadow mode by route and kind";
        registry.register("shadow_differences", help, self.shadow_differences.clone());
        registry.register("ready", "1 if requests can be served, as in /readyz", self.ready.clone());
        registry.register("mail_works", "1 if mail can be sent, as in /readyz", self.mail_works.clone());
        let help = "Jobs that wait in the outbox of the shared database";
        registry.register("outbox_waiting", help, self.waiting.clone());
        let (name, help) = ("outbox_oldest", "Age of the oldest waiting job");
        registry.register_with_unit(name, help, Unit::Seconds, self.oldest.clone());
        let help = "Jobs that were set aside because workers crashed on them, and still owe a mail";
        registry.register("outbox_quarantined", help, self.quarantined.clone());
        // Start the counters at 0 instead of omitting them, so that the first event is an increase.
        for outcome in counted::OUTCOMES {
            self.mails.get_or_create(&Outcome { outcome }).inc_by(0);
            self.webhooks.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for reason in CLOSE_REASONS {
            self.connections_closed.get_or_create(&Reason { reason }).inc_by(0);
        }
        Self { registry, ..self }
    }
}

impl Metrics {
    /// Counts a comparison of shadow mode.
    pub(crate) fn compared(&self, comparison: &Comparison) {
        let Comparison { dialect, route, result, differences, .. } = comparison;
        let request = ComparedRequest { dialect, route: route.clone(), result: result.word() };
        self.shadow_requests.get_or_create(&request).inc();
        for difference in differences {
            let part = ComparedPart { dialect, route: route.clone(), kind: difference.kind.word() };
            self.shadow_differences.get_or_create(&part).inc();
        }
    }
}

impl Observer for Metrics {
    fn answered(&self, answered: Answered<'_>) {
        let Answered { dialect, route, method, status, took } = answered;
        let method = method.map_or_else(String::new, ToString::to_string);
        let (route, status) = (route.to_owned(), status.as_u16());
        if !method.is_empty() {
            let row = Row { dialect, route: route.clone() };
            self.request_seconds.get_or_create(&row).observe(took.as_secs_f64());
        }
        self.requests.get_or_create(&Answer { dialect, route, method, status }).inc();
    }

    fn connection(&self, event: ConnectionEvent) {
        let [rejected, evicted, write_timeout] = CLOSE_REASONS;
        let reason = match event {
            ConnectionEvent::Opened => {
                self.connections.inc();
                return;
            }
            ConnectionEvent::Closed => {
                self.connections.dec();
                return;
            }
            ConnectionEvent::Rejected => rejected,
            ConnectionEvent::Evicted => evicted,
            ConnectionEvent::WriteTimeout => write_timeout,
        };
        self.connections_closed.get_or_create(&Reason { reason }).inc();
    }
}

/// The metrics together with those that are queried on each scrape.
pub(crate) struct MetricsReport {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) resets: Resets,
}

#[async_trait]
impl MetricsSource for MetricsReport {
    async fn text(&self) -> String {
        let Self { metrics, resets } = self;
        // Time out before the scraper does: an unresponsive database must not hide all other metrics.
        let store = &resets.adapters().store;
        let (ready, backlog, quarantined) = tokio::join!(
            timeout(TIMEOUT, resets.ready()),
            timeout(TIMEOUT, store.backlog()),
            timeout(TIMEOUT, store.quarantined()),
        );
        let ready = matches!(ready, Ok(Ok(()))) && !resets.is_draining();
        metrics.ready.set(ready.into());
        metrics.mail_works.set(resets.mail_works().into());
        let backlog = backlog.unwrap_or_else(|late| Err(StoreError::new(late)));
        let (waiting, oldest) = match backlog {
            Ok(backlog) => {
                let age = backlog.oldest.map(|at| resets.adapters().clock.now().since(at).as_secs_f64());
                (u32::try_from(backlog.waiting).unwrap_or(u32::MAX).into(), age.unwrap_or_default())
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "outbox metrics unavailable: the queue could not be counted"
                );
                (f64::NAN, f64::NAN)
            }
        };
        metrics.waiting.set(waiting);
        metrics.oldest.set(oldest);
        let quarantined = quarantined.ok().and_then(Result::ok);
        let quarantined = quarantined.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        metrics.quarantined.set(quarantined.map_or(f64::NAN, f64::from));
        let mut text = String::new();
        encode(&mut text, &metrics.registry).expect("writing to a string never fails");
        text
    }
}

#[cfg(test)]
mod tests;
