//! Makes the rows of messages anew: takes the messages from the source, the raw table and the dead-letter table
//! through the steps to files, as a run does, and writes the files that held their former rows again without
//! these. Runs on a thread of its own, file by file and batch by batch; nothing is true until an entry says so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::SchemaRef;
use millstream_model::entry::{Counters, DataFile, Position, Replace};
use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::offsets::Offsets;
use super::survey::Survey;
use super::{Progress, ReplayError, Watch, raw};
use crate::dead_letter;
use crate::decode::{Decoded, Decoder};
use crate::error::RunError;
use crate::plan::{PlannedStep, StreamPlan};
use crate::sink::read;
use crate::sink::{FileNames, Rewriter, SinkSettings};
use crate::source::Visitor;
use crate::stage::Stage;
use crate::task::{Purpose, Task, TaskError, TaskStart};
use crate::telemetry::{StreamFigures, TaskGauge};
use crate::uploads::{PendingFile, Uploads};

/// Rows of a file that are worked on at a time.
const BATCH_ROWS: usize = 1024;

/// All that a remake needs.
pub(super) struct Remake {
    pub(super) plan: Arc<StreamPlan>,
    pub(super) survey: Arc<Survey>,
    /// Live raw files of the stream.
    pub(super) raw_files: Vec<DataFile>,
    /// Where messages come from that the lake is not asked for.
    pub(super) visitor: Option<Arc<Visitor>>,
    pub(super) place: String,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) runtime: Handle,
    pub(super) uploads: Uploads,
    pub(super) sink: Arc<SinkSettings>,
    pub(super) names: FileNames,
    /// Bytes that all open files may hold together.
    pub(super) buffered_bytes_max: usize,
    pub(super) watch: Watch,
}

/// What was made; the files may still be on their way.
pub(super) struct Remade {
    /// Former files, by table.
    pub(super) removed: BTreeMap<String, Vec<String>>,
    /// Their successors and files of new rows.
    pub(super) added: Vec<PendingFile>,
    /// What became of the messages.
    pub(super) counters: Counters,
}

impl Remake {
    /// Does it. Not to be called on an async thread.
    pub(super) fn run(self) -> Result<Remade, ReplayError> {
        let mut bench = Bench::new(&self);
        self.pass_source(&mut bench)?;
        self.pass_letters(&mut bench)?;
        self.pass_raw(&mut bench)?;
        let (mut added, counters) = bench.finish()?;
        let mut removed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for table in &self.survey.tables {
            for file in &table.files {
                added.extend(self.rewrite(file)?);
                removed.entry(table.table.clone()).or_default().push(file.path.clone());
            }
            (self.watch)(Progress::Rewritten { table: &table.table, files: table.files.len() });
        }
        Ok(Remade { removed, added, counters })
    }

    /// Messages that the source has. It must have all that were processed; what was passed over then is passed
    /// over now.
    fn pass_source(&self, bench: &mut Bench<'_>) -> Result<(), ReplayError> {
        let Some(visitor) = &self.visitor else { return Ok(()) };
        for survey in &self.survey.partitions {
            let range = OffsetRange::new(survey.from_lake.end.max(survey.range.start), survey.range.end);
            let Some(processed) = self.survey.processed.get(&survey.partition.partition) else { continue };
            if range.is_empty() {
                continue;
            }
            let mut found = 0;
            let mut failure = None;
            visitor.read(&survey.partition, range, &mut |batch| {
                let known = known(batch, processed);
                let batch = known.as_ref().unwrap_or(batch);
                found += batch.len() as u64;
                failure = bench.process(batch, None).err();
                if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
            let expected = processed.count(range);
            if found != expected {
                let (place, partition) = (self.place.clone(), survey.partition.clone());
                return Err(ReplayError::OtherMessages { place, partition, range, found, expected });
            }
        }
        Ok(())
    }

    /// Messages that are dead letters now: their original bytes are there.
    fn pass_letters(&self, bench: &mut Bench<'_>) -> Result<(), ReplayError> {
        let mut waiting: BTreeSet<_> =
            self.survey.dead.iter().filter(|(number, offset)| self.is_from_lake(*number, *offset)).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let tables = self.survey.tables.iter().filter(|table| table.table == dead_letter::TABLE);
        for file in tables.flat_map(|table| &table.files) {
            let in_file = |source| ReplayError::Rows { path: file.path.clone(), source };
            for rows in self.runtime.block_on(read::batches(&self.store, file))? {
                // A message of which several rows failed has several letters.
                let choose = |_, number, offset| waiting.remove(&(number, offset));
                let parts = raw::by_partition(&self.survey.scope, &rows?, choose).map_err(in_file)?;
                for (partition, rows) in parts {
                    for batch in raw::letters(&file.path, &partition, &rows)? {
                        bench.process(&batch, None)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// All other messages, from their raw rows.
    fn pass_raw(&self, bench: &mut Bench<'_>) -> Result<(), ReplayError> {
        let scope = &self.survey.scope;
        for file in self.raw_files.iter().filter(|file| scope.may_be_in(file)) {
            let in_file = |source| ReplayError::Rows { path: file.path.clone(), source };
            let batches = read::columns(&self.store, file, &[], BATCH_ROWS);
            for rows in self.runtime.block_on(batches)? {
                let rows = rows?;
                let choose = |_, number, offset| {
                    self.is_from_lake(number, offset) && !self.survey.dead.contains(&(number, offset))
                };
                for (partition, rows) in raw::by_partition(scope, &rows, choose).map_err(in_file)? {
                    let portions =
                        raw::portions(&self.plan, &bench.row_schema, &file.path, &partition, &rows)?;
                    for raw::Portion { batch, decoded } in portions {
                        bench.process(&batch, decoded)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_from_lake(&self, number: i32, offset: Offset) -> bool {
        let survey = self.survey.partitions.iter().find(|survey| survey.partition.partition == number);
        survey.is_some_and(|survey| survey.from_lake.contains(offset))
    }

    /// The file without the rows of the messages; none if that leaves nothing.
    fn rewrite(&self, file: &DataFile) -> Result<Option<PendingFile>, ReplayError> {
        let in_file = |source| ReplayError::Rows { path: file.path.clone(), source };
        let found = self.runtime.block_on(read::builder(&self.store, file))?;
        let mut rewriter = Rewriter::new(file, read::event_time(&found), &self.sink, &self.names);
        for rows in read::rows(found, file, BATCH_ROWS)? {
            let rows = rows?;
            let kept = match self.survey.scope.covers(&rows) {
                Some(covers) => {
                    filter_record_batch(&rows, &not(&covers).map_err(in_file)?).map_err(in_file)?
                }
                None => rows,
            };
            rewriter.write(&kept)?;
        }
        Ok(rewriter.finish()?.map(|file| self.uploads.begin(file)))
    }
}

/// The messages of a batch that were processed; none if all of them were.
fn known(batch: &MessageBatch, processed: &Offsets) -> Option<MessageBatch> {
    if batch.iter().all(|message| processed.contains(message.offset)) {
        return None;
    }
    let mut known = MessageBatch::new(batch.partition().clone(), batch.range().start);
    for message in batch.iter().filter(|message| processed.contains(message.offset)) {
        known.push(message).expect("a part of a batch has room where the whole has");
    }
    Some(known)
}

/// The exchange of files that an entry names, by table.
pub(super) fn exchanges(removed: BTreeMap<String, Vec<String>>, added: Vec<DataFile>) -> Vec<Replace> {
    let mut tables: BTreeMap<String, Replace> = BTreeMap::new();
    let new = |table: &String| Replace { table: table.clone(), removed: Vec::new(), added: Vec::new() };
    for (table, paths) in removed {
        tables.entry(table.clone()).or_insert_with(|| new(&table)).removed = paths;
    }
    for file in added {
        tables.entry(file.table.clone()).or_insert_with(|| new(&file.table)).added.push(file);
    }
    tables.into_values().collect()
}

/// The steps, and a task for each partition that has messages.
struct Bench<'a> {
    remake: &'a Remake,
    row_schema: SchemaRef,
    figures: Arc<StreamFigures>,
    stage: Stage,
    tasks: BTreeMap<TopicPartition, Task>,
    files: Vec<PendingFile>,
    counters: Counters,
    processed: u64,
}

impl<'a> Bench<'a> {
    fn new(remake: &'a Remake) -> Self {
        let plan = &remake.plan;
        let figures = Arc::new(StreamFigures::new(plan));
        let decoder = Decoder::new(plan.schema.clone());
        Self {
            remake,
            row_schema: decoder.expect("the plan was made with a decoder of the same schema").row_schema(),
            stage: Stage::new(plan.clone(), figures.clone()),
            figures,
            tasks: BTreeMap::new(),
            files: Vec::new(),
            counters: Counters::default(),
            processed: 0,
        }
    }

    fn process(&mut self, batch: &MessageBatch, decoded: Option<Decoded>) -> Result<(), ReplayError> {
        if batch.is_empty() {
            return Ok(());
        }
        let Remake { uploads, survey, watch, .. } = self.remake;
        if !self.tasks.contains_key(batch.partition()) {
            let task = self.task(batch.partition());
            self.tasks.insert(batch.partition().clone(), task);
        }
        let task = self.tasks.get_mut(batch.partition()).expect("it was put there");
        task.replay(batch, decoded, &mut self.stage, uploads)
            .map_err(|error| failed(batch.partition(), error))?;
        self.check_circuits()?;
        self.processed += batch.len() as u64;
        watch(Progress::Processed { messages: self.processed, of: survey.messages() });
        let buffered: usize = self.tasks.values().map(Task::buffered_bytes).sum();
        if buffered > self.remake.buffered_bytes_max { self.close_files() } else { Ok(()) }
    }

    /// In a run, a step whose circuit is open costs its rows until the plugin is replaced; here it would replace
    /// good rows by dead letters.
    fn check_circuits(&self) -> Result<(), ReplayError> {
        let open = |step: &PlannedStep| Some((step.name.to_string(), step.step.circuit()?.to_string()));
        match self.remake.plan.steps.iter().find_map(open) {
            Some((step, reason)) => {
                Err(ReplayError::Circuit { stream: self.remake.plan.name.to_string(), step, reason })
            }
            None => Ok(()),
        }
    }

    fn task(&self, partition: &TopicPartition) -> Task {
        Task::new(TaskStart {
            plan: self.remake.plan.clone(),
            purpose: Purpose::Replay,
            partition: partition.clone(),
            position: Position { offset: 0, cursor: None },
            epoch: self.remake.survey.scope.epoch,
            watermark: (None, false),
            sink: self.remake.sink.clone(),
            names: self.remake.names.clone(),
            gauge: Arc::new(TaskGauge::new(partition.clone(), 0)),
            figures: self.figures.clone(),
        })
    }

    fn close_files(&mut self) -> Result<(), ReplayError> {
        for (partition, task) in &mut self.tasks {
            let report = task.report(&self.remake.uploads).map_err(|error| failed(partition, error))?;
            self.files.extend(report.files);
            self.counters.add(&report.counters);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<PendingFile>, Counters), ReplayError> {
        self.close_files()?;
        Ok((self.files, self.counters))
    }
}

fn failed(partition: &TopicPartition, error: TaskError) -> ReplayError {
    RunError::Task { partition: partition.clone(), error }.into()
}
