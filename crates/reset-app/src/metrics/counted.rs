//! Adapters that are counted: they do what those behind them do.

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

/// What becomes of a mail or a call.
pub(super) const OUTCOMES: [&str; 4] = ["accepted", "put_off", "not_tried", "refused"];

/// An adapter, and who counts what it does.
pub(crate) struct Counted<T: ?Sized> {
    pub(crate) inner: Arc<T>,
    pub(crate) metrics: Arc<Metrics>,
}

fn outcome(handed_over: &Result<String, MailError>) -> Outcome {
    let [accepted, put_off, not_tried, refused] = OUTCOMES;
    let outcome = match handed_over {
        Ok(_) => accepted,
        Err(MailError::Temporary { .. }) => put_off,
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
        // What was not tried waited for us alone.
        if !matches!(sent, Err(MailError::Busy { .. })) {
            self.metrics.mail_seconds.observe(begun.elapsed().as_secs_f64());
        }
        self.metrics.mails.get_or_create(&outcome(&sent)).inc();
        sent
    }

    async fn prepare_decoy(&self, mail: &Mail) {
        self.inner.prepare_decoy(mail).await;
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
    fn hashed<R>(&self, work: &'static str, begun: Instant, result: &Result<R, HashError>) {
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
        self.hashed("hash", begun, &hash);
        hash
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        let begun = Instant::now();
        let verified = self.inner.verify(password, stored).await;
        self.hashed("verify", begun, &verified);
        verified
    }
}
