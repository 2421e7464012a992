//! One partition on its way: its reader, its decoder, its open files and what it has done since the
//! last checkpoint. A task lives on one CPU thread, which lends it the stage of its stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use millstream_model::entry::{Counters, Epoch, Position, Watermark};
use millstream_model::{MessageBatch, OffsetRange, TopicPartition, columns};

use crate::dead_letter::{DeadLetter, DeadLetters, Failure};
use crate::decode::{Decoded, Decoder};
use crate::fate::Fates;
use crate::plan::StreamPlan;
use crate::sink::{FileNames, FinishedFile, SinkError, SinkSettings, TableSpec, TableWriter};
use crate::source::{FillLimits, PartitionReader, Remedy, SourceError};
use crate::stage::{Rejected, Stage, Staged};
use crate::tap::Place;
use crate::telemetry::{Arrivals, StreamFigures, TaskGauge};
use crate::uploads::{PendingFile, Uploads};
use crate::watermark::{self, EventTime, LatePolicy, LateRow};

/// How often a task says that its source does not answer.
const WARNING_INTERVAL: Duration = Duration::from_secs(5);
/// Dead letters that a task holds before it writes them to their table.
const DEAD_LETTER_BYTES_MAX: usize = 4 << 20;

/// What a task needs to begin.
pub struct TaskStart {
    /// Its stream.
    pub plan: Arc<StreamPlan>,
    /// What it is for.
    pub purpose: Purpose,
    /// The partition.
    pub partition: TopicPartition,
    /// Where it begins, from the log.
    pub position: Position,
    /// Epoch of its topic, from the log.
    pub epoch: Epoch,
    /// Its watermark, from the log: microseconds since the epoch, and whether it is idle.
    pub watermark: (Option<i64>, bool),
    /// How files are written.
    pub sink: Arc<SinkSettings>,
    /// Names of files.
    pub names: FileNames,
    /// Where it says how far it is.
    pub gauge: Arc<TaskGauge>,
    /// Where its stream's figures are kept.
    pub figures: Arc<StreamFigures>,
}

/// What a task is for.
pub enum Purpose {
    /// It reads messages, from its position on, and adds their rows to all tables.
    Run(Box<dyn PartitionReader>),
    /// It is given messages that were processed before. Their raw rows are there already.
    Replay,
}

/// A running task.
pub struct Task {
    start: TaskStart,
    decoder: Decoder,
    /// None if the stream has no event time.
    event_time: Option<EventTime>,
    writers: BTreeMap<String, TableWriter>,
    dead_letters: DeadLetters,
    files: Vec<PendingFile>,
    counters: Counters,
    arrivals: Arrivals,
    range: OffsetRange,
    cursor: Option<u64>,
    warned: Option<Instant>,
    /// Why nothing more can be read, until what was read before is reported.
    held: Option<SourceError>,
}

/// What a task did since the last checkpoint.
#[derive(Debug)]
pub struct TaskReport {
    /// The partition.
    pub partition: TopicPartition,
    /// Name of its stream.
    pub stream: Arc<str>,
    /// What made the rows.
    pub plan: Arc<StreamPlan>,
    /// Positions read.
    pub range: OffsetRange,
    /// Byte position behind them, if the source has one.
    pub cursor: Option<u64>,
    /// Watermark behind them, if there is something to say of it: also without positions if the partition has
    /// become idle.
    pub watermark: Option<Watermark>,
    /// Files written.
    pub files: Vec<PendingFile>,
    /// What became of the messages.
    pub counters: Counters,
    /// When the messages were produced.
    pub arrivals: Arrivals,
}

impl TaskReport {
    /// True if there is something that the log does not know.
    pub fn has_news(&self) -> bool {
        !self.range.is_empty() || self.watermark.is_some()
    }
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
    /// A predicate could not be evaluated.
    #[error("routes: {0}")]
    Routes(ArrowError),
    /// Dead letters could not be made rows.
    #[error("dead letters: {0}")]
    DeadLetters(#[from] ArrowError),
}

impl Task {
    /// A task at its position, with nothing done.
    pub fn new(start: TaskStart) -> Self {
        let decoder = Decoder::new(start.plan.schema.clone())
            .expect("the plan was made with a decoder of the same schema");
        let offset = start.position.offset;
        // A replay judges nothing late and moves no watermark.
        let settings = start.plan.watermark.as_ref().filter(|_| matches!(start.purpose, Purpose::Run(_)));
        let event_time = settings.map(|settings| {
            let (micros, is_idle) = start.watermark;
            EventTime::new(settings, start.partition.clone(), micros, is_idle)
        });
        Self {
            decoder,
            event_time,
            writers: BTreeMap::new(),
            dead_letters: DeadLetters::new(DEAD_LETTER_BYTES_MAX),
            files: Vec::new(),
            counters: Counters::default(),
            arrivals: Arrivals::default(),
            range: OffsetRange::new(offset, offset),
            cursor: start.position.cursor,
            warned: None,
            held: None,
            start,
        }
    }

    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.start.partition
    }

    /// What the task was opened with; tells it from an earlier task of its partition.
    pub fn gauge(&self) -> &Arc<TaskGauge> {
        &self.start.gauge
    }

    /// The stream's plan.
    pub fn plan(&self) -> &Arc<StreamPlan> {
        &self.start.plan
    }

    /// Goes on with `plan`, which is of the same stream. What was done before has been reported.
    pub fn change(&mut self, plan: Arc<StreamPlan>) {
        debug_assert!(self.range.is_empty(), "rows of two plans would be reported as of one");
        if self.start.plan.schema != plan.schema {
            self.decoder = Decoder::new(plan.schema.clone())
                .expect("the plan was made with a decoder of the same schema");
        }
        self.start.plan = plan;
    }

    /// Reads what is there, at most one batch, and processes it. Returns the messages read.
    pub fn step(
        &mut self,
        limits: FillLimits,
        stage: &mut Stage,
        uploads: &Uploads,
    ) -> Result<usize, TaskError> {
        if let Some(error) = self.held.take() {
            return self.pause(error);
        }
        let Purpose::Run(reader) = &mut self.start.purpose else { return Ok(0) };
        let mut batch = MessageBatch::new(self.start.partition.clone(), self.range.end);
        let filled = reader.fill(&mut batch, limits, Duration::ZERO);
        let end = reader.end_offset();
        if let Err(error) = filled {
            // What was read before the error is good, and the error comes again.
            if batch.is_empty() {
                return self.pause(error);
            }
        }
        if !batch.is_empty() {
            let decoded = self.decoder.decode(&batch);
            self.process(&batch, decoded, stage, uploads)?;
            self.arrivals.add(&batch);
        }
        self.range.end = batch.range().end;
        self.cursor = batch.cursor().or(self.cursor);
        self.start.gauge.set(self.range.end, end);
        if let Some(event_time) = self.event_time.as_mut().filter(|_| end == Some(self.range.end)) {
            event_time.at_end(Instant::now());
        }
        Ok(batch.len())
    }

    /// Processes messages that were processed before; `decoded` are their columns, if these are known.
    pub fn replay(
        &mut self,
        batch: &MessageBatch,
        decoded: Option<Decoded>,
        stage: &mut Stage,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let decoded = decoded.unwrap_or_else(|| self.decoder.decode(batch));
        self.process(batch, decoded, stage, uploads)
    }

    /// Goes on after an error that passes by itself; says so, but not at every attempt. Any other one
    /// comes out once what was read before it is reported: the source may not have that any more.
    fn pause(&mut self, error: SourceError) -> Result<usize, TaskError> {
        match error.remedy() {
            Remedy::Retry => {}
            Remedy::Forget => return Err(error.into()),
            _ if self.range.is_empty() => return Err(error.into()),
            _ => {
                self.start.gauge.set(self.range.end, None);
                self.held = Some(error);
                return Ok(0);
            }
        }
        self.start.gauge.stall();
        if self.warned.is_none_or(|at| at.elapsed() > WARNING_INTERVAL) {
            self.warned = Some(Instant::now());
            tracing::warn!(partition = %self.start.partition, %error, "the source does not answer; trying on");
        }
        Ok(0)
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
        self.counters.drift = self.decoder.take_drift();
        let range = self.range;
        self.range = OffsetRange::new(range.end, range.end);
        Ok(TaskReport {
            partition: self.start.partition.clone(),
            stream: self.start.plan.name.clone(),
            plan: self.start.plan.clone(),
            range,
            cursor: self.cursor,
            watermark: self.event_time.as_mut().and_then(|event_time| event_time.report(!range.is_empty())),
            files: std::mem::take(&mut self.files),
            counters: std::mem::take(&mut self.counters),
            arrivals: std::mem::take(&mut self.arrivals),
        })
    }

    /// Takes a batch all the way to the open files.
    fn process(
        &mut self,
        batch: &MessageBatch,
        mut decoded: Decoded,
        stage: &mut Stage,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let late = self.late_rows(&mut decoded);
        self.start.figures.add_batch(batch.len(), batch.bytes(), decoded.failures.len());
        let plan = self.start.plan.clone();
        let mut fates = Fates::new(batch.len(), plan.fans_out());
        for failure in &decoded.failures {
            self.bury(batch, &decoded.raw, failure.row, Failure::Decode, &failure.reason, uploads)?;
            fates.dead(failure.row, &failure.reason);
        }
        if plan.watermark.is_some_and(|watermark| watermark.late == LatePolicy::DeadLetters) {
            self.bury_late(batch, &mut decoded, &late, &mut fates, uploads)?;
        }
        let Decoded { raw, rows, .. } = decoded;
        self.start.figures.taps.offer(Place::Behind(0), &rows);
        if matches!(self.start.purpose, Purpose::Run(_)) {
            self.write(&plan.raw, &raw, uploads)?;
        }
        if plan.routing.is_some() {
            let late: Vec<_> = late.iter().map(|late| batch.get(late.row).offset).collect();
            let staged = stage.run(rows, &late).map_err(TaskError::Routes)?;
            self.settle(batch, &raw, &staged, &mut fates, uploads)?;
        } else {
            fates.rest_is_out();
        }
        self.write_dead_letters(uploads)?;
        fates.add_to(&mut self.counters, &plan);
        Ok(())
    }

    /// Moves the watermark past the batch; gives the late rows, which are flagged if that is asked for.
    fn late_rows(&mut self, decoded: &mut Decoded) -> Vec<LateRow> {
        let Some(event_time) = &mut self.event_time else { return Vec::new() };
        let late = event_time.observe(&decoded.raw, &mut self.counters);
        if self.start.plan.schema.flags_late {
            watermark::flag(decoded, &late);
        }
        late
    }

    /// Late messages that decoded become dead letters, and nothing else.
    fn bury_late(
        &mut self,
        batch: &MessageBatch,
        decoded: &mut Decoded,
        late: &[LateRow],
        fates: &mut Fates,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        watermark::take_out(decoded, late);
        for late in late {
            if decoded.failures.binary_search_by_key(&late.row, |failure| failure.row).is_err() {
                let reason = watermark::reason(late);
                self.bury(batch, &decoded.raw, late.row, Failure::Late, reason, uploads)?;
                fates.dead(late.row, reason);
            }
        }
        Ok(())
    }

    /// Writes what the steps made of the batch, buries what they rejected, and notes the fates.
    fn settle(
        &mut self,
        batch: &MessageBatch,
        raw: &RecordBatch,
        staged: &Staged,
        fates: &mut Fates,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let row_of = |offset| batch.row_of(offset).expect("a step's rows keep the offsets of its input");
        for Rejected { step, plugin, row } in &staged.rejected {
            let failure = Failure::Step { step, plugin: *plugin, cause: row.cause };
            self.bury(batch, raw, row_of(row.offset), failure, &row.reason, uploads)?;
            fates.dead(row_of(row.offset), &row.reason);
        }
        for (offset, step) in &staged.dropped {
            fates.dropped(row_of(*offset), *step);
        }
        // A row is out once, however many tables it goes to.
        fates.out(crate::stage::offsets(&staged.passed), batch);
        for (table, rows) in &staged.tables {
            self.write(table, rows, uploads)?;
        }
        Ok(())
    }

    fn bury(
        &mut self,
        batch: &MessageBatch,
        raw: &RecordBatch,
        row: usize,
        failure: Failure<'_>,
        reason: &str,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let times = raw.column_by_name(columns::EVENT_TIME).expect("a raw batch has its event time");
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let full = self.dead_letters.push(&DeadLetter {
            stream: &self.start.plan.name,
            failure,
            reason,
            event_time_us: times.is_valid(row).then(|| times.value(row)),
            partition: &self.start.partition,
            message: batch.get(row),
        });
        if full { self.write_dead_letters(uploads) } else { Ok(()) }
    }

    fn write_dead_letters(&mut self, uploads: &Uploads) -> Result<(), TaskError> {
        let Some(letters) = self.dead_letters.take_rows()? else { return Ok(()) };
        self.start.figures.taps.offer(Place::DeadLetters, &letters);
        let table = self.start.plan.dead_letters.clone();
        self.write(&table, &letters, uploads)
    }

    fn write(
        &mut self,
        table: &Arc<TableSpec>,
        rows: &RecordBatch,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let name = &table.name;
        *self.counters.rows.entry(name.clone()).or_default() += rows.num_rows() as u64;
        let writer = match self.writers.get_mut(name) {
            Some(writer) => writer,
            None => {
                let TaskStart { sink, partition, epoch, names, .. } = &self.start;
                let (table, sink) = (table.clone(), sink.clone());
                let writer = TableWriter::new(table, sink, partition.clone(), *epoch, names.clone());
                self.writers.entry(name.clone()).or_insert(writer)
            }
        };
        let rolled: Vec<FinishedFile> = writer.write(rows)?;
        self.files.extend(rolled.into_iter().map(|file| uploads.begin(file)));
        Ok(())
    }
}
