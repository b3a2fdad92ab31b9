//! The worker: works jobs off behind the answers.
//!
//! It wakes when a job was accepted in this process, when a delivery is finished (the next job for the
//! same address may have waited for it), when a postponed job becomes due, and every [`POLL`] whatever
//! happens. So a mail leaves within [`LINGER`] of its answer, and a lost wake-up costs a second.
//!
//! It does not start at once when a job was accepted, but at a random moment soon after: what it does shares the
//! machine with the next request, and a stranger who knew when to look would need fewer looks to tell what it does (R14).

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

/// Deliveries at once: enough to hide a mail server's latency, few enough for its connection limits.
const SLOTS: usize = 8;
/// Longest time for one delivery: well below its lease, so that nobody else begins what is still under way.
const DELIVERY_MOST: Duration = Duration::from_secs(90);
/// Longest time between two looks at the queue.
const POLL: Duration = Duration::from_secs(1);
/// Longest time between a job's acceptance and its turn, if nothing else is done: half of it on average. Nobody
/// notices it in a mail, and what the job costs is spread over dozens of requests of whoever looks.
const LINGER: Duration = Duration::from_millis(50);
/// Wait after the store failed, whoever calls meanwhile.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often a job is tried to be put back when its delivery could not be recorded.
const PUT_BACK_TRIES: u32 = 5;
/// Time between two clean-ups.
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Time between two looks at events that are not sealed yet: how long one of them can be changed unseen.
const SEAL_EVERY: Duration = Duration::from_secs(2);
/// How long what ended is remembered (R3: rows go at their end plus 24 hours).
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Works jobs off until `stop`, then finishes the deliveries under way.
pub(crate) async fn run(resets: Resets, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let (mut under_way, mut alone) = (JoinSet::new(), false);
    'turns: loop {
        let nap = match fill(&resets, &mut under_way, &mut alone).await {
            Ok(nap) => nap,
            Err(error) => {
                failed(&error, "jobs could not be claimed");
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(STORE_PAUSE) => continue,
                }
            }
        };
        let mut next = Instant::now() + nap;
        // Whoever is accepted while one lingers is served with it.
        let mut lingers = false;
        loop {
            tokio::select! {
                () = &mut stop => break 'turns,
                Some(done) = under_way.join_next() => {
                    finished(done);
                    break;
                }
                () = resets.job_queued(), if !lingers => {
                    lingers = true;
                    next = next.min(Instant::now() + linger(&resets));
                }
                () = sleep_until(next) => break,
            }
        }
    }
    while let Some(done) = under_way.join_next().await {
        finished(done);
    }
}

/// A random part of [`LINGER`].
fn linger(resets: &Resets) -> Duration {
    let [chance] = random(&*resets.adapters().entropy);
    LINGER * u32::from(chance) / 256
}

/// Forgets what ended long ago, now and then. Beside the worker, so that no mail waits for it.
pub(crate) async fn clean_up(resets: Resets, retention: Duration) {
    let mut told = Mark::START;
    loop {
        let now = resets.adapters().clock.now();
        if let Err(error) = resets.adapters().store.purge(now.minus(REMEMBERED)).await {
            failed(&error, "nothing could be purged");
        }
        if let Err(error) = resets.forget_events(now.minus(retention)).await {
            failed(&error, "no event could be forgotten");
        }
        // Logs go elsewhere: what stands there, nobody who has the database changes.
        let head = resets.last_mark();
        if head != told {
            info!(audit.head = %head, "events are sealed");
            told = head;
        }
        sleep(PURGE_EVERY).await;
    }
}

/// Seals events a moment after they were written down. Beside the worker, so that no mail waits for it.
pub(crate) async fn seal(resets: Resets) {
    loop {
        sleep(SEAL_EVERY).await;
        if let Err(error) = resets.seal_events().await {
            failed(&error, "events could not be sealed");
        }
    }
}

/// Gives every free slot a due job, and says how long to sleep if nothing happens.
async fn fill(
    resets: &Resets,
    under_way: &mut JoinSet<Result<(), StoreError>>,
    alone: &mut bool,
) -> Result<Duration, StoreError> {
    if *alone && !under_way.is_empty() {
        return Ok(POLL);
    }
    let free = SLOTS - under_way.len();
    if free == 0 {
        return Ok(POLL);
    }
    let asked = resets.adapters().clock.now();
    let claimed = resets.claim(u32::try_from(free).unwrap_or(u32::MAX)).await?;
    // Beside one that may kill us, nothing else is begun.
    *alone = claimed.iter().any(|job| job.lost > SUSPECT_CRASHES);
    let full = claimed.len() == free || *alone;
    for job in claimed {
        let resets = resets.clone();
        under_way.spawn(deliver(resets, job));
    }
    if full {
        return Ok(POLL);
    }
    // What was due and not to be had is waiting for another job: somebody will wake us.
    let due = resets.adapters().store.next_due().await?.filter(|due| *due > asked);
    Ok(due.map_or(POLL, |due| due.since(resets.adapters().clock.now()).min(POLL)))
}

/// Delivers within [`DELIVERY_MOST`], and puts the job back if that could not be recorded.
async fn deliver(resets: Resets, job: Job) -> Result<(), StoreError> {
    let delivery = timeout(DELIVERY_MOST, resets.deliver(&job));
    let done = delivery.await.unwrap_or_else(|_| Err(StoreError::new("the delivery took too long")));
    if done.is_err() {
        // A store that is locked or full is so for a moment as a rule.
        for _ in 0..PUT_BACK_TRIES {
            sleep(STORE_PAUSE).await;
            if resets.put_back(&job).await.is_ok() {
                break;
            }
        }
    }
    done
}

fn finished(done: Result<Result<(), StoreError>, JoinError>) {
    match done {
        Ok(Ok(())) => {}
        // The job was put back, or is due again when its lease ends.
        Ok(Err(error)) => failed(&error, "a delivery could not be recorded"),
        Err(_) => error!("a delivery panicked"),
    }
}

fn failed(error: &StoreError, what: &str) {
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
        keys::{Key, Keys},
        mail::Mail,
        password::Policy,
        ports::{Accounts as _, Mailer},
        request::{Disclosure, ResetRequest},
    };
    use reset_testkit::memory::{MailRefusal, Memory, Outage};
    use tokio::{
        sync::{Notify, Semaphore},
        task::JoinHandle,
    };

    use super::*;

    const DIALECT: &str = "px0";
    /// When what was accepted has its mail, at the latest.
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
        let policy = Policy { min: 8, four_classes: true, refuse_common: false, max_bytes: 1024 };
        let settings = reset_dialects::px0::Px0Settings {
            disclose_unknown: false,
            code_ttl: Duration::from_secs(900),
            codes: reset_dialects::px0::Codes::SixDigits { max_live: None },
            policy,
        };
        let policies = reset_dialects::px0::dialect(settings).policies.into_iter().collect();
        let keys = Keys::new(&Key::shared(&[7; 32]));
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
        async fn ask(&self, name: &str) {
            let ask = ResetRequest {
                dialect: DIALECT,
                email: Some(address(name).0),
                redirect_to: None,
                locale: None,
                network: None,
                reference: self.resets.reference(),
                disclosure: Disclosure::Never,
            };
            self.resets.request(ask).await.unwrap();
        }

        /// Time is paused: what is waited for takes as long as the timers say, and no longer.
        async fn mails(&self, count: usize) -> Duration {
            let begun = tokio::time::Instant::now();
            while self.memory.mailer.sent().len() < count {
                sleep(Duration::from_micros(100)).await;
                assert!(begun.elapsed() < Duration::from_secs(60), "no mail");
            }
            begun.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_accepted_job_is_mailed_soon_and_at_no_moment_that_could_be_foreseen() {
        let running = start().await;
        sleep(Duration::from_millis(300)).await;
        let mut waits = Vec::new();
        for (count, name) in (1..).zip(ACCOUNTS) {
            running.ask(name).await;
            waits.push(running.mails(count).await);
        }
        assert!(waits.iter().all(|wait| *wait < SOON), "{waits:?}");
        let (first, last) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*last > *first + LINGER / 4, "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_another_lingers_waits_no_longer_for_it() {
        let running = start().await;
        for name in ACCOUNTS {
            running.ask(name).await;
            sleep(Duration::from_millis(1)).await;
        }
        assert!(running.mails(ACCOUNTS.len()).await < SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn two_asks_of_one_address_are_served_in_order_without_waiting_for_a_poll() {
        let running = start().await;
        running.ask("ann").await;
        running.ask("ann").await;
        assert!(running.mails(2).await < SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_postponed_job_is_tried_again_when_it_is_due() {
        let running = start().await;
        running.memory.mailer.refuse_next(1, MailRefusal::Temporary);
        running.ask("ann").await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(running.memory.mailer.sent().len(), 0);
        running.memory.clock.advance(Duration::from_secs(2));
        assert!(running.mails(1).await <= POLL + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_comes_back_is_met_within_a_pause() {
        let running = start().await;
        running.memory.store.set_outage(Outage::Only("claim"));
        running.ask("ann").await;
        sleep(Duration::from_millis(100)).await;
        running.memory.store.set_outage(Outage::None);
        assert!(running.mails(1).await <= STORE_PAUSE + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_that_could_not_be_recorded_does_not_wait_for_its_lease() {
        let running = start().await;
        running.memory.store.set_outage(Outage::Only("finish"));
        running.ask("ann").await;
        running.mails(1).await;
        running.memory.store.set_outage(Outage::None);
        running.memory.clock.advance(Duration::from_secs(3));
        sleep(2 * STORE_PAUSE).await;
        running.memory.clock.advance(Duration::from_secs(3));
        sleep(2 * POLL).await;
        let mails = running.memory.mailer.sent();
        assert_eq!((mails.len(), &mails[0].secret), (2, &mails[1].secret));
        assert!(running.memory.store.jobs()[0].1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_worker_finishes_what_it_holds_and_claims_no_more() {
        let memory = Memory::new(2);
        let gate = Arc::new(BlockingMailer { begun: AtomicUsize::new(0), open: Semaphore::new(0) });
        let running = start_with(memory, Some(gate.clone())).await;
        for name in ACCOUNTS {
            running.ask(name).await;
        }
        sleep(SOON).await;
        assert_eq!(gate.begun.load(Ordering::SeqCst), SLOTS);

        running.stop.notify_one();
        sleep(Duration::from_millis(10)).await;
        assert!(!running.worker.is_finished());
        gate.open.add_permits(ACCOUNTS.len());
        running.worker.await.unwrap();
        let finished = running.memory.store.jobs().iter().filter(|(_, end)| end.is_some()).count();
        assert_eq!((finished, gate.begun.load(Ordering::SeqCst)), (SLOTS, SLOTS));
    }

    /// A mail server that takes its time: mails pass when somebody opens.
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
