use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use bytes::Bytes;
use millstream_model::TopicPartition;
use millstream_model::columns::{self, EVENT_TIME, OFFSET};
use millstream_model::entry::{DataFile, SessionId};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

const DAY_US: i64 = 86_400_000_000;

fn spec(fields: Vec<Field>) -> Arc<TableSpec> {
    let schema = Arc::new(Schema::new(fields));
    Arc::new(TableSpec { name: "raw.vehicle".into(), schema, event_time: EVENT_TIME.into() })
}

fn times_and_offsets() -> Arc<TableSpec> {
    spec(vec![Field::new(EVENT_TIME, columns::instant(), true), Field::new(OFFSET, DataType::Int64, false)])
}

fn writer(spec: &Arc<TableSpec>, settings: SinkSettings) -> TableWriter {
    let names = FileNames::new(SessionId("s1".into()));
    TableWriter::new(spec.clone(), Arc::new(settings), TopicPartition::new("vehicle_data", 0), 0, names)
}

/// Rows with offsets from 0.
fn rows(spec: &TableSpec, times: &[Option<i64>]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
    let offsets = Int64Array::from_iter_values(0..times.len() as i64);
    RecordBatch::try_new(spec.schema.clone(), vec![Arc::new(times), Arc::new(offsets)]).unwrap()
}

fn read(content: &Bytes) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn offsets(file: &FinishedFile) -> Vec<i64> {
    let rows = read(&file.content);
    rows.column_by_name(OFFSET).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn folder(file: &FinishedFile) -> &str {
    file.file.path.rsplit('/').nth(1).unwrap()
}

/// Files of a few rows used to count for megabytes each, so that a run over many partitions took a
/// checkpoint several times a second.
#[test]
fn a_small_file_counts_as_small() {
    let fields = (0..20).map(|number| Field::new(format!("c{number}"), DataType::Int64, false));
    let fields =
        [Field::new(EVENT_TIME, columns::instant(), true), Field::new(OFFSET, DataType::Int64, false)]
            .into_iter()
            .chain(fields);
    let spec = spec(fields.collect());
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let times = Arc::new(TimestampMicrosecondArray::from(vec![0; 100]).with_timezone("UTC"));
    let values = std::iter::once(times as ArrayRef).chain(std::iter::repeat_n(numbers, 21));
    let batch = RecordBatch::try_new(spec.schema.clone(), values.collect()).unwrap();
    let mut writer = writer(&spec, SinkSettings::default());
    writer.write(&batch).unwrap();
    let buffered = writer.buffered_bytes();
    assert!((22 * 100 * 8..1 << 20).contains(&buffered), "{buffered}");
}

#[test]
fn files_rows_under_their_utc_day_in_order() {
    let check = |times: &[Option<i64>], expect: &[(&str, &[i64])]| {
        let spec = times_and_offsets();
        let mut writer = writer(&spec, SinkSettings::default());
        assert!(writer.write(&rows(&spec, times)).unwrap().is_empty());
        let files = writer.finish().unwrap();
        let found: BTreeMap<_, _> = files.iter().map(|file| (folder(file), offsets(file))).collect();
        let expect: BTreeMap<_, _> = expect.iter().map(|(day, offsets)| (*day, offsets.to_vec())).collect();
        assert_eq!(found, expect, "{times:?}");
    };
    let no_day = "day=__HIVE_DEFAULT_PARTITION__";
    check(&[], &[]);
    check(&[None, None], &[(no_day, &[0, 1])]);
    check(&[Some(0), Some(DAY_US - 1)], &[("day=1970-01-01", &[0, 1])]);
    check(&[Some(DAY_US - 1), Some(DAY_US)], &[("day=1970-01-01", &[0]), ("day=1970-01-02", &[1])]);
    check(&[Some(-1), Some(0)], &[("day=1969-12-31", &[0]), ("day=1970-01-01", &[1])]);
    check(&[Some(1), None, Some(2)], &[(no_day, &[1]), ("day=1970-01-01", &[0, 2])]);
    // 2024-02-29, then the last moments that have a day and the first that have none.
    check(&[Some(1_709_164_800_000_000)], &[("day=2024-02-29", &[0])]);
    check(&[Some(-62_135_596_800_000_000)], &[("day=0001-01-01", &[0])]);
    check(&[Some(253_402_300_799_999_999)], &[("day=9999-12-31", &[0])]);
    check(&[Some(-62_135_596_800_000_001), Some(253_402_300_800_000_000)], &[(no_day, &[0, 1])]);
    check(&[Some(i64::MIN), Some(i64::MAX)], &[(no_day, &[0, 1])]);
}

#[test]
fn names_what_a_checkpoint_needs() {
    let spec = times_and_offsets();
    let mut writer = writer(&spec, SinkSettings::default());
    writer.write(&rows(&spec, &[Some(0), None])).unwrap();
    let files = writer.finish().unwrap();
    let file = &files[1].file;
    assert_eq!(file.table, "raw.vehicle");
    assert_eq!(file.path, "raw/vehicle/day=1970-01-01/s1-000001.parquet");
    assert_eq!(file.partition_values, BTreeMap::from([("day".into(), Some("1970-01-01".into()))]));
    assert_eq!(files[0].file.partition_values, BTreeMap::from([("day".into(), None)]));
    assert_eq!((file.rows, file.bytes), (1, files[1].content.len() as u64));
    assert_eq!(file.origin, Some(TopicPartition::new("vehicle_data", 0)));
}

#[test]
fn rolls_by_size_and_loses_no_row() {
    let spec = times_and_offsets();
    let settings = SinkSettings { file_bytes_max: 1, ..SinkSettings::default() };
    let mut writer = writer(&spec, settings);
    let batch = rows(&spec, &[Some(0); 100]);
    for _ in 0..3 {
        let files = writer.write(&batch).unwrap();
        assert_eq!(files.iter().map(|file| file.file.rows).collect::<Vec<_>>(), [100]);
    }
    assert!(writer.finish().unwrap().is_empty());
}

#[test]
fn closes_the_file_that_waited_longest() {
    let spec = times_and_offsets();
    let mut writer = writer(&spec, SinkSettings { open_files_max: 2, ..SinkSettings::default() });
    let mut closed = Vec::new();
    for day in [0, 1, 0, 2] {
        closed.extend(writer.write(&rows(&spec, &[Some(day * DAY_US)])).unwrap());
    }
    assert_eq!(closed.iter().map(folder).collect::<Vec<_>>(), ["day=1970-01-02"]);
    closed.extend(writer.finish().unwrap());
    assert_eq!(closed.iter().map(|file| file.file.rows).sum::<u64>(), 4);
    let paths: BTreeSet<_> = closed.iter().map(|file| &file.file.path).collect();
    assert_eq!(paths.len(), closed.len());
}

#[test]
fn holds_no_more_than_its_buffer_and_nothing_after_abandon() {
    let spec = times_and_offsets();
    let mut writer = writer(&spec, SinkSettings { buffered_bytes_max: 300_000, ..SinkSettings::default() });
    let times: Vec<_> = (0..20_000).map(|row| Some(row % 3 * DAY_US + row * row % 1_000_003)).collect();
    for _ in 0..20 {
        writer.write(&rows(&spec, &times)).unwrap();
        assert!(writer.buffered_bytes() <= 300_000);
    }
    writer.abandon();
    assert_eq!(writer.buffered_bytes(), 0);
    assert!(writer.finish().unwrap().is_empty());
}

#[test]
fn every_type_comes_back_as_it_went() {
    let numbers = vec![Some(vec![Some(1.5), None]), None, Some(vec![])];
    let floats = ListArray::from_iter_primitive::<Float64Type, _, _>(numbers);
    let instants = TimestampMicrosecondArray::from(vec![Some(0), None, Some(-1)]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        (EVENT_TIME, Arc::new(instants)),
        (OFFSET, Arc::new(Int64Array::from(vec![0, 1, 2]))),
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("int32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)]))),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("float32", Arc::new(Float32Array::from(vec![Some(f32::MIN), None, Some(-0.0)]))),
        ("location.lat", Arc::new(Float64Array::from(vec![Some(52.48), None, Some(f64::INFINITY)]))),
        ("text", Arc::new(StringArray::from(vec![Some(""), None, Some("Straße")]))),
        ("date", Arc::new(Date32Array::from(vec![Some(0), None, Some(-1)]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(b"\xff".as_slice()), None, Some(b"")]))),
        ("floats", Arc::new(floats)),
        ("_headers", arrow::array::new_null_array(&columns::headers(), 3)),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let spec = spec(fields.collect());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(spec.schema.clone(), columns).unwrap();
    for copies in [1, 40] {
        let batch = concat_batches(&spec.schema, &vec![batch.clone(); copies]).unwrap();
        let mut writer = writer(&spec, SinkSettings::default());
        writer.write(&batch).unwrap();
        let files = writer.finish().unwrap();
        let found: Vec<_> = files.iter().map(|file| read(&file.content)).collect();
        // By day: none, 1969, 1970, which are rows 1, 2 and 0 of each copy.
        for (found, row) in found.iter().zip([1, 2, 0]) {
            let expect = vec![batch.slice(row, 1); copies];
            assert_eq!(found.columns(), concat_batches(&spec.schema, &expect).unwrap().columns());
        }
    }
}

#[test]
fn says_which_column_is_wrong() {
    let check = |table: &Arc<TableSpec>, batch: &RecordBatch, expect: &str| {
        let error = writer(table, SinkSettings::default()).write(batch).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let good = times_and_offsets();
    let batch = rows(&good, &[None]);
    check(&good, &batch.project(&[0]).unwrap(), "no further column");
    let local = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let without_zone = spec(vec![Field::new(EVENT_TIME, local, true)]);
    let empty = RecordBatch::new_empty(without_zone.schema.clone());
    check(&without_zone, &empty, "must be a timestamp in UTC microseconds");
}

#[tokio::test]
async fn an_upload_may_find_its_own_file_and_no_other() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let spec = times_and_offsets();
    let mut writer = writer(&spec, SinkSettings::default());
    writer.write(&rows(&spec, &[Some(0), Some(1)])).unwrap();
    let file = writer.finish().unwrap().remove(0);
    upload(&store, &file).await.unwrap();
    upload(&store, &file).await.unwrap();
    let files: Vec<DataFile> = vec![file.file.clone(); 2];
    let found = read::first_rows(&store, &files, 3).await.unwrap();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    assert_eq!(read::schema(&store, &file.file).await.unwrap().fields(), spec.schema.fields());

    let other = FinishedFile { content: Bytes::from_static(b"other"), ..file };
    assert!(matches!(upload(&store, &other).await, Err(UploadError::Taken { .. })));
    let error =
        read::schema(&store, &DataFile { path: "raw/none.parquet".into(), ..other.file }).await.unwrap_err();
    assert!(error.to_string().contains("raw/none.parquet"));
}

/// A rewritten file once had its statistics for `_event_time`, which its table did not have: it was of another
/// form than the table's other files and was never merged with them.
#[test]
fn a_rewritten_file_keeps_the_event_time_of_its_table() {
    let fields = [Field::new("sent", columns::instant(), true), Field::new(OFFSET, DataType::Int64, false)];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let spec = Arc::new(TableSpec { name: "curated.vehicle".into(), schema, event_time: "sent".into() });
    let mut writer = writer(&spec, SinkSettings::default());
    writer.write(&rows(&spec, &[Some(0), Some(1)])).unwrap();
    let file = writer.finish().unwrap().remove(0);
    let event_time = |file: &FinishedFile| {
        read::event_time(&ParquetRecordBatchReaderBuilder::try_new(file.content.clone()).unwrap())
    };
    assert_eq!(event_time(&file), "sent");
    let (settings, names) = (SinkSettings::default(), FileNames::new(SessionId("s2".into())));
    let mut rewriter = Rewriter::new(&file.file, event_time(&file), &settings, &names);
    rewriter.write(&read(&file.content).slice(0, 1)).unwrap();
    assert_eq!(event_time(&rewriter.finish().unwrap().unwrap()), "sent");
}
