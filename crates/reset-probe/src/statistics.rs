//! Whether two classes of times are the same, within a threshold: by equivalence, never by failing to find a
//! difference (D3).
//!
//! Compared are medians and 90th percentiles. Their differences get 95 % intervals by a bootstrap over blocks of
//! requests that followed one another, since neighbours in time resemble each other. Both classes are in each block,
//! so that what slowed both down at once cancels out.

use serde::Serialize;

use super::chance::Chance;

/// Fewest times of one class that are judged: ten beyond the 90th percentile.
pub(crate) const LEAST: usize = 100;
/// Resamples for one interval.
const RESAMPLES: usize = 1000;
/// So many standard errors are a difference: dudect's bound for an alarm. Dozens of comparisons a run do not reach it
/// by chance.
const ALARM: f64 = 4.5;
/// The part of a standard error that is needed beyond the alarm, lest a difference of the alarm's size is missed half
/// the time: four in five are seen.
const POWER: f64 = 0.84;
/// What is compared, of the sorted times.
const QUANTILES: [f64; 2] = [0.5, 0.9];

/// One time in microseconds, and whether the known class has it. In the order of measuring.
pub(crate) type Sample = (bool, f64);

/// What a comparison, or all of them, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The same, as far as was asked for.
    Equivalent,
    /// Another, as the dialect's own contract says.
    Declared,
    /// Neither could be shown.
    Inconclusive,
    /// A stranger can tell.
    Different,
}

/// Two classes of times side by side.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// Times of the known class.
    pub(crate) known: usize,
    /// Times of the other.
    pub(crate) unknown: usize,
    /// The median, then the 90th percentile; none when there are too few times.
    pub(crate) quantiles: Vec<Quantile>,
    /// Whether the same times, the known ones made longer by the planted delay, were found to differ.
    pub(crate) planted_found: bool,
    pub(crate) verdict: Verdict,
}

/// One quantile of both classes, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Quantile {
    /// Which, between 0 and 1.
    #[serde(rename = "quantile")]
    pub(crate) share: f64,
    pub(crate) known_us: f64,
    pub(crate) unknown_us: f64,
    /// Known less unknown.
    pub(crate) difference_us: f64,
    /// Ends of the difference's 95 % interval.
    pub(crate) low_us: f64,
    pub(crate) high_us: f64,
    /// The smallest difference that four in five such runs would have found.
    pub(crate) smallest_us: f64,
    pub(crate) verdict: Verdict,
}

/// Compares the classes; `threshold` and `planted` are in microseconds.
pub(crate) fn compare(samples: &[Sample], threshold: f64, planted: f64, chance: &mut Chance) -> Comparison {
    let quantiles = quantiles(samples, threshold, chance);
    let later: Vec<Sample> =
        samples.iter().map(|(known, time)| (*known, if *known { time + planted } else { *time })).collect();
    let planted_found = verdict(&self::quantiles(&later, threshold, chance)) == Verdict::Different;
    let known = samples.iter().filter(|(known, _)| *known).count();
    let verdict = match verdict(&quantiles) {
        Verdict::Equivalent if !planted_found => Verdict::Inconclusive,
        verdict => verdict,
    };
    Comparison { known, unknown: samples.len() - known, quantiles, planted_found, verdict }
}

/// The worst; nothing measured shows nothing.
fn verdict(quantiles: &[Quantile]) -> Verdict {
    quantiles.iter().map(|quantile| quantile.verdict).max().unwrap_or(Verdict::Inconclusive)
}

fn quantiles(samples: &[Sample], threshold: f64, chance: &mut Chance) -> Vec<Quantile> {
    let known = samples.iter().filter(|(known, _)| *known).count();
    if known < LEAST || samples.len() - known < LEAST {
        return Vec::new();
    }
    let sorted = Sorted::new(samples);
    let found = sorted.quantiles(&vec![1; sorted.blocks]).expect("both classes have times");
    let mut resampled = [const { Vec::new() }; QUANTILES.len()];
    while resampled[0].len() < RESAMPLES {
        let mut weights = vec![0; sorted.blocks];
        for _ in 0..sorted.blocks {
            weights[chance.below(sorted.blocks)] += 1;
        }
        // A resample without one of the classes says nothing.
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

/// The times of each class in order, each with its block: resampling is then a walk, not a sort.
struct Sorted {
    classes: [Vec<(f64, usize)>; 2],
    blocks: usize,
}

impl Sorted {
    fn new(samples: &[Sample]) -> Self {
        // The cube root, by rule of thumb: blocks longer than what resembles itself, and enough of them.
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

    /// Each quantile, known and unknown, with every block counted so often.
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
    use super::*;

    const THRESHOLD: f64 = 100.0;
    const PLANTED: f64 = 1000.0;

    /// Skewed times around 300 µs with slow spells that both classes meet, as a server's are; `shift` is added to the
    /// known class's.
    fn times(pairs: usize, seed: u64, shift: impl Fn(&mut Chance) -> f64) -> Vec<Sample> {
        let mut chance = Chance::new(seed);
        let coins = chance.coins(pairs);
        let unit = |chance: &mut Chance| (precise(chance.below(1_000_000)) + 1.0) / 1_000_000.0;
        let coins = coins.into_iter().enumerate();
        coins
            .map(|(place, known)| {
                let spell = if place / 200 % 4 == 3 { 150.0 } else { 0.0 };
                let time = 300.0 + spell - 50.0 * unit(&mut chance).ln();
                let shift = shift(&mut chance);
                (known, if known { time + shift } else { time })
            })
            .collect()
    }

    fn judge(samples: &[Sample]) -> Comparison {
        compare(samples, THRESHOLD, PLANTED, &mut Chance::new(99))
    }

    #[test]
    fn the_same_distribution_is_equivalent_and_zero_lies_within_nearly_every_interval() {
        let mut covered = 0;
        for seed in 0..20 {
            let found = judge(&times(600, seed, |_| 0.0));
            assert_eq!(found.verdict, Verdict::Equivalent, "{found:?}");
            assert!(found.planted_found && found.quantiles.iter().all(|one| one.smallest_us < THRESHOLD));
            covered += found.quantiles.iter().filter(|one| one.low_us <= 0.0 && 0.0 <= one.high_us).count();
        }
        // Of 40 intervals at 95 %: 38 on average, and fewer than 33 once in a thousand times.
        assert!(covered >= 33, "{covered}");
    }

    #[test]
    fn a_shift_beyond_the_threshold_is_a_difference_and_one_within_it_is_measured() {
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
    fn a_rare_delay_that_leaves_the_median_alone_is_found_at_the_90th_percentile() {
        let found = judge(&times(1000, 6, |chance| if chance.below(5) == 0 { 800.0 } else { 0.0 }));
        assert_eq!(found.quantiles[0].verdict, Verdict::Equivalent, "{found:?}");
        assert_eq!((found.quantiles[1].verdict, found.verdict), (Verdict::Different, Verdict::Different));
    }

    #[test]
    fn too_few_times_show_nothing() {
        for pairs in [0, 1, LEAST - 1] {
            let found = judge(&times(pairs, 8, |_| 0.0));
            assert_eq!((found.verdict, found.planted_found), (Verdict::Inconclusive, false));
        }
        let one_sided: Vec<Sample> =
            times(1000, 8, |_| 0.0).into_iter().filter(|(known, _)| *known).collect();
        assert_eq!(judge(&one_sided).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn noise_that_would_hide_a_difference_is_no_pass() {
        let mut chance = Chance::new(10);
        let wild = times(200, 9, |_| 0.0).into_iter().map(|(known, time)| {
            let stalls = if chance.below(4) == 0 { precise(chance.below(40_000)) } else { 0.0 };
            (known, time + stalls)
        });
        let found = judge(&wild.collect::<Vec<Sample>>());
        assert_eq!(found.verdict, Verdict::Inconclusive, "{found:?}");
        assert!(found.quantiles[1].smallest_us > THRESHOLD);
    }

    #[test]
    fn a_comparison_is_repeatable() {
        let samples = times(300, 3, |_| 0.0);
        assert_eq!(format!("{:?}", judge(&samples)), format!("{:?}", judge(&samples)));
    }
}
