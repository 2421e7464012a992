//! One CPU thread with partitions that tests fill, the guest `misbehave` as the step of its streams, and a
//! store in memory whose tables are read back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use millstream_engine::{Engine, EngineSettings};
use millstream_model::entry::{Counters, Position, SessionId};
use millstream_model::{MessageBatch, MessageRef, Offset, OffsetRange, TopicPartition};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::sync::{mpsc, oneshot};

use super::super::Recovery;
use crate::config::{Config, WorkerSettings};
use crate::plan::StreamPlan;
use crate::sink::{FileNames, SinkSettings, read};
use crate::source::{FillLimits, PartitionReader, SourceError};
use crate::stage::Stage;
use crate::task::{Purpose, TaskReport, TaskStart};
use crate::telemetry::{StreamFigures, TaskGauge, UploadFigures};
use crate::uploads::Uploads;
use crate::worker::{Command, Event, Quota, Swapped, WorkerThread};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Batches of numbers that a partition has; each is read as one.
type Feed = Arc<Mutex<VecDeque<Vec<i64>>>>;

/// The thread, and what goes in and comes out.
pub struct Rig {
    thread: Option<WorkerThread>,
    pub events: mpsc::Receiver<Event>,
    figures: BTreeMap<String, Arc<StreamFigures>>,
    feeds: BTreeMap<(String, i32), Feed>,
    pub done: BTreeMap<(String, i32), Done>,
    store: Arc<dyn ObjectStore>,
    runtime: tokio::runtime::Runtime,
}

/// What the reports of a partition say together.
#[derive(Debug, Default)]
pub struct Done {
    /// Positions up to here.
    pub end: Offset,
    /// Offsets and numbers of the curated rows, as they were written.
    pub rows: Vec<(Offset, i64)>,
    pub counters: Counters,
    /// First digits of the configurations that made the rows, in the order of the reports.
    pub versions: Vec<String>,
}

struct Reader {
    feed: Feed,
    partition: TopicPartition,
    position: Offset,
}

impl PartitionReader for Reader {
    fn fill(&mut self, batch: &mut MessageBatch, _: FillLimits, _: Duration) -> Result<(), SourceError> {
        for number in self.feed.lock().unwrap().pop_front().unwrap_or_default() {
            let value = format!("{{\"n\":{number}}}");
            let message = MessageRef {
                offset: self.position,
                timestamp_us: None,
                key: None,
                value: Some(value.as_bytes()),
                headers: &[],
            };
            batch.push(message).unwrap();
            self.position += 1;
            batch.advance_to(self.position);
        }
        Ok(())
    }

    fn position(&self) -> Position {
        Position { offset: self.position, cursor: None }
    }

    fn end_offset(&self) -> Option<Offset> {
        let waiting: usize = self.feed.lock().unwrap().iter().map(Vec::len).sum();
        Some(self.position + waiting as Offset)
    }
}

/// A stream `stream` whose step is `misbehave` with `step` as further keys.
pub fn plan(stream: &str, step: &str) -> Arc<StreamPlan> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(EngineSettings::default()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (plugins, wasm) = (folder.path().join("plugins"), millstream_guests::wasm("misbehave"));
    std::fs::create_dir(&plugins).unwrap();
    std::fs::copy(&wasm, plugins.join("misbehave.wasm")).unwrap();
    std::fs::write(plugins.join("misbehave.toml"), "[limits]\ndeadline = \"100ms\"\n").unwrap();
    let mut text = "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\n".to_owned();
    write!(
        text,
        "[streams.{stream}]\ntopic = \"{stream}\"\n[streams.{stream}.schema]\n\
         n = {{ type = \"int64\", required = true }}\n[[streams.{stream}.steps]]\nname = \"guest\"\n\
         plugin = \"misbehave\"\n{step}\n"
    )
    .unwrap();
    let file = folder.path().join("millstream.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::read(&file, []).unwrap();
    let plugin = engine.load(&wasm).unwrap();
    Arc::new(StreamPlan::new(&config.streams[0], &[plugin]).unwrap())
}

/// The keys of a step in this mode.
pub fn mode(mode: &str) -> String {
    format!("config = {{ mode = \"{mode}\" }}")
}

impl Rig {
    /// Partitions 0 and 1 of each stream are open.
    pub fn new(plans: &[Arc<StreamPlan>]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let uploads =
            Uploads::new(store.clone(), runtime.handle().clone(), Arc::new(UploadFigures::default()));
        let (sender, events) = mpsc::channel(64);
        let settings = WorkerSettings {
            name: "w".to_owned(),
            threads: 1,
            batch_rows_max: 1000,
            batch_bytes_max: 1 << 20,
        };
        let quota = Quota { rows_max: u64::MAX, bytes_max: usize::MAX / 2 };
        let recovery = Recovery::start(1).unwrap();
        let thread = WorkerThread::start(0, &settings, quota, uploads, recovery, sender).unwrap();
        let mut rig = Self {
            thread: Some(thread),
            events,
            figures: BTreeMap::new(),
            feeds: BTreeMap::new(),
            done: BTreeMap::new(),
            store,
            runtime,
        };
        let names = FileNames::new(SessionId("rig".to_owned()));
        for plan in plans {
            let figures = Arc::new(StreamFigures::new(plan));
            rig.figures.insert(plan.name.to_string(), figures.clone());
            let starts = [0, 1].map(|number| rig.start(plan, &figures, number, &names));
            rig.send(Command::Open(starts.into()));
        }
        rig
    }

    fn start(
        &mut self,
        plan: &Arc<StreamPlan>,
        figures: &Arc<StreamFigures>,
        number: i32,
        names: &FileNames,
    ) -> TaskStart {
        let partition = TopicPartition::new(plan.topic.clone(), number);
        let feed = Feed::default();
        self.feeds.insert((plan.name.to_string(), number), feed.clone());
        TaskStart {
            plan: plan.clone(),
            purpose: Purpose::Run(Box::new(Reader { feed, partition: partition.clone(), position: 0 })),
            partition: partition.clone(),
            position: Position { offset: 0, cursor: None },
            epoch: 0,
            watermark: (None, false),
            sink: Arc::new(SinkSettings::default()),
            names: names.clone(),
            gauge: Arc::new(TaskGauge::new(partition, 0)),
            figures: figures.clone(),
        }
    }

    pub fn figures(&self, stream: &str) -> &Arc<StreamFigures> {
        &self.figures[stream]
    }

    /// Puts a batch into a partition.
    pub fn feed(&self, stream: &str, partition: i32, numbers: &[i64]) {
        self.feeds[&(stream.to_owned(), partition)].lock().unwrap().push_back(numbers.to_vec());
    }

    pub fn send(&self, command: Command) {
        assert!(self.thread.as_ref().unwrap().send(command));
    }

    pub fn pause(&self, streams: &[&str]) {
        let streams: BTreeSet<Arc<str>> = streams.iter().map(|stream| Arc::from(*stream)).collect();
        self.send(Command::Pause(streams));
    }

    /// Lets all tasks report.
    pub fn barrier(&mut self) {
        let (reply, reports) = oneshot::channel();
        self.send(Command::Barrier(reply));
        let reports = reports.blocking_recv().unwrap();
        self.add(reports);
    }

    /// Exchanges the stage of the plan's stream.
    pub fn swap(&mut self, plan: &Arc<StreamPlan>) -> Vec<Stage> {
        let mut stage = Stage::new(plan.clone(), self.figures(&plan.name).clone());
        stage.warm().unwrap();
        let (reply, swapped) = oneshot::channel();
        self.send(Command::Swap { stages: vec![stage], reply });
        let Swapped { reports, replaced, held } = swapped.blocking_recv().unwrap();
        assert!(held > Duration::ZERO);
        self.add(reports);
        replaced
    }

    /// Waits until `reached` holds.
    pub fn until(&mut self, reached: impl Fn(&mut Self) -> bool) {
        let began = Instant::now();
        while !reached(self) {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.done);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until a partition is reported up to `end`, and gives what was reported of it.
    pub fn until_end(&mut self, stream: &str, partition: i32, end: Offset) -> &Done {
        let key = (stream.to_owned(), partition);
        self.until(|rig| {
            rig.barrier();
            rig.done.get(&key).is_some_and(|done| done.end >= end)
        });
        &self.done[&key]
    }

    /// Waits until a batch of the stream has gone aside.
    pub fn until_aside(&mut self, stream: &str) {
        let figures = self.figures(stream).clone();
        self.until(|_| figures.steps()[0].aside_batches() > 0);
    }

    fn add(&mut self, reports: Vec<TaskReport>) {
        for report in reports {
            let key = (report.stream.to_string(), report.partition.partition);
            let mut rows = Vec::new();
            let curated = format!("curated.{}", report.stream);
            for file in report.files {
                let file = self.runtime.block_on(file.finish()).unwrap();
                if file.table == curated {
                    rows.extend(self.rows(&file));
                }
            }
            let done = self.done.entry(key).or_default();
            let OffsetRange { start, end } = report.range;
            assert_eq!(start, done.end, "a report begins where the last one ended");
            done.end = end;
            done.rows.extend(rows);
            done.counters.add(&report.counters);
            if start < end {
                done.versions.push(report.plan.steps[0].config.short());
            }
        }
    }

    fn rows(&self, file: &millstream_model::entry::DataFile) -> Vec<(Offset, i64)> {
        let files = std::slice::from_ref(file);
        let batches = self.runtime.block_on(read::first_rows(&self.store, files, usize::MAX)).unwrap();
        let column = |name: &str| -> Vec<i64> {
            let columns = batches.iter().map(|rows| rows.column_by_name(name).unwrap());
            columns.flat_map(|column| column.as_primitive::<Int64Type>().values().to_vec()).collect()
        };
        column("_offset").into_iter().zip(column("n")).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Before the runtime that it uploads with.
        self.thread.take();
    }
}
