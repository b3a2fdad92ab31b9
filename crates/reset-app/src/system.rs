//! The clock and the randomness of the operating system. No other code in the workspace uses them directly.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::{TryRng, rngs::SysRng};
use reset_core::{
    ports::{Clock, Entropy},
    time::Timestamp,
};

/// The clock of the operating system.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the Clock port's adapter")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The randomness of the operating system.
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// Panics if the operating system provides no randomness: a guessable secret would be worse than none.
    fn fill(&self, out: &mut [u8]) {
        SysRng.try_fill_bytes(out).expect("the operating system provides randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every secret is derived from a job's id, which is drawn here (R1).
    #[test]
    fn randomness_of_the_operating_system_differs_each_time() {
        let mut drawn = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let mut bytes = [0; 16];
            OsEntropy.fill(&mut bytes);
            assert!(bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 4, "{bytes:?}");
            assert!(drawn.insert(bytes));
        }
    }
}
