//! One partition on its way: its reader, its decoder, its open files and what it has done since the
//! last checkpoint. A task lives on one CPU thread, which lends it the stage of its stream. It has one batch in
//! hand at most, and that has an effect once it is through all steps: what a task reports ends before it.

mod prepare;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::error::ArrowError;
use millstream_model::entry::{Counters, Epoch, Position, Watermark};
use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};

use crate::aside::Answer;
use crate::chain::{OpenCircuit, Passage};
use crate::dead_letter::DeadLetters;
use crate::decode::{Decoded, Decoder};
use crate::plan::StreamPlan;
use crate::sink::{FileNames, SinkError, SinkSettings, TableWriter};
use crate::source::{FillLimits, PartitionReader, Remedy, SourceError};
use crate::stage::{Attempt, Stage, Staged};
use crate::telemetry::{Arrivals, StreamFigures, TaskGauge};
use crate::uploads::{PendingFile, Uploads};
use crate::watermark::EventTime;
use prepare::Prepared;

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
    failed: Option<SourceError>,
    /// What was read and must be begun again: the circuit of a step is open, or its steps have changed.
    in_hand: Option<Read>,
    /// What was read and has gone aside.
    aside: Option<Aside>,
    /// Batches that went aside.
    tickets: u64,
}

/// Messages that were read and have had no effect yet.
struct Read {
    batch: MessageBatch,
    /// Where the partition ended then, if that is known.
    end: Option<Offset>,
}

/// A batch that has gone aside.
struct Aside {
    ticket: u64,
    read: Read,
    prepared: Prepared,
}

/// What came of a task's turn.
pub enum Turn {
    /// So many messages were read and processed.
    Done(usize),
    /// The batch must go aside, under this number.
    Aside(u64, Box<Passage>),
    /// A step takes no batches now.
    Open(OpenCircuit),
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
    /// A batch that went aside has not come back.
    #[error("the thread that a batch went aside to has ended; this is a bug")]
    Lost,
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
            failed: None,
            in_hand: None,
            aside: None,
            tickets: 0,
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

    /// Goes on with `plan`, which is of the same stream. What was done before has been reported; a batch in hand
    /// is begun again.
    pub fn change(&mut self, plan: Arc<StreamPlan>) {
        debug_assert!(self.range.is_empty(), "rows of two plans would be reported as of one");
        if self.start.plan.schema != plan.schema {
            self.decoder = Decoder::new(plan.schema.clone())
                .expect("the plan was made with a decoder of the same schema");
        }
        self.start.plan = plan;
        self.in_hand = self.in_hand.take().or(self.aside.take().map(|aside| aside.read));
    }

    /// Reads what is there, at most one batch, and processes it; or goes on with the batch in hand.
    pub fn step(
        &mut self,
        limits: FillLimits,
        stage: &mut Stage,
        uploads: &Uploads,
    ) -> Result<Turn, TaskError> {
        if self.aside.is_some() {
            return Ok(Turn::Done(0));
        }
        let read = match self.in_hand.take() {
            Some(read) => read,
            None => match self.read(limits)? {
                Some(read) => read,
                None => return Ok(Turn::Done(0)),
            },
        };
        let decoded = self.decoder.decode(&read.batch);
        let (prepared, rows) = self.prepare(decoded);
        if self.start.plan.routing.is_none() {
            return self.conclude(&read, prepared, None, uploads);
        }
        let late = prepared.late_offsets(&read.batch);
        match stage.attempt(rows, late).map_err(TaskError::Routes)? {
            Attempt::Through(staged) => self.conclude(&read, prepared, Some(&staged), uploads),
            Attempt::Aside(passage) => {
                self.tickets += 1;
                self.start.gauge.set(self.range.end, read.end);
                self.aside = Some(Aside { ticket: self.tickets, read, prepared });
                Ok(Turn::Aside(self.tickets, passage))
            }
            Attempt::Open(open) => Ok(self.hold(read, open)),
        }
    }

    /// Goes on with the batch that went aside under this number, unless it was given up since.
    pub fn resume(
        &mut self,
        ticket: u64,
        answer: Answer,
        stage: &mut Stage,
        uploads: &Uploads,
    ) -> Result<Turn, TaskError> {
        let Some(Aside { read, prepared, .. }) = self.aside.take_if(|aside| aside.ticket == ticket) else {
            return Ok(Turn::Done(0));
        };
        match answer {
            Answer::Through(passage) => {
                let staged = stage.take_back(*passage);
                self.conclude(&read, prepared, Some(&staged), uploads)
            }
            Answer::Open(open) => Ok(self.hold(read, open)),
            Answer::Routes(error) => Err(TaskError::Routes(error)),
            Answer::Lost => Err(TaskError::Lost),
        }
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
        let (prepared, rows) = self.prepare(decoded);
        let staged = match &self.start.plan.routing {
            Some(_) => {
                let late = prepared.late_offsets(batch);
                Some(stage.run(rows, &late).map_err(TaskError::Routes)?)
            }
            None => None,
        };
        self.settle(batch, prepared, staged.as_ref(), uploads)
    }

    /// Keeps the batch until the step takes it.
    fn hold(&mut self, read: Read, open: OpenCircuit) -> Turn {
        self.start.gauge.set(self.range.end, read.end);
        self.in_hand = Some(read);
        Turn::Open(open)
    }

    /// The batch is through.
    fn conclude(
        &mut self,
        read: &Read,
        prepared: Prepared,
        staged: Option<&Staged>,
        uploads: &Uploads,
    ) -> Result<Turn, TaskError> {
        self.settle(&read.batch, prepared, staged, uploads)?;
        self.arrivals.add(&read.batch);
        self.pass(read);
        Ok(Turn::Done(read.batch.len()))
    }

    /// Reads what is there, at most one batch; none if there are no messages.
    fn read(&mut self, limits: FillLimits) -> Result<Option<Read>, TaskError> {
        if let Some(error) = self.failed.take() {
            return self.pause(error).map(|()| None);
        }
        let Purpose::Run(reader) = &mut self.start.purpose else { return Ok(None) };
        let mut batch = MessageBatch::new(self.start.partition.clone(), self.range.end);
        let filled = reader.fill(&mut batch, limits, Duration::ZERO);
        let end = reader.end_offset();
        if let Err(error) = filled {
            // What was read before the error is good, and the error comes again.
            if batch.is_empty() {
                return self.pause(error).map(|()| None);
            }
        }
        let read = Read { batch, end };
        if read.batch.is_empty() {
            self.pass(&read);
            return Ok(None);
        }
        Ok(Some(read))
    }

    /// The task stands behind these messages.
    fn pass(&mut self, read: &Read) {
        let Read { batch, end } = read;
        self.range.end = batch.range().end;
        self.cursor = batch.cursor().or(self.cursor);
        self.start.gauge.set(self.range.end, *end);
        if let Some(event_time) = self.event_time.as_mut().filter(|_| *end == Some(self.range.end)) {
            event_time.at_end(Instant::now());
        }
    }

    /// Goes on after an error that passes by itself; says so, but not at every attempt. Any other one
    /// comes out once what was read before it is reported: the source may not have that any more.
    fn pause(&mut self, error: SourceError) -> Result<(), TaskError> {
        match error.remedy() {
            Remedy::Retry => {}
            Remedy::Forget => return Err(error.into()),
            _ if self.range.is_empty() => return Err(error.into()),
            _ => {
                self.start.gauge.set(self.range.end, None);
                self.failed = Some(error);
                return Ok(());
            }
        }
        self.start.gauge.stall();
        if self.warned.is_none_or(|at| at.elapsed() > WARNING_INTERVAL) {
            self.warned = Some(Instant::now());
            tracing::warn!(partition = %self.start.partition, %error, "the source does not answer; trying on");
        }
        Ok(())
    }

    /// Bytes that the open files hold.
    pub fn buffered_bytes(&self) -> usize {
        self.writers.values().map(TableWriter::buffered_bytes).sum()
    }

    /// Closes all files and gives what was done since the last report; the next interval begins here. A batch in
    /// hand is part of that one.
    pub fn report(&mut self, uploads: &Uploads) -> Result<TaskReport, TaskError> {
        for (_, mut writer) in std::mem::take(&mut self.writers) {
            let files = writer.finish()?;
            self.files.extend(files.into_iter().map(|file| uploads.begin(file)));
        }
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
}
