//! Where the letters of a file are that was merged away: in live files of its day that hold messages of its
//! offsets. A file's messages are its own, so its rows are those of its partition and offsets, and merging
//! keeps their order.

use std::collections::BTreeMap;

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use millstream_log::LogState;
use millstream_model::columns;
use millstream_model::entry::DataFile;

/// Live files that may hold rows of `file`, which is not live; in the order of their messages.
pub(super) fn successors(log: &LogState, file: &DataFile) -> Vec<DataFile> {
    let live = log.files().get(&file.table).into_iter().flat_map(BTreeMap::values);
    let mut found: Vec<_> = live.filter(|live| may_hold(live, file)).cloned().collect();
    found.sort_by_key(|live| live.offsets.first_key_value().map(|(at, range)| (at.clone(), range.start)));
    found
}

fn may_hold(live: &DataFile, file: &DataFile) -> bool {
    let overlaps = file.offsets.iter().any(|(partition, range)| {
        live.offsets.get(partition).is_some_and(|of_live| of_live.overlaps(*range))
    });
    overlaps && live.epoch == file.epoch && live.partition_values == file.partition_values
}

/// The rows of `rows` that are of messages of `file`.
pub(super) fn rows_of(file: &DataFile, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let missing = |name| ArrowError::SchemaError(format!("there is no column `{name}`"));
    let column = |name| rows.column_by_name(name).ok_or_else(|| missing(name));
    let partitions = column(columns::PARTITION)?.as_primitive::<Int32Type>().values();
    let offsets = column(columns::OFFSET)?.as_primitive::<Int64Type>().values();
    let is_of_file = |(partition, offset): (&i32, &i64)| {
        let mut ranges = file.offsets.iter();
        ranges.any(|(at, range)| at.partition == *partition && range.contains(*offset))
    };
    let wanted: BooleanArray = partitions.iter().zip(offsets).map(|row| Some(is_of_file(row))).collect();
    filter_record_batch(rows, &wanted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array};
    use millstream_model::entry::SessionId;
    use millstream_model::{OffsetRange, TopicPartition};

    use super::*;

    fn file(offsets: &[(i32, i64, i64)]) -> DataFile {
        let range = |(partition, start, end): &(i32, i64, i64)| {
            (TopicPartition::new("t", *partition), OffsetRange::new(*start, *end))
        };
        DataFile {
            table: "dead_letters".to_owned(),
            path: "dead_letters/day=2026-01-01/s-0.parquet".to_owned(),
            session: SessionId("s".to_owned()),
            origin: None,
            offsets: offsets.iter().map(range).collect(),
            epoch: 0,
            partition_values: [("day".to_owned(), Some("2026-01-01".to_owned()))].into(),
            rows: 1,
            bytes: 1,
        }
    }

    #[test]
    fn a_successor_is_of_the_same_day_epoch_and_messages() {
        let replaced = file(&[(1, 10, 20)]);
        let check = |live: DataFile, expect: bool| assert_eq!(may_hold(&live, &replaced), expect, "{live:?}");
        check(file(&[(0, 0, 9), (1, 19, 30)]), true);
        check(file(&[(0, 10, 20), (1, 20, 30)]), false);
        check(file(&[]), false);
        check(DataFile { epoch: 1, ..replaced.clone() }, false);
        let no_day = [("day".to_owned(), None)].into();
        check(DataFile { partition_values: no_day, ..replaced.clone() }, false);
    }

    #[test]
    fn only_rows_of_the_files_messages_are_its_own() {
        let columns: [(&str, arrow::array::ArrayRef); 2] = [
            (columns::PARTITION, Arc::new(Int32Array::from(vec![0, 1, 1, 1, 1, 2]))),
            (columns::OFFSET, Arc::new(Int64Array::from(vec![15, 9, 10, 19, 20, 15]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let own = rows_of(&file(&[(1, 10, 20)]), &rows).unwrap();
        assert_eq!(own, rows.slice(2, 2));
        let error = rows_of(&file(&[(1, 10, 20)]), &rows.project(&[0]).unwrap()).unwrap_err();
        assert!(error.to_string().contains("`_offset`"), "{error}");
    }
}
