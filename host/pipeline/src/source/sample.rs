//! Reads some messages of a topic to look at, as a visitor: no group is joined, nothing is committed, and
//! no id is written. From the beginning; if there are more messages than wanted, half of them are the
//! oldest and half the newest, spread evenly over the partitions.

use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};

use super::{FillLimits, SourceError, SourceSettings, file_sample, kafka_sample};

/// Messages and bytes of one batch of a sample.
pub(super) const BATCH: FillLimits = FillLimits { rows: 1024, bytes: 8 << 20 };

/// How many messages a topic has, as far as positions tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleSize {
    /// Partitions of the topic.
    pub partitions: usize,
    /// Positions that hold, or held, a message.
    pub there: u64,
}

/// Hands at most `limit` messages of `topic` to `visit`, batch by batch.
///
/// # Errors
/// If the source cannot be reached, does not have the topic, or does not answer any more.
pub fn sample(
    settings: &SourceSettings,
    topic: &str,
    limit: u64,
    visit: &mut dyn FnMut(&MessageBatch),
) -> Result<SampleSize, SourceError> {
    match settings {
        SourceSettings::Kafka(settings) => kafka_sample::sample(settings, topic, limit, visit),
        SourceSettings::Files(settings) => file_sample::sample(settings, topic, limit, visit),
    }
}

/// What there is, by partition.
pub(super) type Ends = Vec<(TopicPartition, OffsetRange)>;

/// Size of a topic whose partitions have these ends.
pub(super) fn size(ends: &Ends) -> SampleSize {
    SampleSize { partitions: ends.len(), there: ends.iter().map(|(_, range)| length(*range)).sum() }
}

/// The spans to read: all if that is at most `limit` messages, else the oldest and newest of each partition.
pub(super) fn spans(ends: Ends, limit: u64) -> Ends {
    let mut spans = Vec::new();
    for (partition, range, share) in shares(ends, limit) {
        let (oldest, newest) = (share / 2, share - share / 2);
        let parts = match share == length(range) {
            true => [range, OffsetRange::new(range.end, range.end)],
            false => [
                OffsetRange::new(range.start, range.start + oldest as Offset),
                OffsetRange::new(range.end - newest as Offset, range.end),
            ],
        };
        let filled = parts.into_iter().filter(|part| !part.is_empty());
        spans.extend(filled.map(|part| (partition.clone(), part)));
    }
    spans.sort_by(|a, b| (&a.0, a.1.start).cmp(&(&b.0, b.1.start)));
    spans
}

/// The newest positions of all partitions together, `limit` at most.
pub(super) fn newest(ends: Ends, limit: u64) -> Ends {
    let span = |(partition, range, share): (TopicPartition, OffsetRange, u64)| {
        (partition, OffsetRange::new(range.end - share as Offset, range.end))
    };
    let mut spans: Ends = shares(ends, limit).into_iter().map(span).collect();
    spans.retain(|(_, range)| !range.is_empty());
    spans.sort_by(|a, b| a.0.cmp(&b.0));
    spans
}

/// How many positions of each partition make `limit` together. What a short partition leaves over goes to the
/// longer ones.
fn shares(mut ends: Ends, limit: u64) -> Vec<(TopicPartition, OffsetRange, u64)> {
    ends.sort_by_key(|(_, range)| length(*range));
    let mut left = limit;
    let mut partitions = ends.len() as u64;
    let mut shares = Vec::new();
    for (partition, range) in ends {
        let share = length(range).min(left.div_ceil(partitions));
        (left, partitions) = (left - share, partitions - 1);
        shares.push((partition, range, share));
    }
    shares
}

/// The error of a topic that is not among `known`.
pub(super) fn no_topic(settings: SourceSettings, topic: &str, mut known: Vec<String>) -> SourceError {
    known.sort();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    SourceError::NoTopic { topic: topic.to_owned(), place: settings.to_string(), known }
}

fn length(range: OffsetRange) -> u64 {
    range.end.saturating_sub(range.start).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ends: &[(i64, i64)], limit: u64, expect: &[(i32, i64, i64)]) {
        let ends = ends.iter().enumerate().map(|(number, (start, end))| {
            (TopicPartition::new("t", number as i32), OffsetRange::new(*start, *end))
        });
        let spans = spans(ends.collect(), limit);
        let spans: Vec<_> = spans.iter().map(|(p, range)| (p.partition, range.start, range.end)).collect();
        assert_eq!(spans, expect, "at most {limit}");
    }

    #[test]
    fn the_newest_are_of_all_partitions() {
        let ends = |ends: &[(i64, i64)]| -> Ends {
            let named = |(number, (start, end)): (usize, &(i64, i64))| {
                (TopicPartition::new("t", number as i32), OffsetRange::new(*start, *end))
            };
            ends.iter().enumerate().map(named).collect()
        };
        assert_eq!(newest(ends(&[(0, 1000), (3, 5), (7, 7)]), 10), ends(&[(992, 1000), (3, 5)]));
        assert_eq!(newest(ends(&[(2, 4), (0, 3)]), 100), ends(&[(2, 4), (0, 3)]));
        assert_eq!(newest(ends(&[(0, 4)]), 0), []);
    }

    #[test]
    fn spreads_a_sample_over_partitions_with_the_newest_in_it() {
        check(&[(0, 10), (5, 8)], 100, &[(0, 0, 10), (1, 5, 8)]);
        check(&[(0, 1000)], 10, &[(0, 0, 5), (0, 995, 1000)]);
        check(&[(0, 1000), (0, 2), (7, 7)], 10, &[(0, 0, 4), (0, 996, 1000), (1, 0, 2)]);
        check(&[(0, 1000), (100, 2000)], 3, &[(0, 0, 1), (0, 999, 1000), (1, 1999, 2000)]);
        check(&[(0, 5)], 0, &[]);
        check(&[], 10, &[]);
    }
}
