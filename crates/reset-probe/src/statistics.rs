//! Tests whether two classes of times are equivalent within a threshold. Failing to find a difference is not equivalence
//! (see `docs/enumeration.md`).
//!
//! The tests compare medians and 90th percentiles. The 95 % confidence intervals of their differences come from a
//! bootstrap over blocks of consecutive requests, because times of neighbouring requests are correlated. Each block
//! contains both classes, so a slowdown that affects both cancels out.

use rand::RngExt;
use serde::Serialize;

use super::Random;

/// Minimum number of samples per class: ten beyond the 90th percentile.
pub(crate) const SAMPLES_MIN: usize = 100;
/// Resamples per interval.
const RESAMPLES: usize = 1000;
/// Number of standard errors that count as a difference: the alarm threshold of dudect. The dozens of comparisons of a run
/// do not reach it by chance.
const ALARM: f64 = 4.5;
/// Standard errors beyond the alarm threshold that give a power of 80 %. A difference of exactly the threshold would be
/// missed half the time.
const POWER: f64 = 0.84;
/// Quantiles that are compared.
const QUANTILES: [f64; 2] = [0.5, 0.9];

/// Whether the address is known, and the time in microseconds. Samples are in the order of measurement.
pub(crate) type Sample = (bool, f64);

/// Result of one comparison, or of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Equivalent within the threshold.
    Equivalent,
    /// Different, as the dialect's contract requires.
    Declared,
    /// Neither equivalence nor a difference was shown.
    Inconclusive,
    /// Different: an attacker can tell known from unknown addresses.
    Different,
}

/// Comparison of two classes of times.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// Number of samples for known addresses.
    pub(crate) known: usize,
    /// Number of samples for unknown addresses.
    pub(crate) unknown: usize,
    /// The median, then the 90th percentile; empty if there are too few samples.
    pub(crate) quantiles: Vec<Quantile>,
    /// Whether the comparison reports a difference once the planted delay is added to the known samples.
    pub(crate) planted_found: bool,
    pub(crate) verdict: Verdict,
}

/// One quantile of both classes, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Quantile {
    /// The quantile, between 0 and 1.
    #[serde(rename = "quantile")]
    pub(crate) share: f64,
    pub(crate) known_us: f64,
    pub(crate) unknown_us: f64,
    /// Known minus unknown.
    pub(crate) difference_us: f64,
    /// Bounds of the 95 % confidence interval of the difference.
    pub(crate) low_us: f64,
    pub(crate) high_us: f64,
    /// Minimum detectable effect with a power of 80 %.
    pub(crate) smallest_us: f64,
    pub(crate) verdict: Verdict,
}

/// Compares the classes; `threshold` and `planted` are in microseconds.
pub(crate) fn compare(samples: &[Sample], threshold: f64, planted: f64, random: &mut Random) -> Comparison {
    let quantiles = quantiles(samples, threshold, random);
    let later: Vec<Sample> =
        samples.iter().map(|(known, time)| (*known, if *known { time + planted } else { *time })).collect();
    let planted_found = verdict(&self::quantiles(&later, threshold, random)) == Verdict::Different;
    let known = samples.iter().filter(|(known, _)| *known).count();
    let verdict = match verdict(&quantiles) {
        Verdict::Equivalent if !planted_found => Verdict::Inconclusive,
        verdict => verdict,
    };
    Comparison { known, unknown: samples.len() - known, quantiles, planted_found, verdict }
}

/// Returns the worst verdict; inconclusive if nothing was measured.
fn verdict(quantiles: &[Quantile]) -> Verdict {
    quantiles.iter().map(|quantile| quantile.verdict).max().unwrap_or(Verdict::Inconclusive)
}

fn quantiles(samples: &[Sample], threshold: f64, random: &mut Random) -> Vec<Quantile> {
    let known = samples.iter().filter(|(known, _)| *known).count();
    if known < SAMPLES_MIN || samples.len() - known < SAMPLES_MIN {
        return Vec::new();
    }
    let sorted = Sorted::new(samples);
    let found = sorted.quantiles(&vec![1; sorted.blocks]).expect("both classes have samples");
    let mut resampled = [const { Vec::new() }; QUANTILES.len()];
    while resampled[0].len() < RESAMPLES {
        let mut weights = vec![0; sorted.blocks];
        for _ in 0..sorted.blocks {
            weights[random.random_range(0..sorted.blocks)] += 1;
        }
        // Skip a resample that lacks one of the classes.
        let Some(drawn) = sorted.quantiles(&weights) else { continue };
        for (differences, (known, unknown)) in resampled.iter_mut().zip(drawn) {
            differences.push(known - unknown);
        }
    }
    let judged = QUANTILES.iter().zip(found).zip(resampled);
    judged
        .map(|((quantile, (known, unknown)), differences)| {
            Quantile::judge(*quantile, known, unknown, differences, threshold)
        })
        .collect()
}

impl Quantile {
    fn judge(share: f64, known: f64, unknown: f64, mut resampled: Vec<f64>, threshold: f64) -> Self {
        resampled.sort_by(f64::total_cmp);
        let difference = known - unknown;
        let (low, high) = (resampled[RESAMPLES / 40], resampled[RESAMPLES - 1 - RESAMPLES / 40]);
        let count = precise(RESAMPLES);
        let mean = resampled.iter().sum::<f64>() / count;
        let spread = resampled.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = spread.sqrt();
        let verdict = if -threshold <= low && high <= threshold {
            Verdict::Equivalent
        } else if difference.abs() > ALARM * error {
            Verdict::Different
        } else {
            Verdict::Inconclusive
        };
        Self {
            share,
            known_us: known,
            unknown_us: unknown,
            difference_us: difference,
            low_us: low,
            high_us: high,
            smallest_us: (ALARM + POWER) * error,
            verdict,
        }
    }
}

/// The sorted times of each class, each with its block. A resample then needs one pass instead of a sort.
struct Sorted {
    classes: [Vec<(f64, usize)>; 2],
    blocks: usize,
}

impl Sorted {
    fn new(samples: &[Sample]) -> Self {
        // Rule of thumb, the cube root: blocks longer than the correlation, and enough of them.
        let length = (1..samples.len()).find(|length| length.pow(3) >= samples.len()).unwrap_or(1);
        let mut classes = [Vec::new(), Vec::new()];
        for (place, (known, time)) in samples.iter().enumerate() {
            classes[usize::from(*known)].push((*time, place / length));
        }
        for times in &mut classes {
            times.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        Self { classes, blocks: samples.len().div_ceil(length) }
    }

    /// Returns each quantile for known and unknown addresses, with every block counted `weights` times.
    fn quantiles(&self, weights: &[usize]) -> Option<[(f64, f64); QUANTILES.len()]> {
        let [unknown, known] = &self.classes;
        let (known, unknown) = (weighted(known, weights)?, weighted(unknown, weights)?);
        Some(std::array::from_fn(|place| (known[place], unknown[place])))
    }
}

fn weighted(times: &[(f64, usize)], weights: &[usize]) -> Option<[f64; QUANTILES.len()]> {
    let total: usize = times.iter().map(|(_, block)| weights[*block]).sum();
    let mut found = [None; QUANTILES.len()];
    let mut passed = 0;
    for (time, block) in times {
        passed += weights[*block];
        for (found, quantile) in found.iter_mut().zip(QUANTILES) {
            if found.is_none() && passed > 0 && precise(passed) >= quantile * precise(total) {
                *found = Some(*time);
            }
        }
    }
    let [median, ninth] = found;
    Some([median?, ninth?])
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn precise(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::survey::coins;

    const THRESHOLD: f64 = 100.0;
    const PLANTED: f64 = 1000.0;

    /// Generates skewed times around 300 µs with slow phases that affect both classes, like those of a server; `shift` is
    /// added to the known ones.
    fn times(pairs: usize, seed: u64, shift: impl Fn(&mut Random) -> f64) -> Vec<Sample> {
        let mut random = Random::seed_from_u64(seed);
        let coins = coins(pairs, &mut random);
        let unit = |random: &mut Random| (precise(random.random_range(0..1_000_000)) + 1.0) / 1_000_000.0;
        let coins = coins.into_iter().enumerate();
        coins
            .map(|(place, known)| {
                let slow_phase = if place / 200 % 4 == 3 { 150.0 } else { 0.0 };
                let time = 300.0 + slow_phase - 50.0 * unit(&mut random).ln();
                let shift = shift(&mut random);
                (known, if known { time + shift } else { time })
            })
            .collect()
    }

    fn judge(samples: &[Sample]) -> Comparison {
        compare(samples, THRESHOLD, PLANTED, &mut Random::seed_from_u64(99))
    }

    #[test]
    fn same_distribution_is_equivalent_and_intervals_cover_zero() {
        let mut covered = 0;
        for seed in 0..20 {
            let found = judge(&times(600, seed, |_| 0.0));
            assert_eq!(found.verdict, Verdict::Equivalent, "{found:?}");
            assert!(found.planted_found && found.quantiles.iter().all(|one| one.smallest_us < THRESHOLD));
            covered += found.quantiles.iter().filter(|one| one.low_us <= 0.0 && 0.0 <= one.high_us).count();
        }
        // Of 40 intervals at 95 %, 38 contain zero on average, and fewer than 33 in one of a thousand runs.
        assert!(covered >= 33, "{covered}");
    }

    #[test]
    fn shift_beyond_the_threshold_is_different_and_one_within_it_is_measured() {
        for (shift, verdict) in [(200.0, Verdict::Different), (30.0, Verdict::Equivalent)] {
            let found = judge(&times(1000, 5, |_| shift));
            assert_eq!(found.verdict, verdict, "{found:?}");
            let median = &found.quantiles[0];
            assert!((median.difference_us - shift).abs() < 10.0, "{median:?}");
            assert!(median.low_us > 0.0 && median.low_us < shift && shift < median.high_us, "{median:?}");
        }
        let sooner = judge(&times(1000, 5, |_| -200.0));
        assert_eq!(sooner.verdict, Verdict::Different);
    }

    #[test]
    fn rare_delay_is_found_at_the_90th_percentile() {
        let found = judge(&times(1000, 6, |random| if random.random_range(0..5) == 0 { 800.0 } else { 0.0 }));
        assert_eq!(found.quantiles[0].verdict, Verdict::Equivalent, "{found:?}");
        assert_eq!((found.quantiles[1].verdict, found.verdict), (Verdict::Different, Verdict::Different));
    }

    #[test]
    fn too_few_samples_are_inconclusive() {
        for pairs in [0, 1, SAMPLES_MIN - 1] {
            let found = judge(&times(pairs, 8, |_| 0.0));
            assert_eq!((found.verdict, found.planted_found), (Verdict::Inconclusive, false));
        }
        let one_sided: Vec<Sample> =
            times(1000, 8, |_| 0.0).into_iter().filter(|(known, _)| *known).collect();
        assert_eq!(judge(&one_sided).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn noise_that_would_hide_a_difference_is_inconclusive() {
        let mut random = Random::seed_from_u64(10);
        let wild = times(200, 9, |_| 0.0).into_iter().map(|(known, time)| {
            let stalls =
                if random.random_range(0..4) == 0 { precise(random.random_range(0..40_000)) } else { 0.0 };
            (known, time + stalls)
        });
        let found = judge(&wild.collect::<Vec<Sample>>());
        assert_eq!(found.verdict, Verdict::Inconclusive, "{found:?}");
        assert!(found.quantiles[1].smallest_us > THRESHOLD);
    }

    #[test]
    fn comparison_is_reproducible() {
        let samples = times(300, 3, |_| 0.0);
        assert_eq!(format!("{:?}", judge(&samples)), format!("{:?}", judge(&samples)));
    }
}
