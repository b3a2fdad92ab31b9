//! The outbox worker: processes queued jobs after the response has been sent.
//!
//! The worker wakes when this process queues a job, when a delivery finishes (the next job for the same address may have
//! waited for it), when a postponed job becomes due, and at least every [`POLL_INTERVAL`]. Mail is therefore sent within
//! [`MAX_JITTER`] of the response, and a missed wake-up costs at most one second.
//!
//! The worker starts after a random delay: its work competes with the next request for CPU, and a predictable start would
//! make the timing side channel cheaper to measure (R14).

use std::{error::Error, future::Future, pin::pin, time::Duration};

use reset_core::{
    Resets,
    audit::Mark,
    error::StoreError,
    job::{Job, SUSPECT_CRASHES},
    ports::random,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{error, info};

/// Maximum concurrent deliveries: enough to hide the latency of a mail server, few enough for its connection limits.
const SLOTS: usize = 8;
/// Delivery timeout, well below the lease, so that no other worker picks up a job in progress.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(90);
/// Polling interval of the queue.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum random delay before an idle worker starts a queued job; half of it on average. It is unnoticeable in mail and
/// spreads the cost of a job over dozens of an attacker's probes.
const MAX_JITTER: Duration = Duration::from_millis(50);
/// Backoff after a store error. Wake-ups during it are ignored.
const STORE_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum attempts to requeue a job whose delivery could not be recorded.
const REQUEUE_ATTEMPTS: u32 = 5;
/// Interval between purges.
const PURGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Interval between sealing runs: the time during which an unsealed event can be altered undetected.
const SEAL_INTERVAL: Duration = Duration::from_secs(2);
/// Retention of ended rows (R3: 24 hours after they end).
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Processes jobs until `stop`, then waits for the deliveries in progress.
pub(crate) async fn run(resets: Resets, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let (mut deliveries, mut alone) = (JoinSet::new(), false);
    'batches: loop {
        let pause = match fill_slots(&resets, &mut deliveries, &mut alone).await {
            Ok(pause) => pause,
            Err(error) => {
                log_error(&error, "failed to claim jobs, backing off");
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(STORE_BACKOFF) => continue,
                }
            }
        };
        let mut next = Instant::now() + pause;
        // Jobs queued during the delay join the same batch.
        let mut delayed = false;
        loop {
            tokio::select! {
                () = &mut stop => break 'batches,
                Some(outcome) = deliveries.join_next() => {
                    log_outcome(outcome);
                    break;
                }
                () = resets.job_queued(), if !delayed => {
                    delayed = true;
                    next = next.min(Instant::now() + jitter(&resets));
                }
                () = sleep_until(next) => break,
            }
        }
    }
    while let Some(outcome) = deliveries.join_next().await {
        log_outcome(outcome);
    }
}

/// Returns a random fraction of [`MAX_JITTER`].
fn jitter(resets: &Resets) -> Duration {
    let [chance] = random(&*resets.adapters().entropy);
    MAX_JITTER * u32::from(chance) / 256
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
        sleep(SEAL_INTERVAL).await;
        if let Err(error) = resets.seal_events().await {
            log_error(&error, "failed to seal the audit log, retrying");
        }
    }
}

/// Fills free slots with due jobs and returns how long to sleep if nothing else happens.
async fn fill_slots(
    resets: &Resets,
    deliveries: &mut JoinSet<Result<(), StoreError>>,
    alone: &mut bool,
) -> Result<Duration, StoreError> {
    if *alone && !deliveries.is_empty() {
        return Ok(POLL_INTERVAL);
    }
    let free = SLOTS - deliveries.len();
    if free == 0 {
        return Ok(POLL_INTERVAL);
    }
    let now = resets.adapters().clock.now();
    let claimed = resets.claim(u32::try_from(free).unwrap_or(u32::MAX)).await?;
    // Start no other job while one that is suspected of crashing the worker runs.
    *alone = claimed.iter().any(|job| job.lost > SUSPECT_CRASHES);
    let full = claimed.len() == free || *alone;
    for job in claimed {
        let resets = resets.clone();
        deliveries.spawn(deliver(resets, job));
    }
    if full {
        return Ok(POLL_INTERVAL);
    }
    // A job that is due but could not be claimed is blocked by another job, whose completion wakes the worker.
    let due = resets.adapters().store.next_due().await?.filter(|due| *due > now);
    Ok(due.map_or(POLL_INTERVAL, |due| due.since(resets.adapters().clock.now()).min(POLL_INTERVAL)))
}

/// Delivers the job within [`DELIVERY_TIMEOUT`], and requeues it if the outcome could not be recorded.
async fn deliver(resets: Resets, job: Job) -> Result<(), StoreError> {
    let delivery = timeout(DELIVERY_TIMEOUT, resets.deliver(&job));
    let outcome = delivery.await.unwrap_or_else(|_| Err(StoreError::new("delivery timed out")));
    if outcome.is_err() {
        // A locked or full store usually recovers quickly, so retry.
        for _ in 0..REQUEUE_ATTEMPTS {
            sleep(STORE_BACKOFF).await;
            if resets.put_back(&job).await.is_ok() {
                break;
            }
        }
    }
    outcome
}

fn log_outcome(outcome: Result<Result<(), StoreError>, JoinError>) {
    match outcome {
        Ok(Ok(())) => {}
        // The job was requeued, or becomes due again when its lease expires.
        Ok(Err(error)) => log_error(&error, "delivery could not be recorded; the job will be retried"),
        Err(_) => error!("delivery panicked; the job will be retried when its lease expires"),
    }
}

fn log_error(error: &StoreError, what: &str) {
    error!(error = error as &dyn Error, "{what}");
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use reset_core::{
        email::EmailAddress,
        error::MailError,
        keys::{HmacKey, Keys},
        mail::Mail,
        ports::{Accounts as _, Mailer},
        request::{Disclosure, ResetRequest},
    };
    use reset_testkit::memory::{MailRefusal, Memory, Outage};
    use tokio::{
        sync::{Notify, Semaphore},
        task::JoinHandle,
    };

    use super::*;

    /// The dialect of every request: any that mails would do.
    const DIALECT: &str = "px0";
    /// Latest time by which the mail of a queued request must be sent.
    const SOON: Duration = Duration::from_millis(55);
    /// Two more than there are slots.
    const ACCOUNTS: [&str; SLOTS + 2] = ["ann", "bob", "c", "d", "e", "f", "g", "h", "i", "j"];

    struct Running {
        memory: Memory,
        resets: Resets,
        stop: Arc<Notify>,
        worker: JoinHandle<()>,
    }

    async fn start() -> Running {
        start_with(Memory::new(1), None).await
    }

    async fn start_with(memory: Memory, mailer: Option<Arc<BlockingMailer>>) -> Running {
        let root = HmacKey::shared(&[7; 32]);
        let dialects = reset_dialects::with(&[("px0.enabled", "true")], &root, "https://id.example.org");
        let policies = dialects.unwrap().into_iter().filter_map(|dialect| dialect.policies).collect();
        let keys = Keys::new(&root);
        let mut adapters = memory.adapters();
        if let Some(mailer) = mailer {
            adapters.mailer = mailer;
        }
        let resets = Resets::new(adapters, keys, policies, true);
        for name in ACCOUNTS {
            let (email, text) = address(name);
            let account = reset_core::account::NewAccount {
                email: text,
                username: None,
                name: None,
                locale: None,
                password_hash: String::new(),
                created_at: resets.adapters().clock.now(),
            };
            memory.store.add_account(&email, account).await.unwrap();
        }
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let worker = tokio::spawn(run(resets.clone(), async move { stopped.notified().await }));
        Running { memory, resets, stop, worker }
    }

    fn address(name: &str) -> (EmailAddress, String) {
        let text = format!("{name}@example.org");
        (EmailAddress::parse(&text).unwrap(), text)
    }

    impl Running {
        async fn request_reset(&self, name: &str) {
            let request = ResetRequest {
                dialect: DIALECT,
                email: Some(address(name).0),
                redirect_to: None,
                locale: None,
                network: None,
                reference: self.resets.reference(),
                disclosure: Disclosure::Never,
            };
            self.resets.request(request).await.unwrap();
        }

        /// Waits until `count` mails are sent and returns how long that took. Time is paused, so only timers take time.
        async fn wait_for_mails(&self, count: usize) -> Duration {
            let begun = tokio::time::Instant::now();
            while self.memory.mailer.sent().len() < count {
                sleep(Duration::from_micros(100)).await;
                assert!(begun.elapsed() < Duration::from_secs(60), "no mail");
            }
            begun.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn delivery_is_prompt_and_jittered() {
        let running = start().await;
        sleep(Duration::from_millis(300)).await;
        let mut waits = Vec::new();
        for (count, name) in (1..).zip(ACCOUNTS) {
            running.request_reset(name).await;
            waits.push(running.wait_for_mails(count).await);
        }
        assert!(waits.iter().all(|wait| *wait < SOON), "{waits:?}");
        let (first, last) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*last > *first + MAX_JITTER / 4, "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn second_request_does_not_extend_the_delay() {
        let running = start().await;
        for name in ACCOUNTS {
            running.request_reset(name).await;
            sleep(Duration::from_millis(1)).await;
        }
        assert!(running.wait_for_mails(ACCOUNTS.len()).await < SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn two_requests_for_one_address_are_delivered_in_order_without_polling() {
        let running = start().await;
        running.request_reset("ann").await;
        running.request_reset("ann").await;
        assert!(running.wait_for_mails(2).await < SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn postponed_job_is_retried_when_due() {
        let running = start().await;
        running.memory.mailer.refuse_next(1, MailRefusal::Temporary);
        running.request_reset("ann").await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(running.memory.mailer.sent().len(), 0);
        running.memory.clock.advance(Duration::from_secs(2));
        assert!(running.wait_for_mails(1).await <= POLL_INTERVAL + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn worker_recovers_from_a_store_error_within_the_backoff() {
        let running = start().await;
        running.memory.store.set_outage(Outage::Only("claim"));
        running.request_reset("ann").await;
        sleep(Duration::from_millis(100)).await;
        running.memory.store.set_outage(Outage::None);
        assert!(running.wait_for_mails(1).await <= STORE_BACKOFF + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn unrecorded_delivery_is_retried_before_its_lease_expires() {
        let running = start().await;
        running.memory.store.set_outage(Outage::Only("finish"));
        running.request_reset("ann").await;
        running.wait_for_mails(1).await;
        running.memory.store.set_outage(Outage::None);
        running.memory.clock.advance(Duration::from_secs(3));
        sleep(2 * STORE_BACKOFF).await;
        running.memory.clock.advance(Duration::from_secs(3));
        sleep(2 * POLL_INTERVAL).await;
        let mails = running.memory.mailer.sent();
        assert_eq!((mails.len(), &mails[0].secret), (2, &mails[1].secret));
        assert!(running.memory.store.jobs()[0].1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn stopped_worker_finishes_its_deliveries_and_claims_no_more_jobs() {
        let memory = Memory::new(2);
        let mailer = Arc::new(BlockingMailer { begun: AtomicUsize::new(0), open: Semaphore::new(0) });
        let running = start_with(memory, Some(mailer.clone())).await;
        for name in ACCOUNTS {
            running.request_reset(name).await;
        }
        sleep(SOON).await;
        assert_eq!(mailer.begun.load(Ordering::SeqCst), SLOTS);

        running.stop.notify_one();
        sleep(Duration::from_millis(10)).await;
        assert!(!running.worker.is_finished());
        mailer.open.add_permits(ACCOUNTS.len());
        running.worker.await.unwrap();
        let finished = running.memory.store.jobs().iter().filter(|(_, end)| end.is_some()).count();
        assert_eq!((finished, mailer.begun.load(Ordering::SeqCst)), (SLOTS, SLOTS));
    }

    /// A mailer that blocks until the test releases it.
    struct BlockingMailer {
        begun: AtomicUsize,
        open: Semaphore,
    }

    #[async_trait]
    impl Mailer for BlockingMailer {
        async fn send(&self, _: &Mail) -> Result<String, MailError> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            Ok("250 2.0.0".to_owned())
        }

        async fn check(&self) -> Result<(), MailError> {
            Ok(())
        }
    }
}
