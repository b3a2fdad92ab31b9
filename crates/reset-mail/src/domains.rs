//! Limits the concurrent mails per recipient domain, and those of all slow domains together, so that slow domains do not
//! hold up the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Time for one mail from which its domain counts as slow.
const SLOW: Duration = Duration::from_secs(5);

/// How long a domain counts as slow after its last slow mail.
const MEMORY: Duration = Duration::from_secs(600);

/// The domains with mails in progress, and the slow ones.
pub(crate) struct Domains {
    /// Most mails to one domain.
    max: usize,
    /// Most mails to all slow domains together.
    max_slow: usize,
    known: Mutex<HashMap<String, Domain>>,
}

/// What is known of one domain.
#[derive(Default)]
struct Domain {
    /// The start of each mail in progress.
    begun: Vec<Instant>,
    /// When a slow mail last ended.
    slow_at: Option<Instant>,
}

impl Domain {
    fn is_slow(&self) -> bool {
        self.slow_at.is_some_and(|at| at.elapsed() < MEMORY)
            || self.begun.iter().any(|begun| begun.elapsed() >= SLOW)
    }
}

/// The right to send one mail to a domain, until this is dropped.
pub(crate) struct Permit {
    domains: Arc<Domains>,
    domain: String,
    begun: Instant,
}

impl Domains {
    /// Allows `max` mails to one domain, and mails to slow domains on half of `connections`. Both are at least 1.
    pub(crate) fn new(max: usize, connections: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), max_slow: (connections / 2).max(1), known: Mutex::default() })
    }

    /// Returns a permit to send to `domain`, or `None` at once if a limit is reached.
    pub(crate) fn acquire(self: &Arc<Self>, domain: &str) -> Option<Permit> {
        let domain = domain.to_ascii_lowercase();
        let mut known = self.known();
        known.retain(|_, domain| !domain.begun.is_empty() || domain.is_slow());
        let slow: usize =
            known.values().filter(|domain| domain.is_slow()).map(|domain| domain.begun.len()).sum();
        let entry = known.entry(domain.clone()).or_default();
        if entry.begun.len() >= self.max || (entry.is_slow() && slow >= self.max_slow) {
            return None;
        }
        let begun = Instant::now();
        entry.begun.push(begun);
        drop(known);
        Some(Permit { domains: self.clone(), domain, begun })
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
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn full_domain_postpones_its_own_mail_at_once_and_no_other_domain() {
        let domains = Domains::new(2, 6);
        let first = domains.acquire("slow.example");
        let second = domains.acquire("SLOW.example");
        assert!(first.is_some() && second.is_some());
        assert!(domains.acquire("slow.example").is_none());
        assert!(domains.acquire("fast.example").is_some());
        drop(first);
        assert!(domains.acquire("slow.example").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_domains_together_get_half_of_the_connections() {
        let domains = Domains::new(4, 6);
        let mut permits: Vec<_> = (0..2).filter_map(|_| domains.acquire("a.example")).collect();
        advance(SLOW).await;
        permits.extend(domains.acquire("b.example"));
        advance(SLOW).await;
        assert_eq!(permits.len(), 3);
        for domain in ["a.example", "b.example"] {
            assert!(domains.acquire(domain).is_none(), "{domain}");
        }
        let fast: Vec<_> = (0..4).filter_map(|_| domains.acquire("c.example")).collect();
        assert_eq!(fast.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn domain_counts_as_slow_for_ten_minutes() {
        let domains = Domains::new(4, 2);
        let slow = domains.acquire("slow.example");
        advance(SLOW).await;
        drop(slow);
        let permit = domains.acquire("slow.example");
        assert!(permit.is_some() && domains.acquire("slow.example").is_none());
        drop(permit);
        advance(MEMORY).await;
        let permits: Vec<_> = (0..4).filter_map(|_| domains.acquire("slow.example")).collect();
        assert_eq!(permits.len(), 4);
    }

    #[tokio::test]
    async fn domains_without_mail_are_forgotten() {
        let domains = Domains::new(1, 6);
        for number in 0..100 {
            drop(domains.acquire(&format!("{number}.example")));
        }
        let _permit = domains.acquire("a.example");
        assert_eq!(domains.known().len(), 1);
    }
}
