//! How many mails may be on their way to one recipient's domain, so that a slow one does not hold up all others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a mail waits for its turn. Then it is put off: whoever waits longer holds up mails to others.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The domains that mails are on their way to.
pub(crate) struct Domains {
    most: usize,
    /// Each as long as a mail is on its way there, or waits.
    turns: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Domains {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), turns: Mutex::default() }
    }

    /// A turn for a mail to `domain`, to be kept until it has left; nothing when there was none in time.
    pub(crate) async fn turn(&self, domain: &str) -> Option<OwnedSemaphorePermit> {
        let turns = self.turns_of(domain);
        let turn = timeout(TIMEOUT, turns.acquire_owned()).await.ok()?;
        Some(turn.expect("the semaphore is never closed"))
    }

    fn turns_of(&self, domain: &str) -> Arc<Semaphore> {
        let mut known = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, turns| turns.strong_count() > 0);
        let domain = domain.to_ascii_lowercase();
        if let Some(turns) = known.get(&domain).and_then(Weak::upgrade) {
            return turns;
        }
        let turns = Arc::new(Semaphore::new(self.most));
        known.insert(domain, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_domain_that_is_full_keeps_a_mail_waiting_for_two_seconds_and_no_other_domain() {
        let domains = Domains::new(2);
        let first = domains.turn("slow.example").await;
        let second = domains.turn("SLOW.example").await;
        assert!(first.is_some() && second.is_some());
        let begun = Instant::now();
        assert!(domains.turn("slow.example").await.is_none());
        assert_eq!(begun.elapsed(), TIMEOUT);
        assert!(domains.turn("fast.example").await.is_some());
        assert_eq!(begun.elapsed(), TIMEOUT);
        drop(first);
        assert!(domains.turn("slow.example").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_given_back_goes_to_whoever_waits() {
        let domains = Domains::new(1);
        let held = domains.turn("slow.example").await;
        let (next, ()) = tokio::join!(domains.turn("slow.example"), async {
            tokio::time::sleep(TIMEOUT / 2).await;
            drop(held);
        });
        assert!(next.is_some());
    }

    #[tokio::test]
    async fn domains_that_nothing_goes_to_are_forgotten() {
        let domains = Domains::new(1);
        for number in 0..100 {
            drop(domains.turn(&format!("{number}.example")).await);
        }
        let _held = domains.turn("a.example").await;
        assert_eq!(domains.turns.lock().unwrap().len(), 1);
    }
}
