//! In-memory adapters for tests and demonstrations: one per port, with methods to inspect their state.
//!
//! These are working implementations, not mocks. [`MemoryStore`] passes the same [`contract`](crate::contract) as every
//! database. The clock moves only when a test moves it, and the entropy is deterministic.

mod budgets;
mod comparisons;
mod events;
mod jobs;
mod mailer;
mod queue;
mod store;
mod upkeep;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::{
    mailer::{MailRefusal, MemoryMailer, SentKind, SentMail},
    store::{MemoryStore, Outage},
};
use reset_core::{
    hasher::{HashPool, Scheme},
    keys::HmacKey,
    ports::{Adapters, Clock, Entropy, Hasher},
    time::Timestamp,
};

/// One adapter of each kind, with concrete types so that tests can inspect them.
#[derive(Clone)]
pub struct Memory {
    /// Store of accounts, tickets, jobs and events.
    pub store: Arc<MemoryStore>,
    /// Mailer that keeps every mail.
    pub mailer: Arc<MemoryMailer>,
    /// Clock that the test moves.
    pub clock: Arc<FrozenClock>,
    /// Deterministic source of randomness.
    pub entropy: Arc<SeededEntropy>,
    hasher: Arc<dyn Hasher>,
}

impl Memory {
    /// Returns empty adapters whose entropy is derived from `seed`. The hasher is Argon2id with minimal parameters,
    /// which takes microseconds.
    pub fn new(seed: u64) -> Self {
        let entropy = Arc::new(SeededEntropy::new(seed));
        let scheme = Scheme::Argon2id { m_kib: 64, t: 1, p: 1 };
        let hasher = HashPool::start(scheme, 1, entropy.clone()).expect("valid Argon2 parameters");
        Self {
            store: Arc::default(),
            mailer: Arc::default(),
            clock: Arc::default(),
            entropy,
            hasher: Arc::new(hasher),
        }
    }

    /// Returns the adapters as the use cases take them. To test with another store, use
    /// `Adapters { store, ..memory.adapters() }`.
    pub fn adapters(&self) -> Adapters {
        Adapters {
            store: self.store.clone(),
            mailer: self.mailer.clone(),
            webhook: None,
            hasher: self.hasher.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        }
    }
}

/// A clock that moves only by [`set`](Self::set) and [`advance`](Self::advance).
#[derive(Debug)]
pub struct FrozenClock(AtomicI64);

impl FrozenClock {
    /// Initial time of the default clock: 2026-01-16 14:40:00 UTC.
    pub const START: Timestamp = Timestamp::from_millis(1_768_574_400_000);

    /// Returns a clock that is set to `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_millis()))
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves the clock forwards.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }
}

impl Default for FrozenClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Deterministic entropy: equal seeds give equal streams. Not for production.
pub struct SeededEntropy {
    key: HmacKey,
    blocks: AtomicU64,
}

impl SeededEntropy {
    /// Returns the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { key: HmacKey::shared(&seed.to_be_bytes()), blocks: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&self.key.tag(&[&block.to_be_bytes()])[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reset_core::{
        job::Reference,
        mail::{Mail, MailBody},
        password::Policy,
        ports::{Accounts, Jobs, Mailer, Store, random},
    };

    crate::store_contract!(async { (Arc::new(MemoryStore::default()) as Arc<dyn Store>, ()) });

    #[test]
    fn the_clock_moves_only_when_set_or_advanced() {
        let clock = FrozenClock::default();
        assert_eq!((clock.now(), clock.now()), (FrozenClock::START, FrozenClock::START));
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now().since(FrozenClock::START), Duration::from_secs(60));
    }

    #[test]
    fn equal_seeds_give_equal_streams_without_repetition() {
        let (one, same, other) = (SeededEntropy::new(1), SeededEntropy::new(1), SeededEntropy::new(2));
        let first = random::<40>(&one);
        assert_eq!(first, random::<40>(&same));
        assert_ne!(first, random::<40>(&one));
        assert_ne!(first, random::<40>(&other));
    }

    #[tokio::test]
    async fn an_outage_fails_the_whole_store_or_one_operation() {
        let store = MemoryStore::default();
        store.set_outage(Outage::Only("oldest_waiting"));
        assert!(store.ready().await.is_ok());
        assert!(store.oldest_waiting().await.is_err());
        store.set_outage(Outage::Everything);
        assert!(store.ready().await.is_err());
        assert!(store.account(&reset_core::account::AccountId::new("1")).await.is_err());
        store.set_outage(Outage::None);
        assert!(store.oldest_waiting().await.is_ok());
    }

    #[tokio::test]
    async fn mails_are_kept_in_plain_text_and_ordered_refusals_run_out() {
        let mailer = MemoryMailer::default();
        let mail = || Mail {
            to: "Ann@example.org".to_owned(),
            name: None,
            locale: None,
            dialect: "px0".to_owned(),
            reference: Reference::stored("K7Q2M4ZD8R"),
            at: Timestamp::from_millis(1_796_047_320_000),
            network: None,
            message_id: "m1".to_owned(),
            body: MailBody::ResetCode {
                code: "012345".to_owned().into(),
                lifetime: Duration::from_secs(600),
            },
        };
        mailer.refuse_next(1, MailRefusal::Temporary);
        mailer.refuse_next(1, MailRefusal::Permanent);
        assert!(mailer.check().await.is_err());
        assert!(mailer.send(&mail()).await.is_err());
        assert!(mailer.send(&mail()).await.is_err());
        assert_eq!(mailer.sent(), []);
        assert_eq!(mailer.send(&mail()).await.unwrap(), "250 2.0.0");
        let sent = mailer.take();
        assert_eq!((sent[0].kind, sent[0].secret.as_str()), (SentKind::Code, "012345"));
        assert!(mailer.check().await.is_ok() && mailer.sent().is_empty());
    }

    #[tokio::test]
    async fn passwords_are_hashed_and_verified() {
        let policy = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: 72 };
        let hasher = Memory::new(7).adapters().hasher;
        let stored = hasher.hash(policy.accept("correct horse").unwrap(), None).await.unwrap();
        assert!(hasher.verify(policy.accept("correct horse").unwrap(), &stored).await.unwrap());
    }
}
