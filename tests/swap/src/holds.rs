//! How long swaps held tasks, as the workers measured it: the histogram of their metrics, added up over all runs
//! of all workers.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

const BUCKET: &str = "millstream_swap_hold_seconds_bucket{le=\"";
const LONGEST: &str = "millstream_swap_hold_seconds_max ";

/// Counts by upper bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// How many held not longer than so many nanoseconds; the last bound is none.
    buckets: BTreeMap<u64, u64>,
    /// The longest, in nanoseconds.
    longest: u64,
}

impl Holds {
    /// Reads them out of the metrics of one process.
    pub(crate) fn of(metrics: &str) -> Self {
        let mut holds = Self::default();
        for line in metrics.lines() {
            if let Some((bound, count)) = line.strip_prefix(BUCKET).and_then(|rest| rest.split_once("\"} ")) {
                let bound = bound.parse().map_or(u64::MAX, nanos);
                holds.buckets.insert(bound, count.parse().unwrap_or_default());
            } else if let Some(longest) = line.strip_prefix(LONGEST) {
                holds.longest = longest.parse().map_or(0, nanos);
            }
        }
        holds
    }

    /// Adds those of another process.
    pub(crate) fn add(&mut self, more: &Self) {
        for (bound, count) in &more.buckets {
            *self.buckets.entry(*bound).or_default() += count;
        }
        self.longest = self.longest.max(more.longest);
    }

    /// Holds counted.
    pub fn count(&self) -> u64 {
        self.buckets.get(&u64::MAX).copied().unwrap_or_default()
    }

    /// The bound that `share` of the holds were not longer than, in nanoseconds; not more than the longest.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let bound = self.buckets.iter().find(|(_, count)| **count >= wanted);
        bound.map_or(0, |(bound, _)| *bound).min(self.longest)
    }
}

fn nanos(seconds: f64) -> u64 {
    if seconds.is_finite() { (seconds * 1e9).round() as u64 } else { u64::MAX }
}

impl Display for Holds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        write!(
            f,
            "hold p50 up to {:.0} µs, p99 up to {:.0} µs, max {:.0} µs of {}",
            micros(self.quantile(0.5)),
            micros(self.quantile(0.99)),
            micros(self.longest),
            self.count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_added_up() {
        let text = |counts: [u64; 3], longest| {
            format!(
                "millstream_swap_hold_seconds_bucket{{le=\"0.00001\"}} {}\n\
                 millstream_swap_hold_seconds_bucket{{le=\"0.001\"}} {}\n\
                 millstream_swap_hold_seconds_bucket{{le=\"+Inf\"}} {}\n\
                 millstream_swap_hold_seconds_count 7\nmillstream_swap_hold_seconds_max {longest}\n",
                counts[0], counts[1], counts[2]
            )
        };
        let mut holds = Holds::of(&text([60, 99, 99], "0.0008"));
        holds.add(&Holds::of(&text([0, 0, 1], "0.0123")));
        assert_eq!(holds.count(), 100);
        assert_eq!(holds.quantile(0.5), 10_000);
        assert_eq!(holds.quantile(0.99), 1_000_000);
        assert_eq!(holds.to_string(), "hold p50 up to 10 µs, p99 up to 1000 µs, max 12300 µs of 100");
        assert_eq!(Holds::of("").quantile(0.99), 0);
    }
}
