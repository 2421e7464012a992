//! One partition on its way: its reader, its decoder, its open files and what it has done since the
//! last checkpoint. A task lives on one CPU thread, which lends it the stage of its stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use millstream_model::entry::{Counters, Position};
use millstream_model::{MessageBatch, OffsetRange, TopicPartition, columns};

use crate::dead_letter::{DeadLetter, DeadLetters};
use crate::decode::{Decoded, Decoder};
use crate::fate::Fates;
use crate::plan::StreamPlan;
use crate::sink::{FileNames, FinishedFile, SinkError, SinkSettings, TableSpec, TableWriter};
use crate::source::{FillLimits, PartitionReader, SourceError};
use crate::stage::{Stage, Staged};
use crate::telemetry::{TaskGauge, Telemetry};
use crate::uploads::{PendingFile, Uploads};

/// What a task needs to begin.
pub struct TaskStart {
    /// Its stream.
    pub plan: Arc<StreamPlan>,
    /// Its messages, from its position on.
    pub reader: Box<dyn PartitionReader>,
    /// The partition.
    pub partition: TopicPartition,
    /// Where it begins, from the log.
    pub position: Position,
    /// How files are written.
    pub sink: Arc<SinkSettings>,
    /// Names of files.
    pub names: FileNames,
    /// Where it says how far it is.
    pub gauge: Arc<TaskGauge>,
}

/// A running task.
pub struct Task {
    start: TaskStart,
    decoder: Decoder,
    writers: BTreeMap<String, TableWriter>,
    dead_letters: DeadLetters,
    files: Vec<PendingFile>,
    counters: Counters,
    range: OffsetRange,
    cursor: Option<u64>,
}

/// What a task did since the last checkpoint.
#[derive(Debug)]
pub struct TaskReport {
    /// The partition.
    pub partition: TopicPartition,
    /// Name of its stream.
    pub stream: Arc<str>,
    /// Positions read.
    pub range: OffsetRange,
    /// Byte position behind them, if the source has one.
    pub cursor: Option<u64>,
    /// Files written.
    pub files: Vec<PendingFile>,
    /// What became of the messages.
    pub counters: Counters,
}

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Rows could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Task {
    /// A task at its position, with nothing done.
    pub fn new(start: TaskStart) -> Self {
        let decoder = Decoder::new(start.plan.schema.clone())
            .expect("the plan was made with a decoder of the same schema");
        let offset = start.position.offset;
        Self {
            decoder,
            writers: BTreeMap::new(),
            dead_letters: DeadLetters::new(start.plan.name.clone()),
            files: Vec::new(),
            counters: Counters::default(),
            range: OffsetRange::new(offset, offset),
            cursor: start.position.cursor,
            start,
        }
    }

    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.start.partition
    }

    /// The stream's plan.
    pub fn plan(&self) -> &Arc<StreamPlan> {
        &self.start.plan
    }

    /// Reads what is there, at most one batch, and processes it. Returns the messages read.
    pub fn step(
        &mut self,
        limits: FillLimits,
        stage: &mut Stage,
        uploads: &Uploads,
        telemetry: &Telemetry,
    ) -> Result<usize, TaskError> {
        let mut batch = MessageBatch::new(self.start.partition.clone(), self.range.end);
        self.start.reader.fill(&mut batch, limits, Duration::ZERO)?;
        if !batch.is_empty() {
            let dead = self.process(&batch, stage, uploads)?;
            telemetry.add_batch(batch.len(), batch.bytes(), dead);
        }
        self.range.end = batch.range().end;
        self.cursor = batch.cursor().or(self.cursor);
        self.start.gauge.set(self.range.end, self.start.reader.end_offset());
        Ok(batch.len())
    }

    /// Bytes that the open files hold.
    pub fn buffered_bytes(&self) -> usize {
        self.writers.values().map(TableWriter::buffered_bytes).sum()
    }

    /// Closes all files and gives what was done since the last report; the next interval begins here.
    pub fn report(&mut self, uploads: &Uploads) -> Result<TaskReport, TaskError> {
        for (_, mut writer) in std::mem::take(&mut self.writers) {
            let files = writer.finish()?;
            self.files.extend(files.into_iter().map(|file| uploads.begin(file)));
        }
        let range = std::mem::replace(&mut self.range, OffsetRange::new(self.range.end, self.range.end));
        Ok(TaskReport {
            partition: self.start.partition.clone(),
            stream: self.start.plan.name.clone(),
            range,
            cursor: self.cursor,
            files: std::mem::take(&mut self.files),
            counters: std::mem::take(&mut self.counters),
        })
    }

    /// Returns the number of messages that became dead letters.
    fn process(&mut self, batch: &MessageBatch, stage: &mut Stage, uploads: &Uploads) -> Result<u64, TaskError> {
        let Decoded { raw, rows, failures } = self.decoder.decode(batch);
        let plan = self.start.plan.clone();
        let mut fates = Fates::new(batch.len(), plan.fans_out());
        for failure in failures {
            self.bury(batch, &raw, failure.row, DeadLetter::decode(&failure.reason));
            fates.dead(failure.row, &failure.reason);
        }
        self.write(&plan.raw, &raw, uploads)?;
        if plan.curated.is_some() {
            let staged = stage.run(rows);
            self.settle(batch, &raw, &staged, &mut fates);
            for (table, rows) in staged.side.iter().map(|(table, rows)| (table, rows)) {
                self.write(table, rows, uploads)?;
            }
            if let (Some(table), Some(rows)) = (&plan.curated, &staged.curated) {
                self.write(table, rows, uploads)?;
            }
        } else {
            fates.rest_is_out();
        }
        let letters = self.dead_letters.take();
        if let Some(letters) = letters {
            self.write(&plan.dead_letters, &letters, uploads)?;
        }
        Ok(fates.add_to(&mut self.counters, &plan))
    }

    /// Notes what the steps made of each message, and buries those they rejected.
    fn settle(&mut self, batch: &MessageBatch, raw: &RecordBatch, staged: &Staged, fates: &mut Fates) {
        for rejected in &staged.rejected {
            let row = batch.row_of(rejected.row.offset).expect("a step's rows keep the offsets of its input");
            self.bury(batch, raw, row, DeadLetter::step(rejected));
            fates.dead(row, &rejected.row.reason);
        }
        for (offset, step) in &staged.dropped {
            let row = batch.row_of(*offset).expect("a step's rows keep the offsets of its input");
            fates.dropped(row, *step);
        }
        if let Some(rows) = &staged.curated {
            fates.out(crate::stage::offsets(rows), batch);
        }
    }

    fn bury(&mut self, batch: &MessageBatch, raw: &RecordBatch, row: usize, letter: DeadLetter<'_>) {
        let times = raw.column_by_name(columns::EVENT_TIME).expect("a raw batch has its event time");
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let event_time = arrow::array::Array::is_valid(times, row).then(|| times.value(row));
        self.dead_letters.add(&self.start.partition, batch.get(row), event_time, letter);
    }

    fn write(&mut self, table: &Arc<TableSpec>, rows: &RecordBatch, uploads: &Uploads) -> Result<(), TaskError> {
        *self.counters.rows.entry(table.name.clone()).or_default() += rows.num_rows() as u64;
        let writer = match self.writers.get_mut(&table.name) {
            Some(writer) => writer,
            None => {
                let TaskStart { sink, partition, names, .. } = &self.start;
                let writer = TableWriter::new(table.clone(), sink.clone(), partition.clone(), names.clone());
                self.writers.entry(table.name.clone()).or_insert(writer)
            }
        };
        let rolled: Vec<FinishedFile> = writer.write(rows)?;
        self.files.extend(rolled.into_iter().map(|file| uploads.begin(file)));
        Ok(())
    }
}
