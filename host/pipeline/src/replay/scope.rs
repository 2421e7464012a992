//! Which messages a replay is of: ranges of a topic's partitions, or single messages in them. Pure: rows of
//! any table come in, and it says which of them are of these messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray as _, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use millstream_model::entry::{DataFile, Epoch, ReplayedRange, Selection};
use millstream_model::{Offset, OffsetRange, TopicPartition, columns};

/// Columns that say which message a row is of.
pub(super) const PLACE: [&str; 3] = [columns::TOPIC, columns::PARTITION, columns::OFFSET];

/// Ranges that one entry names for a partition at most, where single messages are replayed; the last one
/// then holds what lies between the rest.
const RUNS_MAX: usize = 1000;

/// The messages of a replay.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) topic: Arc<str>,
    /// Epoch of the topic.
    pub(super) epoch: Epoch,
    /// By number of the partition; never an empty one.
    pub(super) partitions: BTreeMap<i32, Messages>,
}

/// Messages of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// All of a range.
    Range(OffsetRange),
    /// Single ones.
    Single(BTreeSet<Offset>),
}

impl Messages {
    /// From the first message to behind the last.
    pub(super) fn hull(&self) -> OffsetRange {
        match self {
            Self::Range(range) => *range,
            Self::Single(offsets) => match (offsets.first(), offsets.last()) {
                (Some(first), Some(last)) => OffsetRange::new(*first, last + 1),
                _ => OffsetRange::new(0, 0),
            },
        }
    }

    pub(super) fn contains(&self, offset: Offset) -> bool {
        match self {
            Self::Range(range) => range.contains(offset),
            Self::Single(offsets) => offsets.contains(&offset),
        }
    }

    /// Ranges that hold all of them: neighbours share one.
    fn ranges(&self) -> Vec<OffsetRange> {
        let offsets = match self {
            Self::Range(range) => return vec![*range],
            Self::Single(offsets) => offsets,
        };
        let mut ranges: Vec<OffsetRange> = Vec::new();
        for offset in offsets {
            let is_full = ranges.len() == RUNS_MAX;
            match ranges.last_mut() {
                Some(last) if last.end == *offset || is_full => last.end = offset + 1,
                _ => ranges.push(OffsetRange::new(*offset, offset + 1)),
            }
        }
        ranges
    }
}

impl Scope {
    /// True if there is no message.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub(super) fn partition(&self, number: i32) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), number)
    }

    /// What an entry says of it: `selection`, and the last replay of each partition.
    pub(super) fn replayed(&self, parent: impl Fn(&TopicPartition) -> Option<u64>) -> Vec<ReplayedRange> {
        let of_partition = |(number, messages): (&i32, &Messages)| {
            let partition = self.partition(*number);
            let parent = parent(&partition);
            let replayed =
                move |range| ReplayedRange { partition: partition.clone(), range, epoch: self.epoch, parent };
            messages.ranges().into_iter().map(replayed)
        };
        self.partitions.iter().flat_map(of_partition).collect()
    }

    /// How the messages of its ranges were chosen.
    pub(super) fn selection(&self) -> Selection {
        let is_single = |messages: &Messages| matches!(messages, Messages::Single(_));
        if self.partitions.values().any(is_single) { Selection::DeadLetters } else { Selection::All }
    }

    /// False if no row of `file` is of these messages, as far as the log knows.
    pub(super) fn may_be_in(&self, file: &DataFile) -> bool {
        // Files of format 1 are of the first epoch, and do not say which messages they hold.
        if file.epoch != self.epoch {
            return false;
        }
        let overlaps = |(partition, range): (&TopicPartition, &OffsetRange)| {
            let messages = self.partitions.get(&partition.partition);
            *partition.topic == *self.topic
                && messages.is_some_and(|messages| messages.hull().overlaps(*range))
        };
        file.offsets.is_empty() || file.offsets.iter().any(overlaps)
    }

    /// For each row whether it is of these messages; none if the rows do not say which messages they are of.
    pub(super) fn covers(&self, rows: &RecordBatch) -> Option<BooleanArray> {
        let places = Places::of(rows)?;
        let covers = |row| {
            let messages = self.partitions.get(&places.partitions.value(row));
            places.topics.value(row) == &*self.topic
                && messages.is_some_and(|messages| messages.contains(places.offsets.value(row)))
        };
        Some((0..rows.num_rows()).map(|row| Some(covers(row))).collect())
    }
}

/// Which messages rows are of.
pub(super) struct Places<'a> {
    pub(super) topics: &'a StringArray,
    pub(super) partitions: &'a Int32Array,
    pub(super) offsets: &'a Int64Array,
}

impl<'a> Places<'a> {
    /// None if the rows do not say so: a column is missing or of another type.
    pub(super) fn of(rows: &'a RecordBatch) -> Option<Self> {
        Some(Self {
            topics: rows.column_by_name(columns::TOPIC)?.as_string_opt()?,
            partitions: rows.column_by_name(columns::PARTITION)?.as_primitive_opt::<Int32Type>()?,
            offsets: rows.column_by_name(columns::OFFSET)?.as_primitive_opt::<Int64Type>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &Messages, expect: &[(i64, i64)]) {
        let ranges: Vec<_> = messages.ranges().iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(ranges, expect);
    }

    #[test]
    fn neighbours_share_a_range() {
        check(&Messages::Range(OffsetRange::new(3, 9)), &[(3, 9)]);
        check(&Messages::Single([1, 2, 3, 7, 9, 10].into()), &[(1, 4), (7, 8), (9, 11)]);
        let many = Messages::Single((0..5000).map(|offset| offset * 2).collect());
        assert_eq!(many.ranges().len(), RUNS_MAX);
        assert_eq!(many.ranges().last().map(|range| range.end), Some(9999));
    }

    #[test]
    fn files_of_other_messages_are_left_alone() {
        let messages = Messages::Range(OffsetRange::new(10, 20));
        let scope = Scope { topic: "t".into(), epoch: 1, partitions: [(0, messages)].into() };
        let file = |epoch, offsets: &[(&str, i32, i64, i64)]| {
            let range = |&(topic, partition, start, end): &(&str, i32, i64, i64)| {
                (TopicPartition::new(topic, partition), OffsetRange::new(start, end))
            };
            DataFile {
                table: "curated.t".to_owned(),
                path: String::new(),
                session: millstream_model::entry::SessionId(String::new()),
                origin: None,
                offsets: offsets.iter().map(range).collect(),
                epoch,
                partition_values: BTreeMap::new(),
                rows: 1,
                bytes: 1,
            }
        };
        let check = |epoch, offsets: &[_], expect| {
            assert_eq!(scope.may_be_in(&file(epoch, offsets)), expect, "{epoch} {offsets:?}");
        };
        check(1, &[("t", 0, 19, 30)], true);
        check(1, &[("t", 0, 20, 30)], false);
        check(1, &[("t", 1, 0, 30), ("t", 0, 5, 11)], true);
        check(1, &[("u", 0, 0, 30)], false);
        check(0, &[("t", 0, 10, 20)], false);
        check(1, &[], true);
    }
}
