//! Limits the concurrent mails per recipient domain, so that a slow domain does not hold up all others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a mail waits for a permit. After that it is postponed, because a longer wait would hold up mails to other
/// domains.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The domains with mails in progress.
pub(crate) struct Domains {
    max: usize,
    /// An entry lives while a mail to its domain is being sent or waits.
    permits: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Domains {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), permits: Mutex::default() }
    }

    /// Waits for a permit to send to `domain`; hold it until the mail is sent. Returns `None` after the timeout.
    pub(crate) async fn acquire(&self, domain: &str) -> Option<OwnedSemaphorePermit> {
        let permits = self.permits_of(domain);
        let permit = timeout(TIMEOUT, permits.acquire_owned()).await.ok()?;
        Some(permit.expect("the semaphore is never closed"))
    }

    fn permits_of(&self, domain: &str) -> Arc<Semaphore> {
        let mut known = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, permits| permits.strong_count() > 0);
        let domain = domain.to_ascii_lowercase();
        if let Some(permits) = known.get(&domain).and_then(Weak::upgrade) {
            return permits;
        }
        let permits = Arc::new(Semaphore::new(self.max));
        known.insert(domain, Arc::downgrade(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn full_domain_delays_its_own_mail_for_two_seconds_and_no_other_domain() {
        let domains = Domains::new(2);
        let first = domains.acquire("slow.example").await;
        let second = domains.acquire("SLOW.example").await;
        assert!(first.is_some() && second.is_some());
        let begun = Instant::now();
        assert!(domains.acquire("slow.example").await.is_none());
        assert_eq!(begun.elapsed(), TIMEOUT);
        assert!(domains.acquire("fast.example").await.is_some());
        assert_eq!(begun.elapsed(), TIMEOUT);
        drop(first);
        assert!(domains.acquire("slow.example").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn released_permit_goes_to_a_waiting_mail() {
        let domains = Domains::new(1);
        let permit = domains.acquire("slow.example").await;
        let (next, ()) = tokio::join!(domains.acquire("slow.example"), async {
            tokio::time::sleep(TIMEOUT / 2).await;
            drop(permit);
        });
        assert!(next.is_some());
    }

    #[tokio::test]
    async fn domains_without_mail_are_forgotten() {
        let domains = Domains::new(1);
        for number in 0..100 {
            drop(domains.acquire(&format!("{number}.example")).await);
        }
        let _permit = domains.acquire("a.example").await;
        assert_eq!(domains.permits.lock().unwrap().len(), 1);
    }
}
