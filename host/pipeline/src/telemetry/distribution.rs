//! How durations are spread: recorded in milliseconds, read as quantiles and as cumulative counts. Fixed
//! memory (about 26 KB), two significant digits.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest duration that is told apart from longer ones: 30 days.
const MILLIS_MAX: u64 = 30 * 24 * 3600 * 1000;
const SIGNIFICANT_DIGITS: u8 = 2;

/// Durations that were recorded.
#[derive(Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    sum_ms: u64,
}

/// Quantiles of a [`Distribution`], in milliseconds; all 0 if nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Durations recorded.
    pub count: u64,
    /// Half of them are not longer.
    pub p50_ms: u64,
    /// 99 of 100 are not longer.
    pub p99_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, MILLIS_MAX, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that the crate accepts");
        Self { histogram, sum_ms: 0 }
    }
}

impl Distribution {
    /// Records `count` durations of `millis` each.
    pub fn record(&mut self, millis: u64, count: u64) {
        self.histogram.saturating_record_n(millis, count);
        self.sum_ms = self.sum_ms.saturating_add(millis.saturating_mul(count));
    }

    /// Adds what `other` recorded.
    pub fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all have the same bounds");
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// Quantiles of what was recorded.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.histogram.len(),
            p50_ms: self.histogram.value_at_quantile(0.5),
            p99_ms: self.histogram.value_at_quantile(0.99),
            max_ms: self.histogram.max(),
        }
    }

    /// Durations recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Sum of all durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ms as f64 / 1000.0
    }

    /// How many durations are at most as long as each of `bounds_ms`.
    pub fn cumulative(&self, bounds_ms: &[u64]) -> Vec<u64> {
        bounds_ms.iter().map(|bound| self.histogram.count_between(0, *bound)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_cumulative_counts_agree_with_what_was_recorded() {
        let mut distribution = Distribution::default();
        assert_eq!(distribution.quantiles(), Quantiles::default());
        distribution.record(10, 98);
        distribution.record(1000, 2);
        distribution.record(u64::MAX, 0);
        let quantiles = distribution.quantiles();
        assert_eq!((quantiles.count, quantiles.p50_ms), (100, 10));
        assert!((990..=1010).contains(&quantiles.p99_ms), "{quantiles:?}");
        assert_eq!(distribution.cumulative(&[5, 50, 2000]), [0, 98, 100]);
        assert_eq!(distribution.sum_seconds(), 2.98);
        let mut both = Distribution::default();
        both.record(10, 1);
        both.add(&distribution);
        assert_eq!(both.count(), 101);
    }
}
