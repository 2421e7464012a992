//! A CPU thread and the tasks pinned to it. It owns their readers, wasm instances and open files, so
//! nothing on the way of a batch takes a lock. Commands come in over a bounded channel, events go out
//! over another; the thread waits for nothing but room to upload.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millstream_model::{Digest, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use crate::config::WorkerSettings;
use crate::source::FillLimits;
use crate::stage::Stage;
use crate::task::{Task, TaskError, TaskReport, TaskStart};
use crate::telemetry::TaskGauge;
use crate::uploads::Uploads;

/// Commands that may wait for a thread. The coordinator sends a handful at most between two barriers,
/// and every pass of the thread takes all of them, so sending does not block in practice.
const COMMANDS_MAX: usize = 64;
/// How long an idle thread sleeps before it looks at its partitions again.
const IDLE: Duration = Duration::from_millis(5);

/// What a thread is told.
pub enum Command {
    /// Begin these tasks.
    Open(Vec<TaskStart>),
    /// Give these tasks up, with all they did since the last checkpoint; none: all of them.
    Close(Option<Vec<TopicPartition>>),
    /// Close all files and report; the next interval begins.
    Barrier(oneshot::Sender<Vec<TaskReport>>),
    /// As a barrier, and nothing is read after it.
    Drain(oneshot::Sender<Vec<TaskReport>>),
    /// As a barrier, and behind it the streams of these stages go on with them.
    Swap {
        /// A stage for each stream that changes; warm, since its first batch comes at once.
        stages: Vec<Stage>,
        /// What was done before.
        reply: oneshot::Sender<Swapped>,
    },
    /// These streams are not read until a later command no longer names them; all others are.
    Pause(BTreeSet<Arc<str>>),
}

/// What a thread did before a swap, and what the swap took out.
pub struct Swapped {
    /// Reports of all tasks, under the plans that made their rows.
    pub reports: Vec<TaskReport>,
    /// The stages that were replaced. Dropping them takes a while, which is nothing for a CPU thread.
    pub replaced: Vec<Stage>,
    /// How long the exchange kept the thread from its tasks, without the closing of files before it.
    pub held: Duration,
}

/// What a thread tells.
#[derive(Debug)]
pub enum Event {
    /// Enough has been read for a checkpoint.
    Pressure,
    /// The task with this gauge cannot go on and has been given up.
    Failed(Arc<TaskGauge>, TaskError),
    /// The circuit of a step opened: its stream is held until the step is replaced or the stream resumed. Told
    /// once by a process.
    CircuitOpened {
        /// The stream.
        stream: Arc<str>,
        /// The step.
        step: Arc<str>,
        /// Its plugin.
        plugin: Digest,
        /// Why.
        reason: Arc<str>,
    },
}

/// When a thread asks for a checkpoint, and when it stops reading until there was one.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Messages since the last checkpoint.
    pub rows_max: u64,
    /// Bytes in open files since the last checkpoint. At twice as many the thread stops reading.
    pub bytes_max: usize,
}

/// A thread that is running.
pub struct WorkerThread {
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerThread {
    /// Starts thread number `index`.
    pub fn start(
        index: usize,
        settings: &WorkerSettings,
        quota: Quota,
        uploads: Uploads,
        events: mpsc::Sender<Event>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(COMMANDS_MAX);
        let limits = FillLimits { rows: settings.batch_rows_max, bytes: settings.batch_bytes_max };
        let worker = Worker {
            tasks: Vec::new(),
            stages: BTreeMap::new(),
            paused: BTreeSet::new(),
            limits,
            quota,
            rows: 0,
            asked: false,
            draining: false,
            uploads,
            events,
            unsent: VecDeque::new(),
        };
        let thread =
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run(&inbox))?;
        Ok(Self { commands, thread: Some(thread) })
    }

    /// Sends a command. False if the thread has ended, which it does only by a bug.
    pub fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }
}

impl Drop for WorkerThread {
    /// Ends the thread and waits for it; what it did since the last checkpoint is given up.
    fn drop(&mut self) {
        let (closed, _) = sync_channel(0);
        self.commands = closed;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

struct Worker {
    tasks: Vec<Task>,
    stages: BTreeMap<Arc<str>, Stage>,
    /// Streams that are not read.
    paused: BTreeSet<Arc<str>>,
    limits: FillLimits,
    quota: Quota,
    rows: u64,
    asked: bool,
    draining: bool,
    uploads: Uploads,
    events: mpsc::Sender<Event>,
    /// Events that found the channel full. The thread never waits for the coordinator, which may be
    /// waiting for the thread.
    unsent: VecDeque<Event>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        let mut idle = true;
        loop {
            let wait = if idle { IDLE } else { Duration::ZERO };
            match inbox.recv_timeout(wait) {
                Ok(command) => {
                    self.obey(command);
                    idle = false;
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            idle = self.pass() == 0;
            self.tell();
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.unsent.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                return self.unsent.push_front(event);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open(starts) => {
                starts.into_iter().for_each(|start| self.open(start));
                self.draining = false;
            }
            Command::Close(Some(partitions)) => {
                self.tasks.retain(|task| !partitions.contains(task.partition()))
            }
            Command::Close(None) => self.tasks.clear(),
            // Nobody waits for an answer when the coordinator is gone, and then nothing is committed.
            Command::Barrier(reply) => drop(reply.send(self.report())),
            Command::Drain(reply) => {
                self.draining = true;
                drop(reply.send(self.report()));
            }
            Command::Swap { stages, reply } => drop(reply.send(self.swap(stages))),
            Command::Pause(streams) => self.paused = streams,
        }
    }

    fn open(&mut self, start: TaskStart) {
        let is_current = |stage: &Stage| Arc::ptr_eq(stage.plan(), &start.plan);
        if !self.stages.get(&start.plan.name).is_some_and(is_current) {
            self.enter(Stage::new(start.plan.clone(), start.figures.clone()));
        }
        self.tasks.push(Task::new(start));
    }

    fn swap(&mut self, stages: Vec<Stage>) -> Swapped {
        let reports = self.report();
        let began = Instant::now();
        let replaced = stages.into_iter().filter_map(|stage| self.enter(stage)).collect();
        Swapped { reports, replaced, held: began.elapsed() }
    }

    /// Gives a stage its place; the one that had it, if any. All tasks of the stream have reported.
    fn enter(&mut self, stage: Stage) -> Option<Stage> {
        let plan = stage.plan().clone();
        self.tasks
            .iter_mut()
            .filter(|task| task.plan().name == plan.name)
            .for_each(|task| task.change(plan.clone()));
        stage.enter();
        self.stages.insert(plan.name.clone(), stage)
    }

    fn report(&mut self) -> Vec<TaskReport> {
        let mut reports = Vec::new();
        self.each_task(|task, _, uploads| {
            reports.push(task.report(uploads)?);
            Ok(())
        });
        self.stages.values_mut().for_each(Stage::publish);
        self.rows = 0;
        self.asked = false;
        // Before the reports, so that who has these can know which tasks failed meanwhile.
        self.tell();
        reports
    }

    /// Lets every task process a batch; returns the messages read.
    fn pass(&mut self) -> usize {
        if self.draining || self.is_full(2) {
            return 0;
        }
        let limits = self.limits;
        let paused = std::mem::take(&mut self.paused);
        let mut read = 0;
        self.each_task(|task, stage, uploads| {
            if paused.contains(&task.plan().name) {
                return Ok(());
            }
            read += task.step(limits, stage, uploads)?;
            Ok(())
        });
        self.paused = paused;
        self.rows += read as u64;
        if !self.asked && (self.rows >= self.quota.rows_max || self.is_full(1)) {
            self.asked = true;
            self.unsent.push_back(Event::Pressure);
        }
        read
    }

    fn is_full(&self, times: usize) -> bool {
        let buffered = self.tasks.iter().map(Task::buffered_bytes).sum::<usize>();
        buffered >= self.quota.bytes_max * times
    }

    /// Runs `work` on every task; a task that fails is given up and reported.
    fn each_task(&mut self, mut work: impl FnMut(&mut Task, &mut Stage, &Uploads) -> Result<(), TaskError>) {
        let Self { tasks, stages, uploads, unsent, .. } = self;
        tasks.retain_mut(|task| {
            let stage = stages.get_mut(&task.plan().name).expect("a task is opened with its stage");
            match work(task, stage, uploads) {
                Ok(()) => true,
                Err(error) => {
                    unsent.push_back(Event::Failed(task.gauge().clone(), error));
                    false
                }
            }
        });
    }
}
