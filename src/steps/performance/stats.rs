//! The statistics of a comparison: medians, a bootstrap interval over paired log ratios, and the verdict they allow. Pure.
//!
//! 1. Each block gives one number, the natural logarithm of (time after / time before), both of the block's least disturbed sample.
//! 2. The ratio is the exponential of the median of these numbers; its interval is the percentile bootstrap of that median
//!    (Efron 1979), resampling blocks, never samples: samples of one connection are not independent.
//! 3. Several queries are compared at once, so each interval is taken at `1 - 0.05 / queries` (Bonferroni), and at least so many
//!    blocks are needed that their own extremes would cover the median at that level: `2^(1-n) ≤ 0.05 / queries`.
//! 4. Random numbers come from SplitMix64 (Steele, Lea, Flood 2014), seeded from the data: the same blocks give the same interval.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Resamples of one bootstrap.
pub const RESAMPLES: usize = 2_000;

/// A small deterministic generator; for ordering and resampling, not for secrets.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The generator that starts here.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 if `bound` is 0), by multiplication; the bias at our sizes is below 2^-50.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Puts the items in a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A seed that depends on the numbers alone.
pub fn seed_of(values: &[f64]) -> u64 {
    let mut hasher = Sha256::new();
    for value in values {
        hasher.update(value.to_bits().to_be_bytes());
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// The middle value, or the mean of the two middle ones. `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    median_in_place(&mut sorted)
}

fn median_in_place(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) })
}

/// The `n`-th root of the product. `None` of nothing.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    (!ratios.is_empty()).then(|| (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp())
}

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
    /// What seeded the bootstrap.
    pub seed: u64,
}

impl Interval {
    /// The largest ratio in either direction that the interval holds: what two equal copies may differ by, since which of them is
    /// called A is arbitrary.
    pub fn spread(&self) -> f64 {
        self.high.max(1.0 / self.low)
    }

    /// Whether the interval holds 1: no difference shown.
    pub fn contains_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} [{:.2}, {:.2}]", self.ratio, self.low, self.high)
    }
}

/// The interval of the median of log ratios at level `1 - alpha`. `None` without blocks.
pub fn interval(logs: &[f64], alpha: f64) -> Option<Interval> {
    let middle = median(logs)?;
    let seed = seed_of(logs);
    let mut random = SplitMix64::new(seed);
    let mut resample = vec![0.0; logs.len()];
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for slot in &mut resample {
            *slot = logs[random.below(logs.len())];
        }
        medians.push(median_in_place(&mut resample)?);
    }
    medians.sort_unstable_by(f64::total_cmp);
    // The outer of the two neighbouring order statistics, so that rounding never narrows the interval.
    let tail = alpha / 2.0 * (RESAMPLES - 1) as f64;
    let low = medians[tail.floor() as usize];
    let high = medians[(RESAMPLES - 1) - tail.floor() as usize];
    Some(Interval { ratio: middle.exp(), low: low.exp(), high: high.exp(), seed })
}

/// The level at which one of several queries is judged, so that all together err at most 5 times in 100.
pub fn alpha(queries: usize) -> f64 {
    0.05 / queries.max(1) as f64
}

/// Fewest blocks whose extremes cover the median at this level: `2^(1-n) ≤ alpha`, and never fewer than 6.
pub fn fewest_blocks(alpha: f64) -> usize {
    ((1.0 - alpha.log2()).ceil() as usize).max(6)
}

/// What a query came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Improved,
    SameWork,
    WithinLimit,
    Regressed,
    Inconclusive,
}

impl Verdict {
    /// The word used in evidence and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Improved => "improved",
            Self::SameWork => "same-work",
            Self::WithinLimit => "within-limit",
            Self::Regressed => "regressed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Judges a query by its interval, the interval of the A/A control, whether both sides did the same work, and the limit as a
/// ratio (1.10 for +10 %).
///
/// A regression is looked for first: neither an equal plan nor noise excuses a lower bound above the limit.
pub fn judge(measured: &Interval, control: &Interval, same_work: bool, limit: f64) -> Verdict {
    if measured.low > limit && measured.low > control.spread() {
        Verdict::Regressed
    } else if measured.high < 1.0 && measured.high < 1.0 / control.spread() {
        Verdict::Improved
    } else if measured.high < limit {
        Verdict::WithinLimit
    } else if same_work {
        Verdict::SameWork
    } else {
        Verdict::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ratio: f64, low: f64, high: f64) -> Interval {
        Interval { ratio, low, high, seed: 0 }
    }

    #[test]
    fn splitmix_gives_the_published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn medians_and_means_of_known_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[0.5, 2.0, 8.0]).unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn fewest_blocks_cover_at_their_level() {
        assert_eq!(fewest_blocks(alpha(1)), 6);
        assert_eq!(fewest_blocks(alpha(5)), 8);
        assert_eq!(fewest_blocks(alpha(20)), 10);
        for queries in 1..200 {
            let level = alpha(queries);
            assert!(2f64.powi(1 - fewest_blocks(level) as i32) <= level);
        }
    }

    #[test]
    fn equal_blocks_have_an_interval_without_width() {
        let found = interval(&[2f64.ln(); 8], 0.05).unwrap();
        for value in [found.ratio, found.low, found.high] {
            assert!((value - 2.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_interval_covers_the_true_median_about_as_often_as_it_says() {
        // Blocks drawn from a skewed distribution with median 0; one query, so 95 %.
        let mut random = SplitMix64::new(7);
        let mut covered = 0;
        let rounds = 400;
        for _ in 0..rounds {
            let logs: Vec<f64> = (0..15)
                .map(|_| {
                    let u = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                    if u < 0.5 { -(0.5 - u) * 0.1 } else { -(1.0 - 2.0 * (u - 0.5)).max(1e-12).ln() * 0.2 }
                })
                .collect();
            covered += usize::from(interval(&logs, 0.05).unwrap().contains_one());
        }
        let share = covered as f64 / rounds as f64;
        assert!((0.91..=1.0).contains(&share), "covered {share}");
    }

    #[test]
    fn a_regression_counts_before_any_excuse() {
        let quiet = at(1.0, 0.97, 1.03);
        assert_eq!(judge(&at(5.0, 4.5, 5.5), &quiet, true, 1.1), Verdict::Regressed);
        assert_eq!(judge(&at(3.0, 1.2, 9.0), &quiet, false, 1.1), Verdict::Regressed);
        // Below what two equal copies differ by.
        assert_eq!(judge(&at(1.3, 1.15, 1.5), &at(1.1, 0.9, 1.4), false, 1.1), Verdict::Inconclusive);
        assert_eq!(judge(&at(1.3, 1.15, 1.5), &at(0.9, 0.7, 1.0), false, 1.1), Verdict::Inconclusive, "either copy could be called A");
        assert_eq!(judge(&at(0.5, 0.4, 0.6), &quiet, false, 1.1), Verdict::Improved);
        assert_eq!(judge(&at(0.9, 0.8, 0.95), &at(1.1, 0.9, 1.4), false, 1.1), Verdict::WithinLimit, "no more than equal copies differ");
        assert_eq!(judge(&at(1.0, 0.96, 1.05), &quiet, false, 1.1), Verdict::WithinLimit);
        assert_eq!(judge(&at(1.05, 0.9, 1.3), &quiet, true, 1.1), Verdict::SameWork);
        assert_eq!(judge(&at(1.05, 0.9, 1.3), &quiet, false, 1.1), Verdict::Inconclusive);
        assert_eq!(judge(&at(1.1, 1.0, 1.1), &quiet, false, 1.1), Verdict::Inconclusive, "the limit itself is not below the limit");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn an_interval_holds_its_ratio_and_stays_within_the_blocks(logs in prop::collection::vec(-3.0f64..3.0, 1..40), queries in 1usize..20) {
            let found = interval(&logs, alpha(queries)).unwrap();
            let least = logs.iter().copied().fold(f64::INFINITY, f64::min).exp();
            let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).exp();
            prop_assert!(found.low <= found.ratio && found.ratio <= found.high);
            prop_assert!(found.low >= least * (1.0 - 1e-12) && found.high <= most * (1.0 + 1e-12));
            prop_assert_eq!(found, interval(&logs, alpha(queries)).unwrap());
        }

        #[test]
        fn more_queries_never_narrow_the_interval(logs in prop::collection::vec(-1.0f64..1.0, 6..30)) {
            let (one, many) = (interval(&logs, alpha(1)).unwrap(), interval(&logs, alpha(10)).unwrap());
            prop_assert!(many.low <= one.low && one.high <= many.high);
        }

        #[test]
        fn swapping_before_and_after_mirrors_the_median(logs in prop::collection::vec(-2.0f64..2.0, 1..30)) {
            let mirrored: Vec<f64> = logs.iter().map(|log| -log).collect();
            let product = interval(&logs, 0.05).unwrap().ratio * interval(&mirrored, 0.05).unwrap().ratio;
            prop_assert!((product - 1.0).abs() < 1e-9);
        }

        #[test]
        fn a_shuffle_keeps_the_items(seed in any::<u64>(), length in 0usize..50) {
            let mut items: Vec<usize> = (0..length).collect();
            SplitMix64::new(seed).shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..length).collect::<Vec<_>>());
        }
    }
}
