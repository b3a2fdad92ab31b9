//! The outbox worker: processes queued jobs after the response has been sent.
//!
//! It works in two stages. Accepted jobs are *prepared*, many at a time: the account is looked up and the ticket issued,
//! at the speed of the database. A job for an unknown address ends there. The others are *sent*, as many at a time as the
//! mail server takes; while all slots are taken, prepared jobs wait in the database, in turn by the clients' networks.
//!
//! The worker wakes when this process queues a job, when a delivery finishes, and at least every [`POLL_INTERVAL`]. Mail
//! is therefore sent within [`MAX_JITTER`] of the response, and a missed wake-up costs at most one second.
//!
//! The worker starts after a random delay: its work competes with the next request for CPU, and a predictable start would
//! make the timing side channel cheaper to measure (R14). All jobs that are queued during the delay form one batch.

mod held;
mod housekeeping;
mod steps;
#[cfg(test)]
mod tests;
mod window;

use std::{
    error::Error,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reset_core::{Resets, deliver::ReadyMail, error::StoreError, job::Job, ports::random};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tracing::error;

pub(crate) use self::housekeeping::{clean_up, seal};
use self::{
    held::{Held, HeldJob},
    steps::{Sent, deliver, prepare, queue, send},
    window::{Sending, Window},
};

/// Maximum number of jobs that are prepared at a time.
const PREPARING: usize = 256;
/// Most jobs that are prepared at a time beside a fast mail server while mails wait.
const PREPARING_BESIDE: usize = 32;
/// Mails that are sent meanwhile for each of them.
const SENT_PER_PREPARED: usize = 4;
/// Polling interval of the queue.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum random delay before an idle worker starts a queued job; half of it on average. It is unnoticeable in mail and
/// spreads the cost of a job over dozens of an attacker's probes.
const MAX_JITTER: Duration = Duration::from_millis(50);
/// Shortest time between two claims of accepted jobs while few are waiting: each claim costs commits, which the next
/// requests wait for.
const CLAIM_INTERVAL: Duration = Duration::from_millis(20);
/// Backoff after a store error. Wake-ups during it are ignored.
const STORE_BACKOFF: Duration = Duration::from_secs(1);
/// Shortest and longest pause of claims after a mail found no free slot: claiming the whole queue to postpone it would only
/// load the database.
const BUSY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// One in so many sending slots goes to postponed jobs that are due, so that fresh requests do not starve them.
const RETRY_SHARE: usize = 4;

/// Processes jobs until `stop`, then waits for the deliveries in progress.
pub(crate) async fn run(resets: Resets, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut worker = Worker::new(resets);
    let watch = tokio::spawn(housekeeping::watch(worker.resets.clone(), worker.held.clone()));
    'batches: loop {
        let claimed = worker.claim().await;
        worker.resets.note_claim(claimed.is_ok());
        if let Err(error) = claimed {
            log_error(&error, "failed to claim jobs, backing off");
            tokio::select! {
                () = &mut stop => break,
                () = sleep(STORE_BACKOFF) => continue,
            }
        }
        let mut next = worker.next_look();
        let mut delayed = false;
        loop {
            tokio::select! {
                () = &mut stop => break 'batches,
                Some(prepared) = worker.preparing.join_next() => {
                    worker.prepared(prepared);
                    if worker.has_room() {
                        break;
                    }
                    next = next.min(worker.next_look());
                }
                Some(sent) = worker.sending.join_next() => {
                    worker.sent(sent);
                    if worker.has_room() {
                        break;
                    }
                    next = next.min(worker.next_look());
                }
                // Jobs queued during the delay join the same batch.
                () = worker.resets.job_queued(), if !delayed => {
                    delayed = true;
                    next = next.min(Instant::now() + worker.jitter());
                }
                () = sleep_until(next) => {
                    worker.look_again();
                    break;
                }
            }
        }
    }
    worker.finish().await;
    watch.abort();
}

/// The jobs in progress, and what is known of the queue.
struct Worker {
    resets: Resets,
    held: Arc<Held>,
    preparing: JoinSet<(HeldJob, Option<Box<ReadyMail>>)>,
    sending: JoinSet<Sent>,
    window: Window,
    in_transit: Sending,
    /// End and length of the pause of claims after a mail found no free slot.
    busy_until: Instant,
    busy_pause: Duration,
    /// When accepted jobs may be claimed again.
    accepted_from: Instant,
    /// Whether jobs of either kind may be waiting: the last claim was full, or something has changed since.
    more_accepted: bool,
    more_ready: bool,
    /// Whether the job in progress may crash the worker; it runs alone.
    alone: bool,
    /// Number of sending slots filled since a postponed job had its share.
    since_retry: usize,
    /// Number of mails sent since accepted jobs were claimed.
    sent_since: usize,
    /// Set when the worker stops: a result that cannot be recorded then is given up.
    stopping: Arc<AtomicBool>,
}

impl Worker {
    fn new(resets: Resets) -> Self {
        Self {
            resets,
            held: Arc::default(),
            preparing: JoinSet::new(),
            sending: JoinSet::new(),
            window: Window::new(),
            in_transit: Sending::default(),
            busy_until: Instant::now(),
            busy_pause: BUSY_PAUSE.0,
            accepted_from: Instant::now(),
            more_accepted: true,
            more_ready: true,
            alone: false,
            since_retry: 0,
            sent_since: 0,
            stopping: Arc::default(),
        }
    }

    /// Looks at the whole queue with the next claim.
    fn look_again(&mut self) {
        (self.more_accepted, self.more_ready) = (true, true);
        // Jobs of other networks are reached within a second, however many mails wait.
        self.sent_since = self.sent_since.max(SENT_PER_PREPARED * PREPARING_BESIDE);
    }

    /// Returns when to look at the queue if nothing happens.
    fn next_look(&self) -> Instant {
        let mut next = Instant::now() + POLL_INTERVAL;
        if self.is_paused() {
            next = next.min(self.busy_until);
        }
        if self.more_accepted && !self.may_claim_accepted() {
            next = next.min(self.accepted_from);
        }
        next
    }

    /// Returns how many mails can be held.
    fn window(&self) -> usize {
        self.window.size(self.slots())
    }

    /// Returns how many more jobs can be prepared now. A slow mail server leaves the database to them. Beside a fast one, no
    /// more are prepared than can be sent at once, because a mail that has to wait is read and written twice, and only a
    /// few while mails wait already.
    fn preparing_room(&self) -> usize {
        let held = self.sending.len() + self.preparing.len();
        if !self.window.is_fast(self.slots()) {
            PREPARING.saturating_sub(self.preparing.len())
        } else if !self.more_ready && held < self.window() {
            self.window() - held
        } else {
            (self.sent_since / SENT_PER_PREPARED).min(PREPARING_BESIDE).saturating_sub(self.preparing.len())
        }
    }

    fn slots(&self) -> usize {
        self.resets.adapters().mailer.slots()
    }

    /// Returns whether no mail is to be sent now.
    fn is_paused(&self) -> bool {
        Instant::now() < self.busy_until
    }

    /// Returns whether accepted jobs were not claimed just now.
    fn may_claim_accepted(&self) -> bool {
        Instant::now() >= self.accepted_from
    }

    fn is_idle(&self) -> bool {
        self.preparing.is_empty() && self.sending.is_empty()
    }

    /// Returns whether a claim is worth its commit: jobs may be waiting, and there is room for a batch of them, or a slot
    /// of the mail server is about to be free.
    fn has_room(&self) -> bool {
        if self.alone {
            return self.is_idle();
        }
        let (held, window) = (self.sending.len(), self.window());
        // A few jobs are not worth a commit.
        let batch = self.preparing.len().max(window / 8).max(1);
        let preparing = self.more_accepted && self.may_claim_accepted() && self.preparing_room() >= batch;
        let free = held < window && (held <= self.slots() || held <= window / 2);
        let sending = self.more_ready && free && !self.is_paused();
        preparing || sending
    }

    /// Claims jobs for the free places and starts them.
    async fn claim(&mut self) -> Result<(), StoreError> {
        if self.alone && !self.is_idle() {
            return Ok(());
        }
        self.alone = false;
        // Mails that are ready come first: their jobs are older.
        let room = self.window().saturating_sub(self.sending.len());
        if self.more_ready && room > 0 && !self.is_paused() {
            let retries = (self.since_retry + room) / RETRY_SHARE;
            let jobs = self.resets.claim_ready(number(room), number(retries)).await?;
            self.since_retry = if retries > 0 { 0 } else { self.since_retry + jobs.len() };
            self.more_ready = jobs.len() == room;
            for job in jobs {
                let (resets, job, stopping) = self.start(job);
                self.sending.spawn(deliver(resets, job, self.in_transit.clone(), stopping));
            }
        }
        let room = self.preparing_room();
        if self.more_accepted && room > 0 && self.may_claim_accepted() {
            let jobs = self.resets.claim_accepted(number(room)).await?;
            (self.more_accepted, self.sent_since) = (jobs.len() == room, 0);
            if !self.more_accepted {
                self.accepted_from = Instant::now() + CLAIM_INTERVAL;
            }
            for job in jobs {
                self.prepare(job);
            }
        }
        if self.is_idle()
            && let Some(job) = self.resets.claim_suspect().await?
        {
            self.alone = true;
            self.prepare(job);
        }
        Ok(())
    }

    /// Returns what the task of a claimed job needs.
    fn start(&self, job: Job) -> (Resets, HeldJob, Arc<AtomicBool>) {
        (self.resets.clone(), self.held.add(job), self.stopping.clone())
    }

    fn prepare(&mut self, job: Job) {
        let (resets, job, stopping) = self.start(job);
        self.preparing.spawn(prepare(resets, job, stopping));
    }

    /// Sends a prepared mail if there is room and no other mail waits in the database, else leaves it there.
    fn prepared(&mut self, prepared: Result<(HeldJob, Option<Box<ReadyMail>>), JoinError>) {
        let Some((job, Some(ready))) = joined(prepared) else {
            // Another job for the same address may have waited for this one.
            self.more_accepted |= self.preparing.is_empty();
            return;
        };
        let (resets, stopping) = (self.resets.clone(), self.stopping.clone());
        if !self.more_ready && self.sending.len() < self.window() && !self.is_paused() {
            self.sending.spawn(send(resets, job, ready, self.in_transit.clone(), stopping));
        } else {
            self.more_ready = true;
            self.preparing.spawn(queue(resets, job, stopping));
        }
    }

    fn sent(&mut self, sent: Result<Sent, JoinError>) {
        match joined(sent) {
            Some(Sent::Tried(interval)) => {
                self.window.record(interval);
                self.sent_since += 1;
                self.busy_pause = BUSY_PAUSE.0;
            }
            // Several mails that were held together count once.
            Some(Sent::Busy) if !self.is_paused() => {
                self.busy_until = Instant::now() + self.busy_pause;
                self.busy_pause = (2 * self.busy_pause).min(BUSY_PAUSE.1);
            }
            Some(Sent::Busy | Sent::Nothing) | None => {}
        }
        if self.sending.is_empty() {
            self.look_again();
        }
    }

    /// Returns a random fraction of [`MAX_JITTER`].
    fn jitter(&self) -> Duration {
        let [chance] = random(&*self.resets.adapters().entropy);
        MAX_JITTER * u32::from(chance) / 256
    }

    /// Waits for the deliveries in progress.
    async fn finish(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(prepared) = self.preparing.join_next().await {
            let Some((job, Some(ready))) = joined(prepared) else { continue };
            let (resets, in_transit) = (self.resets.clone(), self.in_transit.clone());
            self.sending.spawn(send(resets, job, ready, in_transit, self.stopping.clone()));
        }
        while let Some(sent) = self.sending.join_next().await {
            joined(sent);
        }
    }
}

/// Returns the result of a task, unless it panicked.
fn joined<T>(outcome: Result<T, JoinError>) -> Option<T> {
    outcome.inspect_err(|_| error!("delivery panicked; the job will be retried when its lease expires")).ok()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn log_error(error: &StoreError, what: &str) {
    error!(error = error as &dyn Error, "{what}");
}
