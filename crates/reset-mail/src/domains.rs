//! Limits the concurrent mails per recipient domain, and those of all slow domains together, so that slow domains do not
//! hold up the others.
//!
//! A mail to a domain that answers at the usual speed waits for its turn. A mail to a slow domain does not wait: it would
//! only take the worker's place from a mail to another domain.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// Time for one mail from which its domain counts as slow.
const SLOW: Duration = Duration::from_secs(5);

/// How long a domain counts as slow after its last slow mail.
const MEMORY: Duration = Duration::from_secs(600);

/// How long a mail waits for others to the same domain: longer than all that the worker holds take at the usual speed.
const WAIT: Duration = Duration::from_millis(250);

/// The domains with mails in progress, and the slow ones.
pub(crate) struct Domains {
    /// Most mails to one domain.
    max: usize,
    /// Most mails to all slow domains together.
    max_slow: usize,
    known: Mutex<HashMap<String, Domain>>,
}

/// What is known of one domain.
struct Domain {
    /// The places for its mails, in the order in which they came.
    places: Arc<Semaphore>,
    /// The start of each mail in progress.
    begun: Vec<Instant>,
    /// When a slow mail last ended.
    slow_at: Option<Instant>,
}

impl Domain {
    fn new(max: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(max)), begun: Vec::new(), slow_at: None }
    }

    fn is_slow(&self) -> bool {
        self.slow_at.is_some_and(|at| at.elapsed() < MEMORY)
            || self.begun.iter().any(|begun| begun.elapsed() >= SLOW)
    }

    /// Whether a mail is in progress or waits.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.places) > 1
    }
}

/// The right to send one mail to a domain, until this is dropped.
pub(crate) struct Permit {
    domains: Arc<Domains>,
    domain: String,
    begun: Instant,
    _place: OwnedSemaphorePermit,
}

impl Domains {
    /// Allows `max` mails to one domain, and mails to slow domains on half of `connections`. Both are at least 1.
    pub(crate) fn new(max: usize, connections: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), max_slow: (connections / 2).max(1), known: Mutex::default() })
    }

    /// Returns a permit to send to `domain`, or `None` if its limit is still reached after [`WAIT`], at once if it is
    /// slow.
    pub(crate) async fn acquire(self: &Arc<Self>, domain: &str) -> Option<Permit> {
        let domain = domain.to_ascii_lowercase();
        let (places, slow) = {
            let mut known = self.known();
            known.retain(|_, domain| domain.is_in_use() || domain.is_slow());
            let entry = known.entry(domain.clone()).or_insert_with(|| Domain::new(self.max));
            (entry.places.clone(), entry.is_slow())
        };
        let place = if slow {
            places.try_acquire_owned().ok()?
        } else {
            timeout(WAIT, places.acquire_owned()).await.ok()?.ok()?
        };
        let mut known = self.known();
        let slow: usize =
            known.values().filter(|domain| domain.is_slow()).map(|domain| domain.begun.len()).sum();
        // It may have become slow while the mail waited.
        let entry = known.get_mut(&domain).filter(|entry| !entry.is_slow() || slow < self.max_slow)?;
        let begun = Instant::now();
        entry.begun.push(begun);
        drop(known);
        Some(Permit { domains: self.clone(), domain, begun, _place: place })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Domain>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut known = self.domains.known();
        let Some(domain) = known.get_mut(&self.domain) else { return };
        if let Some(place) = domain.begun.iter().position(|begun| *begun == self.begun) {
            domain.begun.swap_remove(place);
        }
        if self.begun.elapsed() >= SLOW {
            domain.slow_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    async fn several(domains: &Arc<Domains>, domain: &str, count: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        for _ in 0..count {
            permits.extend(domains.acquire(domain).await);
        }
        permits
    }

    #[tokio::test(start_paused = true)]
    async fn mails_to_one_fast_domain_wait_for_each_other_instead_of_being_postponed() {
        let domains = Domains::new(4, 6);
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let domains = domains.clone();
            sending.spawn(async move {
                let permit = domains.acquire("example.com").await;
                sleep(Duration::from_millis(8)).await;
                permit.is_some()
            });
        }
        assert!(sending.join_all().await.into_iter().all(|sent| sent));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_domain_does_not_make_its_mails_wait() {
        let domains = Domains::new(1, 6);
        let _stuck = domains.acquire("slow.example").await;
        advance(SLOW).await;
        let begun = Instant::now();
        assert!(domains.acquire("slow.example").await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn full_domain_postpones_its_own_mail_and_no_other_domain() {
        let domains = Domains::new(2, 6);
        let first = domains.acquire("slow.example").await;
        let second = domains.acquire("SLOW.example").await;
        assert!(first.is_some() && second.is_some());
        assert!(domains.acquire("slow.example").await.is_none());
        assert!(domains.acquire("fast.example").await.is_some());
        drop(first);
        assert!(domains.acquire("slow.example").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_domains_together_get_half_of_the_connections() {
        let domains = Domains::new(4, 6);
        let mut permits = several(&domains, "a.example", 2).await;
        advance(SLOW).await;
        permits.extend(domains.acquire("b.example").await);
        advance(SLOW).await;
        assert_eq!(permits.len(), 3);
        for domain in ["a.example", "b.example"] {
            assert!(domains.acquire(domain).await.is_none(), "{domain}");
        }
        let fast = several(&domains, "c.example", 4).await;
        assert_eq!(fast.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn domain_counts_as_slow_for_ten_minutes() {
        let domains = Domains::new(4, 2);
        let slow = domains.acquire("slow.example").await;
        advance(SLOW).await;
        drop(slow);
        let permit = domains.acquire("slow.example").await;
        assert!(permit.is_some() && domains.acquire("slow.example").await.is_none());
        drop(permit);
        advance(MEMORY).await;
        let permits = several(&domains, "slow.example", 4).await;
        assert_eq!(permits.len(), 4);
    }

    #[tokio::test]
    async fn domains_without_mail_are_forgotten() {
        let domains = Domains::new(1, 6);
        for number in 0..100 {
            drop(domains.acquire(&format!("{number}.example")).await);
        }
        let _permit = domains.acquire("a.example").await;
        assert_eq!(domains.known().len(), 1);
    }
}
