//! Writes a file of a table anew with some of its rows. It keeps the columns and the day that the file has,
//! whatever the table's configuration says today. Batches come in, a whole file comes out; which rows stay is
//! for the caller to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, Schema};
use bytes::Bytes;
use millstream_model::entry::DataFile;
use millstream_model::{OffsetRange, TopicPartition, columns};
use parquet::arrow::ArrowWriter;

use super::{FileNames, FinishedFile, SinkError, SinkSettings, TableSpec, properties};

/// The successor of one file.
pub struct Rewriter<'a> {
    file: &'a DataFile,
    event_time: String,
    settings: &'a SinkSettings,
    names: &'a FileNames,
    writer: Option<ArrowWriter<Vec<u8>>>,
    rows: u64,
    /// Messages that the rows are of; none if a row does not say so.
    offsets: Option<BTreeMap<TopicPartition, OffsetRange>>,
}

impl<'a> Rewriter<'a> {
    /// A successor of `file` without any rows. `event_time` is the column whose pages have statistics in it.
    pub fn new(
        file: &'a DataFile,
        event_time: String,
        settings: &'a SinkSettings,
        names: &'a FileNames,
    ) -> Self {
        Self { file, event_time, settings, names, writer: None, rows: 0, offsets: Some(BTreeMap::new()) }
    }

    /// Adds rows of the file; all have the same columns.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), SinkError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let failed = |source| SinkError::Parquet { table: self.file.table.clone(), source };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                // What the file says of itself beside its columns is not for its successor to repeat.
                let schema = Arc::new(Schema::new(rows.schema_ref().fields().clone()));
                let (name, event_time) = (self.file.table.clone(), self.event_time.clone());
                let spec = TableSpec { name, schema: schema.clone(), event_time };
                let properties = properties::for_file(&spec, self.settings, self.names.session(), rows)?;
                let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties));
                self.writer.insert(writer.map_err(failed)?)
            }
        };
        writer.write(rows).map_err(failed)?;
        self.rows += rows.num_rows() as u64;
        self.offsets = self.offsets.take().and_then(|offsets| add_offsets(offsets, rows));
        Ok(())
    }

    /// The file; none if it has no rows.
    pub fn finish(self) -> Result<Option<FinishedFile>, SinkError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let failed = |source| SinkError::Parquet { table: self.file.table.clone(), source };
        let mut content = writer.into_inner().map_err(failed)?;
        content.shrink_to_fit();
        let folder = self.file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // A file is of one topic; what mixes several says nothing of its messages.
        let offsets = self.offsets.filter(|offsets| {
            let mut topics = offsets.keys().map(|partition| &partition.topic);
            let first = topics.next();
            topics.all(|topic| Some(topic) == first)
        });
        let file = DataFile {
            path: format!("{folder}/{}", self.names.next_name()),
            session: self.names.session().clone(),
            offsets: offsets.unwrap_or_default(),
            rows: self.rows,
            bytes: content.len() as u64,
            ..self.file.clone()
        };
        Ok(Some(FinishedFile { file, content: Bytes::from(content) }))
    }
}

/// Widens `offsets` by the messages that `rows` are of; none if the rows do not say so.
fn add_offsets(
    mut offsets: BTreeMap<TopicPartition, OffsetRange>,
    rows: &RecordBatch,
) -> Option<BTreeMap<TopicPartition, OffsetRange>> {
    let topics = rows.column_by_name(columns::TOPIC)?.as_string_opt::<i32>()?;
    let partitions = rows.column_by_name(columns::PARTITION)?.as_primitive_opt::<Int32Type>()?;
    let positions = rows.column_by_name(columns::OFFSET)?.as_primitive_opt::<Int64Type>()?.values();
    let mut last: Option<(TopicPartition, OffsetRange)> = None;
    for (row, offset) in positions.iter().enumerate() {
        let (topic, number) = (topics.value(row), partitions.value(row));
        let range = OffsetRange::new(*offset, offset + 1);
        match &mut last {
            Some((partition, hull)) if *partition.topic == *topic && partition.partition == number => {
                *hull = hull.hull(range);
            }
            _ => {
                merge(&mut offsets, last.take());
                last = Some((TopicPartition::new(Arc::<str>::from(topic), number), range));
            }
        }
    }
    merge(&mut offsets, last);
    Some(offsets)
}

fn merge(offsets: &mut BTreeMap<TopicPartition, OffsetRange>, more: Option<(TopicPartition, OffsetRange)>) {
    if let Some((partition, range)) = more {
        offsets.entry(partition).and_modify(|hull| *hull = hull.hull(range)).or_insert(range);
    }
}
