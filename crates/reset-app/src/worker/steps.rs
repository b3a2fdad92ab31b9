//! The steps of a job, each of which runs as a task: prepare, send, settle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reset_core::{
    Resets,
    deliver::{Prepared, ReadyMail, Settlement},
    error::StoreError,
};
use tokio::time::sleep;

use super::{STORE_BACKOFF, held::HeldJob, log_error, window::Sending};

/// Prepares a job. Returns its mail, or `None` if the job is settled.
pub(super) async fn prepare(
    resets: Resets,
    job: HeldJob,
    stopping: Arc<AtomicBool>,
) -> (HeldJob, Option<Box<ReadyMail>>) {
    match resets.prepare(&job.job).await {
        Ok(Prepared::Mail(ready)) => return (job, Some(ready)),
        Ok(Prepared::Settled(settlement)) => settle(&resets, &job, &settlement, &stopping).await,
        Err(error) => {
            log_error(&error, "job could not be prepared; it will be retried");
            until_stored(&stopping, || resets.put_back(&job.job)).await;
        }
    }
    (job, None)
}

/// The result of a sending task.
pub(super) enum Sent {
    /// An attempt was made, so long after the one before it.
    Tried(Duration),
    /// No slot was free for any mail.
    Busy,
    /// There was nothing to send, or the recipient's domain takes no more now.
    Nothing,
}

/// Prepares a job whose mail was ready before, and sends the mail.
pub(super) async fn deliver(
    resets: Resets,
    job: HeldJob,
    in_transit: Sending,
    stopping: Arc<AtomicBool>,
) -> Sent {
    let (job, ready) = prepare(resets.clone(), job, stopping.clone()).await;
    match ready {
        Some(ready) => send(resets, job, ready, in_transit, stopping).await,
        None => Sent::Nothing,
    }
}

/// Sends a mail.
pub(super) async fn send(
    resets: Resets,
    job: HeldJob,
    ready: Box<ReadyMail>,
    in_transit: Sending,
    stopping: Arc<AtomicBool>,
) -> Sent {
    let slots = resets.adapters().mailer.slots();
    let (settlement, interval) = in_transit.measure(slots, resets.send(&job.job, &ready)).await;
    settle(&resets, &job, &settlement, &stopping).await;
    match settlement {
        Settlement::Postponed { pauses: true, .. } => Sent::Busy,
        Settlement::Postponed { counts: false, .. } => Sent::Nothing,
        _ => Sent::Tried(interval),
    }
}

/// Leaves a prepared mail in the database.
pub(super) async fn queue(
    resets: Resets,
    job: HeldJob,
    stopping: Arc<AtomicBool>,
) -> (HeldJob, Option<Box<ReadyMail>>) {
    until_stored(&stopping, || resets.queue_for_sending(&job.job)).await;
    (job, None)
}

/// Records the result of a delivery, however long the store fails: a mail that was sent must not be sent again.
async fn settle(resets: &Resets, job: &HeldJob, settlement: &Settlement, stopping: &AtomicBool) {
    until_stored(stopping, || resets.settle(&job.job, settlement)).await;
}

/// Repeats a write until it succeeds, or until the worker stops.
async fn until_stored<F>(stopping: &AtomicBool, write: impl Fn() -> F)
where
    F: Future<Output = Result<(), StoreError>>,
{
    let mut logged = false;
    while let Err(error) = write().await {
        if !logged {
            log_error(&error, "delivery could not be recorded, retrying until it is");
            logged = true;
        }
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        sleep(STORE_BACKOFF).await;
    }
}
