//! A CPU thread and the tasks pinned to it. It owns their readers, wasm instances and open files, so
//! nothing on the way of a batch takes a lock. Commands, and batches that went aside, come in over a bounded
//! channel, events go out over another; the thread waits for nothing but room to upload.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millstream_model::{Digest, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use crate::aside::{Finished, Recovery, Reply};
use crate::chain::OpenCircuit;
use crate::config::WorkerSettings;
use crate::source::FillLimits;
use crate::stage::Stage;
use crate::task::{Task, TaskError, TaskReport, TaskStart, Turn};
use crate::telemetry::TaskGauge;
use crate::uploads::Uploads;

/// Messages that may wait for a thread. The coordinator sends a handful at most between two barriers, and
/// every pass of the thread takes all of them, so sending does not block in practice.
const INBOX_MAX: usize = 64;
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
    inbox: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// What comes into a thread.
enum Message {
    Command(Command),
    /// A batch that went aside has come back.
    Finished(Finished),
    /// The thread ends.
    End,
}

impl WorkerThread {
    /// Starts thread number `index`; batches that hold it up go to `recovery`.
    pub fn start(
        index: usize,
        settings: &WorkerSettings,
        quota: Quota,
        uploads: Uploads,
        recovery: Recovery,
        events: mpsc::Sender<Event>,
    ) -> std::io::Result<Self> {
        let (sender, inbox) = sync_channel(INBOX_MAX);
        let limits = FillLimits { rows: settings.batch_rows_max, bytes: settings.batch_bytes_max };
        let surroundings = Surroundings {
            uploads,
            recovery,
            inbox: sender.clone(),
            paused: BTreeSet::new(),
            unsent: VecDeque::new(),
        };
        let worker = Worker {
            tasks: Vec::new(),
            stages: BTreeMap::new(),
            surroundings,
            limits,
            quota,
            rows: 0,
            asked: false,
            draining: false,
            events,
        };
        let thread =
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run(&inbox))?;
        Ok(Self { inbox: sender, thread: Some(thread) })
    }

    /// Sends a command. False if the thread has ended, which it does only by a bug.
    pub fn send(&self, command: Command) -> bool {
        self.inbox.send(Message::Command(command)).is_ok()
    }
}

impl Drop for WorkerThread {
    /// Ends the thread and waits for it; what it did since the last checkpoint is given up.
    fn drop(&mut self) {
        // Where the thread has ended nobody hears it, and nobody need.
        let _ = self.inbox.send(Message::End);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

struct Worker {
    tasks: Vec<Task>,
    stages: BTreeMap<Arc<str>, Stage>,
    surroundings: Surroundings,
    limits: FillLimits,
    quota: Quota,
    rows: u64,
    asked: bool,
    draining: bool,
    events: mpsc::Sender<Event>,
}

/// What a task's turn needs beside the task and its stage.
struct Surroundings {
    uploads: Uploads,
    recovery: Recovery,
    /// The thread's own, for batches that come back.
    inbox: SyncSender<Message>,
    /// Streams that are not read.
    paused: BTreeSet<Arc<str>>,
    /// Events that found the channel full. The thread never waits for the coordinator, which may be
    /// waiting for the thread.
    unsent: VecDeque<Event>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut idle = true;
        loop {
            let wait = if idle { IDLE } else { Duration::ZERO };
            idle = false;
            match inbox.recv_timeout(wait) {
                Ok(Message::Command(command)) => self.obey(command),
                Ok(Message::Finished(finished)) => self.take_back(finished),
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    idle = self.pass() == 0;
                    self.tell();
                }
            }
        }
    }

    fn tell(&mut self) {
        let unsent = &mut self.surroundings.unsent;
        while let Some(event) = unsent.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                return unsent.push_front(event);
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
            Command::Pause(streams) => self.pause(streams),
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

    fn pause(&mut self, streams: BTreeSet<Arc<str>>) {
        let before = std::mem::replace(&mut self.surroundings.paused, streams);
        for stream in before.difference(&self.surroundings.paused) {
            self.stages.get(stream).into_iter().for_each(Stage::resume);
        }
    }

    fn report(&mut self) -> Vec<TaskReport> {
        let mut reports = Vec::new();
        self.each_task(|task, _, surroundings| {
            reports.push(task.report(&surroundings.uploads)?);
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
        let mut read = 0;
        self.each_task(|task, stage, surroundings| {
            if surroundings.paused.contains(&task.plan().name) || stage.is_held() {
                return Ok(());
            }
            let turn = task.step(limits, stage, &surroundings.uploads)?;
            read += surroundings.follow(turn, task, stage);
            Ok(())
        });
        self.count(read);
        read
    }

    /// Gives a batch that has come back to its task, if that is still there.
    fn take_back(&mut self, finished: Finished) {
        let Finished { task: of, ticket, answer } = finished;
        let mut answer = Some(answer);
        let mut read = 0;
        self.each_task(|task, stage, surroundings| {
            if let Some(answer) = answer.take_if(|_| Arc::ptr_eq(task.gauge(), &of)) {
                let turn = task.resume(ticket, answer, stage, &surroundings.uploads)?;
                read = surroundings.follow(turn, task, stage);
            }
            Ok(())
        });
        self.count(read);
        self.tell();
    }

    /// Counts messages that were read, and asks for a checkpoint when there are enough.
    fn count(&mut self, read: usize) {
        self.rows += read as u64;
        if !self.asked && (self.rows >= self.quota.rows_max || self.is_full(1)) {
            self.asked = true;
            self.surroundings.unsent.push_back(Event::Pressure);
        }
    }

    fn is_full(&self, times: usize) -> bool {
        let buffered = self.tasks.iter().map(Task::buffered_bytes).sum::<usize>();
        buffered >= self.quota.bytes_max * times
    }

    /// Runs `work` on every task; a task that fails is given up and reported.
    fn each_task(
        &mut self,
        mut work: impl FnMut(&mut Task, &mut Stage, &mut Surroundings) -> Result<(), TaskError>,
    ) {
        let Self { tasks, stages, surroundings, .. } = self;
        tasks.retain_mut(|task| {
            let stage = stages.get_mut(&task.plan().name).expect("a task is opened with its stage");
            match work(task, stage, surroundings) {
                Ok(()) => true,
                Err(error) => {
                    surroundings.unsent.push_back(Event::Failed(task.gauge().clone(), error));
                    false
                }
            }
        });
    }
}

impl Surroundings {
    /// Does what a task's turn asks for; gives the messages that were read and processed.
    fn follow(&mut self, turn: Turn, task: &Task, stage: &Stage) -> usize {
        match turn {
            Turn::Done(messages) => return messages,
            Turn::Aside(ticket, passage) => {
                let inbox = self.inbox.clone();
                // Nobody takes the answer when the thread has ended, and then nobody waits for it.
                let send = move |finished| drop(inbox.send(Message::Finished(finished)));
                let reply = Reply::new(task.gauge().clone(), ticket, send);
                self.recovery.begin(stage.job(passage, reply));
            }
            Turn::Open(OpenCircuit { step, reason }) => {
                if stage.hold(step) {
                    let (plan, of) = (stage.plan(), &stage.plan().steps[step]);
                    self.unsent.push_back(Event::CircuitOpened {
                        stream: plan.name.clone(),
                        step: of.name.clone(),
                        plugin: of.step.plugin().digest(),
                        reason,
                    });
                }
            }
        }
        0
    }
}
