//! Writes the rows that one task has for one table. Batches come in, are split by day and encoded;
//! files come out, whole and in memory, when they are large enough or when the checkpoint asks for
//! them. Belongs to one thread: no locks, no I/O, no clock (how old a file may become is decided by
//! who calls [`TableWriter::finish`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use bytes::Bytes;
use millstream_model::entry::{DataFile, Epoch};
use millstream_model::{OffsetRange, TopicPartition, columns};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::DAY;
use super::day::{self, Day};
use super::{FileNames, SinkSettings, TableSpec, properties};

/// Rows that cannot be written. After it the writer must be abandoned: part of the batch may be in
/// its files.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The table's event-time column is missing or of another type: a bug of who made the table.
    #[error("table {table} is partitioned by `{column}`, which must be a timestamp in UTC microseconds")]
    EventTime {
        /// The table.
        table: String,
        /// Its event-time column.
        column: String,
    },
    /// Rows do not say which messages they are of: a bug of who made the batch.
    #[error("rows for table {table} have no offsets")]
    Offsets {
        /// The table.
        table: String,
    },
    /// A batch has other columns than the table: a bug of who made the batch.
    #[error("rows for table {table} have {found}, where the table has {expected}")]
    Columns {
        /// The table.
        table: String,
        /// First column that differs, as the batch has it.
        found: String,
        /// The same column, as the table has it.
        expected: String,
    },
    /// The rows could not be taken apart.
    #[error("rows for table {table} cannot be split or sampled: {source}")]
    Arrow {
        /// The table.
        table: String,
        /// What arrow says.
        source: ArrowError,
    },
    /// The rows or the settings are not what Parquet can write.
    #[error("rows for table {table} cannot be encoded as Parquet: {source}")]
    Parquet {
        /// The table.
        table: String,
        /// What the Parquet writer says.
        source: ParquetError,
    },
}

/// A whole Parquet file that is not in the lake yet.
#[derive(Clone, Debug)]
pub struct FinishedFile {
    /// The file as a checkpoint entry names it.
    pub file: DataFile,
    /// Its bytes.
    pub content: Bytes,
}

/// Memory that a column of an open file takes whatever is in it: 200 files of 22 columns and 100 rows held
/// 100 MB.
const COLUMN_BYTES: usize = 24 << 10;

struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    columns: usize,
    rows: u64,
    /// From the first message whose row is in the file to behind the last.
    offsets: OffsetRange,
    /// The writer's tick at the last write.
    written: u64,
}

impl OpenFile {
    /// Size that the file would about have if it were closed now.
    fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Memory held: the finished row groups, what the unfinished one has buffered, and what a file takes
    /// anyway. Not the writer's own `memory_size`: each of its delta encoders reserves a MiB of address space
    /// that it never touches in a small file, and that would make a file of one row as large as thousands.
    fn buffered_bytes(&self) -> usize {
        self.writer.inner().capacity() + self.writer.in_progress_size() + self.columns * COLUMN_BYTES
    }
}

/// Writes the rows that one task has for one table, see the [module](self).
pub struct TableWriter {
    spec: Arc<TableSpec>,
    settings: Arc<SinkSettings>,
    origin: TopicPartition,
    epoch: Epoch,
    names: FileNames,
    open: BTreeMap<Day, OpenFile>,
    ticks: u64,
}

impl TableWriter {
    /// A writer of `spec` for rows that come from `origin`, whose topic is in `epoch`. It holds nothing until
    /// it is written to.
    pub fn new(
        spec: Arc<TableSpec>,
        settings: Arc<SinkSettings>,
        origin: TopicPartition,
        epoch: Epoch,
        names: FileNames,
    ) -> Self {
        Self { spec, settings, origin, epoch, names, open: BTreeMap::new(), ticks: 0 }
    }

    /// Adds the rows of `batch` to the files of their days. Returns the files that were closed
    /// because they or all open ones were too large or too many.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<FinishedFile>, SinkError> {
        let event_time = self.event_time_of(batch)?;
        let days = day::split(batch, event_time).map_err(|source| self.arrow_error(source))?;
        let mut finished = Vec::new();
        for (day, rows) in days.iter().filter(|(_, rows)| rows.num_rows() > 0) {
            self.close_for(*day, &mut finished)?;
            self.write_day(*day, rows)?;
            self.close_large(*day, &mut finished)?;
        }
        Ok(finished)
    }

    /// Closes all files and returns them, ordered by day.
    pub fn finish(&mut self) -> Result<Vec<FinishedFile>, SinkError> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|(day, file)| self.close(day, file)).collect()
    }

    /// Bytes that the open files hold, buffered pages included.
    pub fn buffered_bytes(&self) -> usize {
        self.open.values().map(OpenFile::buffered_bytes).sum()
    }

    /// Throws away everything that has not been returned as a finished file.
    pub fn abandon(&mut self) {
        self.open.clear();
    }

    /// Checks the columns of `batch` and finds the number of the event-time column.
    fn event_time_of(&self, batch: &RecordBatch) -> Result<usize, SinkError> {
        let TableSpec { name, schema, event_time } = &*self.spec;
        if !Arc::ptr_eq(schema, batch.schema_ref()) {
            let (found, expected) = (batch.schema_ref().fields(), schema.fields());
            let differs = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at));
            if let Some(at) = differs {
                let name_of = |field: Option<&Arc<arrow::datatypes::Field>>| {
                    field.map_or_else(|| "no further column".to_owned(), |field| format!("`{field}`"))
                };
                return Err(SinkError::Columns {
                    table: name.clone(),
                    found: name_of(found.get(at)),
                    expected: name_of(expected.get(at)),
                });
            }
        }
        let column = schema.fields().find(event_time);
        let column = column.filter(|(_, field)| day::is_event_time(field.data_type()));
        let error = || SinkError::EventTime { table: name.clone(), column: event_time.clone() };
        column.map(|(at, _)| at).ok_or_else(error)
    }

    /// If `day` needs a further file and there are as many as may be, closes the one that has
    /// waited longest.
    fn close_for(&mut self, day: Day, finished: &mut Vec<FinishedFile>) -> Result<(), SinkError> {
        if self.open.contains_key(&day) || self.open.len() < self.settings.open_files_max.max(1) {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, file)| file.written).map(|(day, _)| *day);
        self.close_day(oldest, finished)
    }

    fn write_day(&mut self, day: Day, rows: &RecordBatch) -> Result<(), SinkError> {
        self.ticks += 1;
        let offsets = self.offsets_of(rows)?;
        let mut file = match self.open.remove(&day) {
            Some(file) => file,
            None => self.create(rows, offsets)?,
        };
        file.offsets = file.offsets.hull(offsets);
        file.writer.write(rows).map_err(|source| self.parquet_error(source))?;
        file.rows += rows.num_rows() as u64;
        file.written = self.ticks;
        self.open.insert(day, file);
        Ok(())
    }

    /// Closes `day` if its file is large enough, and the largest files until all fit their limit.
    fn close_large(&mut self, day: Day, finished: &mut Vec<FinishedFile>) -> Result<(), SinkError> {
        if self.open.get(&day).is_some_and(|file| file.bytes() >= self.settings.file_bytes_max) {
            self.close_day(Some(day), finished)?;
        }
        while self.buffered_bytes() > self.settings.buffered_bytes_max {
            let largest = self.open.iter().max_by_key(|(_, file)| file.buffered_bytes());
            let largest = largest.map(|(day, _)| *day);
            self.close_day(largest, finished)?;
        }
        Ok(())
    }

    fn close_day(&mut self, day: Option<Day>, finished: &mut Vec<FinishedFile>) -> Result<(), SinkError> {
        if let Some((day, file)) = day.and_then(|day| self.open.remove_entry(&day)) {
            finished.push(self.close(day, file)?);
        }
        Ok(())
    }

    /// From the first message that `rows` are of to behind the last.
    fn offsets_of(&self, rows: &RecordBatch) -> Result<OffsetRange, SinkError> {
        let column =
            rows.column_by_name(columns::OFFSET).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let ends = column.and_then(|offsets| Some((compute::min(offsets)?, compute::max(offsets)?)));
        let (first, last) = ends.ok_or_else(|| SinkError::Offsets { table: self.spec.name.clone() })?;
        Ok(OffsetRange::new(first, last + 1))
    }

    fn create(&self, rows: &RecordBatch, offsets: OffsetRange) -> Result<OpenFile, SinkError> {
        let properties = properties::for_file(&self.spec, &self.settings, self.names.session(), rows)?;
        let writer = ArrowWriter::try_new(Vec::new(), self.spec.schema.clone(), Some(properties));
        let writer = writer.map_err(|source| self.parquet_error(source))?;
        Ok(OpenFile { writer, columns: rows.num_columns(), rows: 0, offsets, written: 0 })
    }

    fn close(&self, day: Day, file: OpenFile) -> Result<FinishedFile, SinkError> {
        let mut content = file.writer.into_inner().map_err(|source| self.parquet_error(source))?;
        content.shrink_to_fit();
        Ok(FinishedFile {
            file: DataFile {
                table: self.spec.name.clone(),
                path: format!("{}/{}/{}", self.spec.dir(), day.folder(), self.names.next_name()),
                session: self.names.session().clone(),
                origin: Some(self.origin.clone()),
                offsets: BTreeMap::from([(self.origin.clone(), file.offsets)]),
                epoch: self.epoch,
                partition_values: BTreeMap::from([(DAY.to_owned(), day.value())]),
                rows: file.rows,
                bytes: content.len() as u64,
            },
            content: Bytes::from(content),
        })
    }

    fn parquet_error(&self, source: ParquetError) -> SinkError {
        SinkError::Parquet { table: self.spec.name.clone(), source }
    }

    fn arrow_error(&self, source: ArrowError) -> SinkError {
        SinkError::Arrow { table: self.spec.name.clone(), source }
    }
}
