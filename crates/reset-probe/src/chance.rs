//! Reproducible randomness: the same seed yields the same request order and the same resampling.

/// `SplitMix64`: small, and good enough for coins and resampling. No secret comes from it.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Returns a random number below `bound`, which must not be zero. The bias is `bound` in 2^64.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let scaled = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(scaled).expect("the result is smaller than the bound")
    }

    /// Returns `each` times `true` and `each` times `false`, in random order.
    pub(crate) fn coins(&mut self, each: usize) -> Vec<bool> {
        let mut coins: Vec<bool> = (0..2 * each).map(|place| place < each).collect();
        for place in (1..coins.len()).rev() {
            coins.swap(place, self.below(place + 1));
        }
        coins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_balanced_shuffled_and_reproducible() {
        let coins = Chance::new(1).coins(1000);
        assert_eq!(coins.iter().filter(|coin| **coin).count(), 1000);
        let changes = coins.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((900..1100).contains(&changes), "{changes}");
        assert_eq!(coins, Chance::new(1).coins(1000));
        assert_ne!(coins, Chance::new(2).coins(1000));
    }

    #[test]
    fn numbers_below_the_bound_are_equally_likely() {
        let (mut chance, mut counts) = (Chance::new(7), [0; 5]);
        for _ in 0..10_000 {
            counts[chance.below(5)] += 1;
        }
        assert!(counts.iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
    }
}
