//! Readiness: whether requests can be served, and whether mail can be sent.
//!
//! Anyone may request `/readyz`, so the cost of an answer must not grow with the number of requests: one check of the
//! store serves all requests of the following second. The state of mail comes from the periodic check alone. The
//! result of a delivery would disclose which addresses have accounts, because a decoy is never delivered (R15).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};
use tracing::{error, info};

use crate::{Resets, error::StoreError};

/// How long the result of a check is reused.
pub const REUSE: Duration = Duration::from_secs(1);

/// What is known about the readiness of this process.
pub(crate) struct Readiness {
    /// The last check of the store. The lock is held during a check, so that concurrent callers wait for its result.
    last: Arc<Mutex<Option<Check>>>,
    /// Whether the worker's last claim succeeded.
    claims: AtomicBool,
    /// Whether the last periodic check of the mail server succeeded.
    mail: AtomicBool,
    /// Whether the process is shutting down.
    draining: AtomicBool,
}

struct Check {
    finished: Instant,
    result: Result<(), StoreError>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            claims: AtomicBool::new(true),
            mail: AtomicBool::new(true),
            draining: AtomicBool::new(false),
        }
    }
}

impl Resets {
    /// Checks that the store is ready and that jobs can be claimed. The result of a check is reused for [`REUSE`], and
    /// concurrent calls share one check.
    ///
    /// Must be called within a Tokio runtime: the check runs as its own task, so that it is finished and reused even if
    /// its caller disconnects.
    ///
    /// # Errors
    /// Fails if the store is not ready, or if the worker's last claim failed.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut last = self.inner.readiness.last.clone().lock_owned().await;
        if let Some(check) = last.as_ref().filter(|check| check.finished.elapsed() < REUSE) {
            return check.result.clone();
        }
        let resets = self.clone();
        let check = tokio::spawn(async move {
            let result = resets.check_store().await;
            log_change(last.as_ref().map(|before| &before.result), &result);
            *last = Some(Check { finished: Instant::now(), result: result.clone() });
            result
        });
        check.await.unwrap_or_else(|_| Err(StoreError::new("the readiness check panicked")))
    }

    async fn check_store(&self) -> Result<(), StoreError> {
        self.inner.adapters.store.ready().await?;
        if self.inner.readiness.claims.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(StoreError::new("jobs cannot be claimed: accepted requests are not mailed"))
        }
    }

    /// Records whether the worker's last claim succeeded. Until the next successful claim, [`Self::ready`] fails.
    pub fn note_claim(&self, succeeded: bool) {
        self.inner.readiness.claims.store(succeeded, Ordering::Relaxed);
    }

    /// Returns whether the last [`Self::check_mail`] succeeded; `true` before the first one.
    pub fn mail_works(&self) -> bool {
        self.inner.readiness.mail.load(Ordering::Relaxed)
    }

    /// Checks whether mail could be sent now, and stores the result for [`Self::mail_works`].
    pub async fn check_mail(&self) {
        let works = self.inner.adapters.mailer.check().await.is_ok();
        self.inner.readiness.mail.store(works, Ordering::Relaxed);
    }

    /// Marks the process as shutting down. Requests are still served.
    pub fn drain(&self) {
        self.inner.readiness.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether the process is shutting down.
    pub fn is_draining(&self) -> bool {
        self.inner.readiness.draining.load(Ordering::Relaxed)
    }
}

/// Logs when readiness is lost and when it returns, not each check in between.
fn log_change(before: Option<&Result<(), StoreError>>, after: &Result<(), StoreError>) {
    match (before, after) {
        (None | Some(Ok(())), Err(error)) => {
            error!(error = error as &dyn std::error::Error, "not ready: /readyz returns 503");
        }
        (Some(Err(_)), Ok(())) => info!("ready again"),
        _ => {}
    }
}
