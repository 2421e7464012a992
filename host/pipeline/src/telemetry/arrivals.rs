//! When messages were produced, until their checkpoint tells how long they took. A task adds each batch;
//! what comes out at the checkpoint are durations with counts. Times are kept in bins of about 4 ms, which
//! widen when they would become too many, so that days of old messages take no more room than a second.

use std::collections::BTreeMap;

use millstream_model::MessageBatch;

/// A bin is 2^12 µs = 4.1 ms wide to begin with.
const SHIFT_MIN: u32 = 12;
/// Bins at most; beyond it, two become one.
const BINS_MAX: usize = 4096;

/// Messages by the time the source gave them.
#[derive(Debug)]
pub struct Arrivals {
    bins: BTreeMap<i64, u64>,
    shift: u32,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { bins: BTreeMap::new(), shift: SHIFT_MIN }
    }
}

impl Arrivals {
    /// Adds the messages of a batch; those without a timestamp are not counted.
    pub fn add(&mut self, batch: &MessageBatch) {
        // Neighbours mostly share a bin: they are counted before the bin is looked up.
        let mut run: Option<(i64, u64)> = None;
        for time in batch.iter().filter_map(|message| message.timestamp_us) {
            run = match run {
                Some((first, count)) if first >> self.shift == time >> self.shift => Some((first, count + 1)),
                earlier => {
                    self.add_run(earlier);
                    Some((time, 1))
                }
            };
        }
        self.add_run(run);
    }

    /// Adds what another task collected.
    pub fn merge(&mut self, other: Self) {
        for (bin, count) in other.bins {
            self.add_run(Some((bin << other.shift, count)));
        }
    }

    /// How long each message took until `now_us`, in milliseconds, and how many took so long. Times
    /// ahead of `now_us` count as 0: the producer's clock is not ours.
    pub fn latencies(&self, now_us: i64) -> impl Iterator<Item = (u64, u64)> {
        let half = 1 << (self.shift - 1);
        self.bins.iter().map(move |(bin, count)| {
            let took_us = now_us.saturating_sub((bin << self.shift) + half);
            (u64::try_from(took_us).unwrap_or(0) / 1000, *count)
        })
    }

    fn add_run(&mut self, run: Option<(i64, u64)>) {
        let Some((time, count)) = run else { return };
        *self.bins.entry(time >> self.shift).or_default() += count;
        while self.bins.len() > BINS_MAX {
            self.shift += 1;
            for (bin, count) in std::mem::take(&mut self.bins) {
                *self.bins.entry(bin >> 1).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_model::{MessageRef, TopicPartition};

    use super::*;

    fn batch(times_us: impl IntoIterator<Item = Option<i64>>) -> MessageBatch {
        let mut batch = MessageBatch::new(TopicPartition::new("t", 0), 0);
        for (offset, timestamp_us) in times_us.into_iter().enumerate() {
            let message =
                MessageRef { offset: offset as i64, timestamp_us, key: None, value: None, headers: &[] };
            batch.push(message).unwrap();
        }
        batch
    }

    #[test]
    fn each_message_with_a_time_is_counted_once_within_a_bin_of_its_latency() {
        let mut arrivals = Arrivals::default();
        arrivals.add(&batch([Some(0), Some(1000), None, Some(1_000_000), Some(500_000), Some(9_000_000)]));
        let latencies: Vec<_> = arrivals.latencies(2_000_000).collect();
        assert_eq!(latencies.iter().map(|(_, count)| count).sum::<u64>(), 5);
        for ((found, _), expected) in latencies.iter().zip([2000u64, 1500, 1000, 0]) {
            assert!(found.abs_diff(expected) <= 5, "{found} is not about {expected}");
        }
    }

    #[test]
    fn days_of_old_messages_take_no_more_room_and_stay_right_in_proportion() {
        let day_us = 24 * 3600 * 1_000_000;
        let step = day_us / 20_000;
        let mut arrivals = Arrivals::default();
        arrivals.add(&batch((0..20_000).map(|i| Some(i * step))));
        let mut all = Arrivals::default();
        all.merge(arrivals);
        assert!(all.bins.len() <= BINS_MAX);
        let latencies: Vec<_> = all.latencies(day_us).collect();
        assert_eq!(latencies.iter().map(|(_, count)| count).sum::<u64>(), 20_000);
        let first = latencies[0].0 as f64 / (day_us as f64 / 1000.0);
        assert!((0.999..=1.0).contains(&first), "{first}");
    }
}
