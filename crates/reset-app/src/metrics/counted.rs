//! Wrappers that count the calls of an adapter.

use std::sync::Arc;

use async_trait::async_trait;
use reset_core::{
    error::{HashError, MailError},
    hasher::HashForm,
    mail::Mail,
    password::NewPassword,
    ports::{Hasher, Mailer, PasswordReset, Webhook},
};
use tokio::time::Instant;

use super::{Metrics, Outcome, Work};

/// Outcomes of a mail delivery or webhook attempt.
pub(super) const OUTCOMES: [&str; 4] = ["accepted", "put_off", "not_tried", "refused"];

/// An adapter whose calls are counted in `metrics`.
pub(crate) struct Counted<T: ?Sized> {
    pub(crate) inner: Arc<T>,
    pub(crate) metrics: Arc<Metrics>,
}

fn outcome(result: &Result<String, MailError>) -> Outcome {
    let [accepted, put_off, not_tried, refused] = OUTCOMES;
    let outcome = match result {
        Ok(_) => accepted,
        Err(MailError::Temporary { .. } | MailError::Uncertain { .. }) => put_off,
        Err(MailError::Busy { .. }) => not_tried,
        Err(MailError::Permanent { .. }) => refused,
    };
    Outcome { outcome }
}

#[async_trait]
impl<T: Mailer + ?Sized> Mailer for Counted<T> {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let begun = Instant::now();
        let sent = self.inner.send(mail).await;
        // A mail that was not attempted has no delivery time.
        if !matches!(sent, Err(MailError::Busy { .. })) {
            self.metrics.mail_seconds.observe(begun.elapsed().as_secs_f64());
        }
        self.metrics.mails.get_or_create(&outcome(&sent)).inc();
        sent
    }

    async fn prepare_decoy(&self, mail: &Mail) {
        self.inner.prepare_decoy(mail).await;
    }

    fn slots(&self) -> usize {
        self.inner.slots()
    }

    async fn check(&self) -> Result<(), MailError> {
        self.inner.check().await
    }
}

#[async_trait]
impl<T: Webhook + ?Sized> Webhook for Counted<T> {
    async fn post(&self, reset: &PasswordReset) -> Result<String, MailError> {
        let posted = self.inner.post(reset).await;
        self.metrics.webhooks.get_or_create(&outcome(&posted)).inc();
        posted
    }
}

impl<T: ?Sized> Counted<T> {
    fn record<R>(&self, work: &'static str, begun: Instant, result: &Result<R, HashError>) {
        if matches!(result, Err(HashError::Busy { .. })) {
            self.metrics.hash_refused.inc();
        } else {
            let took = begun.elapsed().as_secs_f64();
            self.metrics.hash_seconds.get_or_create(&Work { work }).observe(took);
        }
    }
}

#[async_trait]
impl<T: Hasher + ?Sized> Hasher for Counted<T> {
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError> {
        let begun = Instant::now();
        let hash = self.inner.hash(password, like).await;
        self.record("hash", begun, &hash);
        hash
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        let begun = Instant::now();
        let verified = self.inner.verify(password, stored).await;
        self.record("verify", begun, &verified);
        verified
    }
}
