//! Background tasks beside the worker, each on its own so that no mail waits for it: leases, the outbox's age, purges and
//! the seals of the audit log.

use std::{sync::Arc, time::Duration};

use reset_core::{Resets, audit::Mark};
use tokio::time::sleep;
use tracing::{error, info};

use super::{held::Held, log_error};

/// Interval between looks at expired leases and at the age of the outbox.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Number of looks after which the leases of the jobs in progress are renewed: a third of a lease.
const RENEW_EVERY: u32 = 5;
/// Interval between purges.
const PURGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Interval between sealing runs: the time during which an unsealed event can be altered undetected.
const SEAL_INTERVAL: Duration = Duration::from_secs(2);
/// Retention of ended rows (R3: 24 hours after they end).
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Renews the leases of the jobs in progress, returns the jobs of workers that died to the queue, and notes how old the
/// outbox is.
pub(super) async fn watch(resets: Resets, held: Arc<Held>) {
    let (mut looks, mut last) = (0_u32, resets.adapters().clock.now());
    loop {
        sleep(WATCH_INTERVAL).await;
        looks += 1;
        let now = resets.adapters().clock.now();
        // After the clock was set back, the leases in progress look like those of a clock that was ahead.
        if looks >= RENEW_EVERY || now < last {
            let jobs = held.jobs();
            if !jobs.is_empty()
                && let Err(error) = resets.renew(&jobs).await
            {
                log_error(&error, "failed to renew leases, retrying");
                continue;
            }
            (looks, last) = (0, now);
        }
        if let Err(error) = resets.adapters().store.reclaim(now).await {
            log_error(&error, "failed to look for expired leases, retrying");
            continue;
        }
        if let Err(error) = resets.watch_outbox().await {
            log_error(&error, "failed to look at the age of the outbox, retrying");
        }
    }
}

/// Periodically purges ended rows and expired events. A separate task, so that no mail waits for it.
pub(crate) async fn clean_up(resets: Resets, retention: Duration) {
    let mut logged = Mark::START;
    loop {
        let now = resets.adapters().clock.now();
        if let Err(error) = resets.adapters().store.purge(now.minus(RETENTION)).await {
            log_error(&error, "purge of ended rows failed, retrying in 10 minutes");
        }
        if let Err(error) = resets.forget_events(now.minus(retention)).await {
            log_error(&error, "failed to delete expired events, retrying in 10 minutes");
        }
        if let Err(error) = resets.record_skipped_events().await {
            log_error(&error, "failed to record how many events were skipped, retrying in 10 minutes");
        }
        // Logs are stored elsewhere, so an attacker who can edit the database cannot alter the head of the chain there.
        let head = resets.last_mark();
        if head != logged {
            info!(audit.head = %head, "audit log sealed");
            logged = head;
        }
        sleep(PURGE_INTERVAL).await;
    }
}

/// Seals events shortly after they are recorded. A separate task, so that no mail waits for it.
pub(crate) async fn seal(resets: Resets) {
    loop {
        match resets.continue_log().await {
            Ok(false) => break,
            Ok(true) => {
                error!(
                    "the audit log was emptied: jobs, tickets or resets are older than every event in it; the new log begins \
                     with events-lost. Compare an earlier mark: audit verify --known PLACE:SEAL"
                );
                break;
            }
            Err(error) => log_error(&error, "failed to read the audit log, retrying"),
        }
        sleep(SEAL_INTERVAL).await;
    }
    loop {
        sleep(SEAL_INTERVAL).await;
        if let Err(error) = resets.seal_events().await {
            log_error(&error, "failed to seal the audit log, retrying");
        }
    }
}
