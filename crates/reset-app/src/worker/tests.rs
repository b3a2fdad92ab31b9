//! The worker against the memory adapters, with paused time.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use reset_core::{
    email::EmailAddress,
    error::MailError,
    event::Network,
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
const ACCOUNTS: [&str; 10] = ["ann", "bob", "c", "d", "e", "f", "g", "h", "i", "j"];

struct Running {
    memory: Memory,
    resets: Resets,
    stop: Arc<Notify>,
    worker: JoinHandle<()>,
}

async fn start() -> Running {
    start_with(Memory::new(1), None).await
}

/// Starts another worker on a store that has its accounts already.
async fn start_again(memory: Memory) -> Running {
    start_on(memory, None, &[]).await
}

async fn start_with(memory: Memory, mailer: Option<Arc<BlockingMailer>>) -> Running {
    start_on(memory, mailer, &ACCOUNTS).await
}

async fn start_on(memory: Memory, mailer: Option<Arc<BlockingMailer>>, accounts: &[&str]) -> Running {
    let mailer = mailer.map_or_else(|| memory.adapters().mailer, |mailer| mailer as Arc<dyn Mailer>);
    start_on_mailer(memory, mailer, accounts).await
}

async fn start_on_mailer(memory: Memory, mailer: Arc<dyn Mailer>, accounts: &[&str]) -> Running {
    let root = HmacKey::shared(&[7; 32]);
    let dialects = reset_dialects::with(&[("px0.enabled", "true")], &root, "https://id.example.org");
    let policies = dialects.unwrap().into_iter().filter_map(|dialect| dialect.policies).collect();
    let keys = Keys::new(&root);
    let mut adapters = memory.adapters();
    adapters.mailer = mailer;
    let resets = Resets::new(adapters, keys, policies, true);
    for name in accounts {
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
        self.request(name, None).await;
    }

    async fn request_from(&self, name: &str, client: &str) {
        self.request(name, Some(Network::of(client.parse().unwrap()))).await;
    }

    async fn request(&self, name: &str, network: Option<Network>) {
        let request = ResetRequest {
            dialect: DIALECT,
            email: Some(address(name).0),
            redirect_to: None,
            locale: None,
            network,
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
async fn delivery_that_could_not_be_recorded_is_recorded_later_and_not_repeated() {
    let running = start().await;
    running.memory.store.set_outage(Outage::Only("finish"));
    running.request_reset("ann").await;
    running.wait_for_mails(1).await;
    // Far longer than a lease: it is renewed meanwhile.
    for _ in 0..60 {
        running.memory.clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
    running.memory.store.set_outage(Outage::None);
    sleep(2 * STORE_BACKOFF).await;
    assert_eq!(running.memory.mailer.sent().len(), 1);
    assert!(running.memory.store.jobs()[0].1.is_some());
}

#[tokio::test(start_paused = true)]
async fn slow_mail_is_sent_once_however_long_the_server_takes() {
    let mailer = Arc::new(BlockingMailer::new(6));
    let running = start_with(Memory::new(3), Some(mailer.clone())).await;
    running.request_reset("ann").await;
    for _ in 0..120 {
        running.memory.clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(mailer.begun.load(Ordering::SeqCst), 1);
    mailer.open.add_permits(1);
    sleep(SOON).await;
    assert!(running.memory.store.jobs()[0].1.is_some());
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_worker_that_died_go_on_within_twenty_seconds() {
    let memory = Memory::new(4);
    let dead = start_with(memory.clone(), Some(Arc::new(BlockingMailer::new(6)))).await;
    dead.request_reset("ann").await;
    sleep(SOON).await;
    dead.worker.abort();
    let running = start_again(memory).await;
    for _ in 0..20 {
        running.memory.clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(running.memory.mailer.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unknown_addresses_take_no_sending_slot_and_delay_nobody() {
    let mailer = Arc::new(BlockingMailer::new(1));
    let running = start_with(Memory::new(5), Some(mailer.clone())).await;
    for number in 0..1000 {
        running.request_reset(&format!("nobody{number}")).await;
    }
    running.request_reset("ann").await;
    sleep(2 * SOON).await;
    assert_eq!(mailer.begun.load(Ordering::SeqCst), 1, "the mail to ann");
    let open = running.memory.store.jobs().iter().filter(|(_, end)| end.is_none()).count();
    assert_eq!(open, 1, "every other job is over although no mail was accepted");
}

#[tokio::test(start_paused = true)]
async fn fresh_request_is_mailed_before_a_backlog_of_another_network() {
    let mailer = Arc::new(BlockingMailer::new(1));
    let running = start_with(Memory::new(6), Some(mailer.clone())).await;
    for name in &ACCOUNTS[..9] {
        running.request_from(name, "2001:db8:1::1").await;
    }
    sleep(2 * SOON).await;
    running.request_from("j", "192.0.2.1").await;
    sleep(2 * SOON).await;
    // Two mails of the first network are held already: one is being sent, and one waits for its slot.
    mailer.open.add_permits(3);
    sleep(2 * SOON).await;
    let sent = mailer.recipients.lock().unwrap().clone();
    assert!(sent[..4].contains(&"j@example.org".to_owned()), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn mail_without_a_free_slot_is_sent_later_and_makes_no_attempt() {
    let running = start().await;
    running.memory.mailer.refuse_next(3, MailRefusal::Busy);
    running.request_reset("ann").await;
    for _ in 0..20 {
        running.memory.clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(running.memory.mailer.sent().len(), 1);
    assert_eq!(running.memory.store.jobs()[0].0.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn mail_whose_domain_is_busy_delays_no_other_mail() {
    let running = start().await;
    running.memory.mailer.refuse_next(6, MailRefusal::Busy);
    for name in ACCOUNTS {
        running.request_reset(name).await;
    }
    // Longer than the delay before the worker starts, shorter than any pause.
    sleep(MAX_JITTER + Duration::from_millis(20)).await;
    assert_eq!(running.memory.mailer.sent().len(), ACCOUNTS.len() - 6);
}

#[tokio::test(start_paused = true)]
async fn backlog_is_not_claimed_over_and_over_while_the_mailer_is_busy() {
    let mailer = Arc::new(BusyMailer::default());
    let running = start_on_mailer(Memory::new(7), mailer.clone(), &ACCOUNTS).await;
    for name in ACCOUNTS {
        running.request_reset(name).await;
    }
    for _ in 0..60 {
        running.memory.clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
    let asked = mailer.asked.load(Ordering::SeqCst);
    assert!((10..400).contains(&asked), "{asked} times in a minute");
}

/// A mailer whose quota is used up.
#[derive(Default)]
struct BusyMailer {
    asked: AtomicUsize,
}

#[async_trait]
impl Mailer for BusyMailer {
    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Err(MailError::Busy { reply: "mail rate".to_owned(), only_domain: false })
    }

    async fn check(&self) -> Result<(), MailError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_one_by_one_are_claimed_together() {
    let running = start().await;
    sleep(Duration::from_millis(300)).await;
    let (begun, before) = (Instant::now(), running.memory.store.accepted_claims());
    for number in 0..500 {
        running.request_reset(&format!("nobody-{number}")).await;
        sleep(Duration::from_millis(1)).await;
    }
    running.request_reset("ann").await;
    running.wait_for_mails(1).await;
    let claims = running.memory.store.accepted_claims() - before;
    let most = begun.elapsed().as_millis() / CLAIM_INTERVAL.as_millis() + 1;
    assert!(claims as u128 <= most, "{claims} claims");
}

#[tokio::test(start_paused = true)]
async fn stopped_worker_finishes_its_deliveries_and_claims_no_more_jobs() {
    let mailer = Arc::new(BlockingMailer::new(2));
    let running = start_with(Memory::new(2), Some(mailer.clone())).await;
    for name in ACCOUNTS {
        running.request_reset(name).await;
    }
    sleep(SOON).await;
    let begun = mailer.begun.load(Ordering::SeqCst);
    assert!((2..ACCOUNTS.len()).contains(&begun), "{begun}");

    running.stop.notify_one();
    sleep(Duration::from_millis(10)).await;
    assert!(!running.worker.is_finished());
    mailer.open.add_permits(ACCOUNTS.len());
    running.worker.await.unwrap();
    let finished = running.memory.store.jobs().iter().filter(|(_, end)| end.is_some()).count();
    assert_eq!((finished, mailer.begun.load(Ordering::SeqCst)), (begun, begun));
}

/// A mailer that blocks until the test releases it.
struct BlockingMailer {
    slots: usize,
    begun: AtomicUsize,
    open: Semaphore,
    recipients: Mutex<Vec<String>>,
}

impl BlockingMailer {
    fn new(slots: usize) -> Self {
        Self { slots, begun: AtomicUsize::new(0), open: Semaphore::new(0), recipients: Mutex::default() }
    }
}

#[async_trait]
impl Mailer for BlockingMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.recipients.lock().unwrap().push(mail.to.clone());
        self.open.acquire().await.unwrap().forget();
        Ok("250 2.0.0".to_owned())
    }

    fn slots(&self) -> usize {
        self.slots
    }

    async fn check(&self) -> Result<(), MailError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn tickets_are_deleted_24_hours_after_they_expire() {
    let running = start().await;
    running.request_reset("ann").await;
    running.wait_for_mails(1).await;
    let store = &running.memory.store;
    let ends = store.tickets()[0].expires_at.plus(Duration::from_secs(24 * 60 * 60));
    for (late, left) in [(0, 1), (1, 0)] {
        running.memory.clock.set(ends.plus(Duration::from_millis(late)));
        let cleaning = housekeeping::clean_up(running.resets.clone(), Duration::from_secs(90 * 86_400));
        assert!(tokio::time::timeout(Duration::from_secs(1), cleaning).await.is_err(), "it runs forever");
        assert_eq!(store.tickets().len(), left, "{late} ms late");
    }
    running.worker.abort();
}
