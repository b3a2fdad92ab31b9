//! MetricsSource of a running server, for `/metrics` on the second listener: counted in this process, but for the queue, which
//! is the database's. No label is anything that a stranger chose, and none tells of a person.

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
use reset_http::observer::{Answered, Observer};
use tokio::time::timeout;
use tracing::warn;

pub(crate) use self::counted::Counted;

/// Longest wait for the database. Prometheus gives up after 10 s, by default.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds of what takes time, in seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

type Float = Gauge<f64, AtomicU64>;

/// A row of the table, and how it answered.
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

/// What became of something that was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    work: &'static str,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    request_seconds: Family<Row, Histogram>,
    mails: Family<Outcome, Counter>,
    mail_seconds: Histogram,
    webhooks: Family<Outcome, Counter>,
    hash_seconds: Family<Work, Histogram>,
    hash_refused: Counter,
    ready: Gauge,
    mail_works: Gauge,
    waiting: Float,
    oldest: Float,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new(BOUNDS);
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            mails: Family::default(),
            mail_seconds: histogram(),
            webhooks: Family::default(),
            hash_seconds: Family::new_with_constructor(histogram),
            hash_refused: Counter::default(),
            ready: Gauge::default(),
            mail_works: Gauge::default(),
            waiting: Float::default(),
            oldest: Float::default(),
        };
        metrics.registered()
    }

    /// Names and meanings.
    fn registered(self) -> Self {
        let mut registry = Registry::with_prefix("polyreset");
        registry.register("build", "This program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("http_requests", "Answers, by the row that gave them", self.requests.clone());
        let (name, help) = ("http_request_duration", "From a request to its answer");
        registry.register_with_unit(name, help, Unit::Seconds, self.request_seconds.clone());
        registry.register("mails", "Mails that were handed over, each try", self.mails.clone());
        let (name, help) =
            ("mail_duration", "How long a mail server, a disk or a terminal took for one mail");
        registry.register_with_unit(name, help, Unit::Seconds, self.mail_seconds.clone());
        registry.register("webhooks", "Calls of the webhook, each try", self.webhooks.clone());
        let (name, help) = ("hash_duration", "How long a password hash took, the wait for a thread included");
        registry.register_with_unit(name, help, Unit::Seconds, self.hash_seconds.clone());
        let help = "Password hashes that were refused because too many waited";
        registry.register("hash_refused", help, self.hash_refused.clone());
        registry.register("ready", "1 while requests can be served, as /readyz says", self.ready.clone());
        registry.register("mail_works", "1 while mail can be sent, as /readyz says", self.mail_works.clone());
        let help = "What was accepted and is not done, in the database that all servers share";
        registry.register("outbox_waiting", help, self.waiting.clone());
        let (name, help) = ("outbox_oldest", "How long the oldest of it has waited");
        registry.register_with_unit(name, help, Unit::Seconds, self.oldest.clone());
        // What never happened is 0 and not absent, so that its first time is an increase.
        for outcome in counted::OUTCOMES {
            self.mails.get_or_create(&Outcome { outcome }).inc_by(0);
            self.webhooks.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        Self { registry, ..self }
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
}

/// The figures with those that are looked up when somebody asks.
pub(crate) struct MetricsReport {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) resets: Resets,
}

#[async_trait]
impl MetricsSource for MetricsReport {
    async fn text(&self) -> String {
        let Self { metrics, resets } = self;
        // Sooner than whoever scrapes gives up: a database that says nothing must not hide all other figures.
        let (ready, backlog) = tokio::join!(
            timeout(TIMEOUT, resets.ready()),
            timeout(TIMEOUT, resets.adapters().store.backlog()),
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
                warn!(error = &error as &dyn std::error::Error, "the queue could not be counted");
                (f64::NAN, f64::NAN)
            }
        };
        metrics.waiting.set(waiting);
        metrics.oldest.set(oldest);
        let mut text = String::new();
        encode(&mut text, &metrics.registry).expect("figures are written into memory");
        text
    }
}

#[cfg(test)]
mod tests;
