//! One merged file while it is written: rows of files of one form go in, in their order, and a file comes out in
//! memory, encoded as the table's other files are. Its offsets are read from the rows, so that they are exact
//! even for files that do not say theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use millstream_model::entry::DataFile;
use millstream_model::{OffsetRange, TopicPartition, columns};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use super::form::Form;
use crate::sink::{self, FileNames, FinishedFile, SinkError, SinkSettings, TableSpec};

/// A merged file that is being written.
pub struct Output {
    spec: TableSpec,
    form: Arc<Form>,
    writer: Option<ArrowWriter<Vec<u8>>>,
    capacity: usize,
    offsets: BTreeMap<i32, OffsetRange>,
    rows: u64,
}

impl Output {
    /// A file of `table` that has no rows yet and will have about `capacity` bytes: a buffer that grows by
    /// itself would hold twice as many.
    pub fn new(table: &str, form: Arc<Form>, capacity: usize) -> Self {
        let (schema, event_time) = (form.schema.clone(), form.event_time.clone());
        let spec = TableSpec { name: table.to_owned(), schema, event_time };
        Self { spec, form, writer: None, capacity, offsets: BTreeMap::new(), rows: 0 }
    }

    /// True if rows of files of `form` can be written.
    pub fn takes(&self, form: &Arc<Form>) -> bool {
        Arc::ptr_eq(&self.form, form)
    }

    /// Adds rows. `settings` and the session of `names` are those of the first call.
    pub fn write(
        &mut self,
        rows: &RecordBatch,
        settings: &SinkSettings,
        names: &FileNames,
    ) -> Result<(), SinkError> {
        // Rows as read carry metadata of their file.
        let rows = rows.clone().with_schema(self.spec.schema.clone());
        let rows = rows.map_err(|source| SinkError::Arrow { table: self.spec.name.clone(), source })?;
        self.add_offsets(&rows)?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.create(&rows, settings, names)?,
        };
        writer.write(&rows).map_err(|source| self.parquet_error(source))?;
        self.rows += rows.num_rows() as u64;
        self.writer = Some(writer);
        Ok(())
    }

    fn create(
        &self,
        rows: &RecordBatch,
        settings: &SinkSettings,
        names: &FileNames,
    ) -> Result<ArrowWriter<Vec<u8>>, SinkError> {
        let properties = sink::properties_of_file(&self.spec, settings, names.session(), rows)?;
        let writer = ArrowWriter::try_new(
            Vec::with_capacity(self.capacity),
            self.spec.schema.clone(),
            Some(properties),
        );
        let mut writer = writer.map_err(|source| self.parquet_error(source))?;
        for (key, value) in &self.form.metadata {
            writer.append_key_value_metadata(KeyValue::new(key.clone(), value.clone()));
        }
        Ok(writer)
    }

    fn add_offsets(&mut self, rows: &RecordBatch) -> Result<(), SinkError> {
        let column = |name| rows.column_by_name(name);
        let partitions = column(columns::PARTITION).and_then(|column| column.as_primitive_opt::<Int32Type>());
        let offsets = column(columns::OFFSET).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(partitions), Some(offsets)) = (partitions, offsets) else {
            return Err(SinkError::Offsets { table: self.spec.name.clone() });
        };
        // Neighbours are of one partition nearly always.
        let mut begin = 0;
        for run in partitions.values().chunk_by(|a, b| a == b) {
            let values = &offsets.values()[begin..begin + run.len()];
            begin += run.len();
            let (Some(first), Some(last)) = (values.iter().min(), values.iter().max()) else { continue };
            let range = OffsetRange::new(*first, *last + 1);
            self.offsets.entry(run[0]).and_modify(|known| *known = known.hull(range)).or_insert(range);
        }
        Ok(())
    }

    /// The whole file, which takes the place of files such as `merged`; none if no row was written.
    pub fn finish(self, merged: &DataFile, names: &FileNames) -> Result<Option<FinishedFile>, SinkError> {
        let Self { spec, writer, offsets, rows, .. } = self;
        let Some(writer) = writer else { return Ok(None) };
        let content = writer.into_inner();
        let mut content =
            content.map_err(|source| SinkError::Parquet { table: spec.name.clone(), source })?;
        content.shrink_to_fit();
        let of_topic = merged.offsets.keys().next().or(merged.origin.as_ref());
        let topic = of_topic.map(|partition| partition.topic.clone());
        let folder = merged.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = DataFile {
            table: spec.name,
            path: format!("{folder}/{}", names.next_name()),
            session: names.session().clone(),
            origin: None,
            offsets: topic.map_or_else(BTreeMap::new, |topic| {
                let of_partition =
                    |(partition, range)| (TopicPartition { topic: topic.clone(), partition }, range);
                offsets.into_iter().map(of_partition).collect()
            }),
            epoch: merged.epoch,
            partition_values: merged.partition_values.clone(),
            rows,
            bytes: content.len() as u64,
        };
        Ok(Some(FinishedFile { file, content: Bytes::from(content) }))
    }

    fn parquet_error(&self, source: parquet::errors::ParquetError) -> SinkError {
        SinkError::Parquet { table: self.spec.name.clone(), source }
    }
}
