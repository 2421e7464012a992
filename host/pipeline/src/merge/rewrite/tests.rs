use std::collections::BTreeMap;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use millstream_model::columns::{self, EVENT_TIME, OFFSET, PARTITION};
use millstream_model::entry::SessionId;
use millstream_model::{OffsetRange, TopicPartition};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::*;
use crate::sink::{TableSpec, TableWriter};

const TABLE: &str = "curated.vehicle";

struct Lake {
    runtime: Runtime,
    store: Arc<dyn ObjectStore>,
    names: FileNames,
    stop: watch::Sender<bool>,
    rewriter: Rewriter,
}

impl Lake {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (stop, stopped) = watch::channel(false);
        let names = FileNames::new(SessionId("merger".to_owned()));
        let pace = Pace::new(1.0, Handle::clone(runtime.handle()), stopped);
        let rewriter = Rewriter::new(store.clone(), Arc::default(), names, pace);
        Self { runtime, store, names: FileNames::new(SessionId("s1".to_owned())), stop, rewriter }
    }

    /// A file of `partition`, written as tasks write theirs.
    fn file(&self, partition: i32, rows: &RecordBatch) -> DataFile {
        let spec =
            TableSpec { name: TABLE.to_owned(), schema: rows.schema(), event_time: EVENT_TIME.to_owned() };
        let origin = TopicPartition::new("t", partition);
        let mut writer = TableWriter::new(Arc::new(spec), Arc::default(), origin, 3, self.names.clone());
        writer.write(rows).unwrap();
        let finished = writer.finish().unwrap().remove(0);
        self.runtime.block_on(upload(&self.store, &finished)).unwrap();
        finished.file
    }

    fn read(&self, file: &DataFile) -> (RecordBatch, ParquetRecordBatchReaderBuilder<Bytes>) {
        let builder = || self.runtime.block_on(read::builder(&self.store, file)).unwrap();
        let batches: Vec<_> = builder().build().unwrap().map(Result::unwrap).collect();
        (concat_batches(builder().schema(), &batches).unwrap(), builder())
    }
}

/// Rows of every type, with nulls, on one day.
fn rows(partition: i32, first: i64, count: usize) -> RecordBatch {
    let every = |n: usize, third: usize| (n % 3 != third).then_some(n);
    let optional = |third: usize| (0..count).map(move |n| every(n, third));
    let nan = |n: usize| f64::from_bits(0x7ff8_0000_0000_0000 + n as u64);
    let floats = optional(0).map(|n| n.map(|n| vec![Some(n as f64), None, Some(nan(n))]));
    let texts = optional(2).map(|n| n.map(|n| format!("Straße {}", n % 5)));
    let decimals: Decimal128Array = optional(1).map(|n| n.map(|n| i128::MAX / 8 - n as i128)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (PARTITION, Arc::new(Int32Array::from(vec![partition; count]))),
        (OFFSET, Arc::new(Int64Array::from_iter_values(first..first + count as i64))),
        (
            EVENT_TIME,
            Arc::new(TimestampMicrosecondArray::from_iter_values(0..count as i64).with_timezone("UTC")),
        ),
        ("boolean", Arc::new(optional(0).map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>())),
        ("int32", Arc::new(optional(1).map(|n| n.map(|n| i32::MIN + n as i32)).collect::<Int32Array>())),
        ("float32", Arc::new(optional(2).map(|n| n.map(|n| -0.0 * n as f32)).collect::<Float32Array>())),
        ("location.lat", Arc::new(optional(0).map(|n| n.map(nan)).collect::<Float64Array>())),
        ("text", Arc::new(texts.collect::<StringArray>())),
        ("date", Arc::new(optional(0).map(|n| n.map(|n| -(n as i32))).collect::<Date32Array>())),
        ("bytes", Arc::new(optional(1).map(|n| n.map(|n| vec![n as u8; n % 7])).collect::<BinaryArray>())),
        ("decimal", Arc::new(decimals.with_precision_and_scale(38, 9).unwrap())),
        ("floats", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(floats))),
        (columns::HEADERS, arrow::array::new_null_array(&columns::headers(), count)),
    ];
    let required = [PARTITION, OFFSET];
    let field = |(name, column): &(&str, ArrayRef)| {
        let nullable = !required.contains(name);
        // A field's own metadata is kept, too.
        let metadata = [("unit".to_owned(), (*name).to_owned())].into();
        Field::new(*name, column.data_type().clone(), nullable).with_metadata(metadata)
    };
    let schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

#[track_caller]
fn merged(outcome: Result<Rewritten, MergeError>) -> (Replace, DataFile) {
    match outcome.unwrap() {
        Rewritten::Merged { replace, file, .. } => (replace, *file),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_type_and_all_metadata_come_back_as_they_went() {
    let mut lake = Lake::new();
    let parts = [(0, rows(0, 10, 100)), (0, rows(0, 110, 1)), (1, rows(1, 7, 3000)), (0, rows(0, 500, 2))];
    let files: Vec<_> = parts.iter().map(|(partition, rows)| lake.file(*partition, rows)).collect();
    let (replace, file) = merged(lake.rewriter.rewrite(&files));

    assert_eq!(replace.removed, files.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
    assert_eq!((replace.table.as_str(), &replace.added), (TABLE, &vec![file.clone()]));
    assert_eq!((file.rows, file.origin.clone(), file.epoch), (3103, None, 3));
    assert_eq!(file.path, "curated/vehicle/day=1970-01-01/merger-000000.parquet");
    assert_eq!(file.partition_values, files[0].partition_values);
    let range = |partition, start, end| (TopicPartition::new("t", partition), OffsetRange::new(start, end));
    assert_eq!(file.offsets, BTreeMap::from([range(0, 10, 502), range(1, 7, 3007)]));

    let (found, footer) = lake.read(&file);
    let expect = concat_batches(&parts[0].1.schema(), parts.iter().map(|(_, rows)| rows)).unwrap();
    // Arrow compares bits, so that every NaN is what it was, and so is -0.0.
    assert_eq!(found.columns(), expect.columns());
    assert_eq!(found.schema().fields(), expect.schema().fields());
    let (_, before) = lake.read(&files[0]);
    assert_eq!(Form::of(&footer), Form::of(&before), "event times have statistics of pages again");
    assert_eq!(Form::of(&footer).event_time, EVENT_TIME);
    assert_eq!(found.schema().metadata()["millstream.session"], "merger");
    assert_eq!(found.schema().metadata()["millstream.table"], TABLE);
    assert_eq!(file.bytes, lake.runtime.block_on(lake.store.head(&Path::from(file.path))).unwrap().size);
}

#[test]
fn files_of_other_columns_are_left_alone() {
    let mut lake = Lake::new();
    let all = rows(0, 0, 50);
    let fewer = rows(0, 50, 50).project(&(0..8).collect::<Vec<_>>()).unwrap();
    let files = [lake.file(0, &all), lake.file(0, &fewer), lake.file(0, &rows(0, 100, 50))];
    let (replace, file) = merged(lake.rewriter.rewrite(&files));
    assert_eq!(replace.removed, [files[0].path.clone(), files[2].path.clone()]);
    assert_eq!(lake.rewriter.forms.of(&file), lake.rewriter.forms.of(&files[0]));
    assert_ne!(lake.rewriter.forms.of(&file), lake.rewriter.forms.of(&files[1]));
    assert!(matches!(lake.rewriter.rewrite(&files[..2]), Ok(Rewritten::Apart)));
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let mut lake = Lake::new();
    let good = lake.file(0, &rows(0, 0, 5));
    let check = |lake: &mut Lake, bad: DataFile, expect: &str| {
        let error = lake.rewriter.rewrite(&[good.clone(), bad.clone()]).unwrap_err();
        assert_eq!(error.culprit(), Some(bad.path.as_str()));
        assert!(error.to_string().contains(expect), "{error}");
    };
    let other = lake.file(0, &rows(0, 5, 5));
    check(&mut lake, DataFile { rows: 6, ..other.clone() }, "has 5 rows, and the checkpoint log says 6");
    check(&mut lake, DataFile { path: "gone.parquet".to_owned(), ..other.clone() }, "gone.parquet");
    let path = Path::from(other.path.as_str());
    lake.runtime.block_on(lake.store.put(&path, PutPayload::from_static(b"PAR1 no"))).unwrap();
    check(&mut lake, other, "is damaged");
}

/// A stop in the middle leaves no file behind that an entry could name.
#[test]
fn a_merge_that_is_stopped_ends() {
    let mut lake = Lake::new();
    let files = [lake.file(0, &rows(0, 0, 5)), lake.file(0, &rows(0, 5, 5))];
    lake.stop.send_replace(true);
    assert!(matches!(lake.rewriter.rewrite(&files), Ok(Rewritten::Over)));
}

#[test]
fn batches_are_small_where_rows_are_large() {
    let lake = Lake::new();
    let mut columns = rows(0, 0, 64).columns().to_vec();
    let schema = rows(0, 0, 64).schema();
    let at = schema.index_of("bytes").unwrap();
    columns[at] = Arc::new(BinaryArray::from_iter_values((0..64).map(|n| vec![n; 1 << 20])));
    assert_eq!(schema.field(at).data_type(), &DataType::Binary);
    let large = lake.file(0, &RecordBatch::try_new(schema, columns).unwrap());
    assert!(batch_rows(&lake.read(&large).1) <= 8);
    let small = lake.file(0, &rows(0, 0, 64));
    assert_eq!(batch_rows(&lake.read(&small).1), BATCH_ROWS_MAX);
}
