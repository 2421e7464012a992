//! The threads that batches go to when a step does not take them quickly. They are few and shared by all
//! CPU threads; each has instances of its own, made when the first batch of a plan comes and kept while the
//! plan lives. A task gives one batch at a time, and gets its answer over the inbox of its CPU thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use arrow::error::ArrowError;

use crate::chain::{Chain, OpenCircuit, Passage};
use crate::plan::StreamPlan;
use crate::tap::Taps;
use crate::telemetry::TaskGauge;

/// Threads at least. No stream takes all of them, and one whose guilty rows are being found has another one for
/// its other partitions.
const THREADS_MIN: usize = 3;
/// Threads at most. They compete with the CPU threads for the same cores.
const THREADS_MAX: usize = 4;

/// A way to the threads. They end with the last clone, each after the batch in its hands.
#[derive(Clone)]
pub(crate) struct Recovery {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
}

/// A batch that goes aside.
pub(crate) struct Job {
    /// The plan whose steps it passes.
    pub(crate) plan: Arc<StreamPlan>,
    /// The batch, which has passed the first of them.
    pub(crate) passage: Box<Passage>,
    /// Who looks at the rows of its stream.
    pub(crate) taps: Arc<Taps>,
    /// Where the answer goes.
    pub(crate) reply: Reply,
}

/// The way back of a batch. If it is dropped without an answer, that is the answer.
pub(crate) struct Reply {
    task: Arc<TaskGauge>,
    ticket: u64,
    send: Option<Box<dyn FnOnce(Finished) + Send>>,
}

/// A batch has come back.
pub(crate) struct Finished {
    /// The task that gave it.
    pub(crate) task: Arc<TaskGauge>,
    /// Which of its batches it is.
    pub(crate) ticket: u64,
    /// What became of it.
    pub(crate) answer: Answer,
}

/// What became of a batch.
pub(crate) enum Answer {
    /// It has passed all steps.
    Through(Box<Passage>),
    /// The circuit of a step is open; the batch had no effect.
    Open(OpenCircuit),
    /// A predicate could not be evaluated.
    Routes(ArrowError),
    /// The thread ended over it, which is a bug.
    Lost,
}

impl Reply {
    /// `send` takes the answer to batch number `ticket` of `task`.
    pub(crate) fn new(
        task: Arc<TaskGauge>,
        ticket: u64,
        send: impl FnOnce(Finished) + Send + 'static,
    ) -> Self {
        Self { task, ticket, send: Some(Box::new(send)) }
    }

    fn answer(mut self, answer: Answer) {
        self.send(answer);
    }

    fn send(&mut self, answer: Answer) {
        if let Some(send) = self.send.take() {
            send(Finished { task: self.task.clone(), ticket: self.ticket, answer });
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Answer::Lost);
    }
}

impl Recovery {
    /// Starts threads for so many CPU threads.
    pub(crate) fn start(cpu_threads: usize) -> std::io::Result<Self> {
        let threads = cpu_threads.clamp(THREADS_MIN, THREADS_MAX);
        let queue = Arc::new(Queue { threads, jobs: Mutex::default(), changed: Condvar::new() });
        let recovery = Self { handle: Arc::new(Handle { queue: queue.clone() }) };
        for index in 0..threads {
            let queue = queue.clone();
            let name = format!("aside-{index}");
            std::thread::Builder::new().name(name).spawn(move || Chains::default().run(&queue))?;
        }
        Ok(recovery)
    }

    /// Gives a batch to the threads. Never waits: there is one batch of a task at most.
    pub(crate) fn begin(&self, job: Job) {
        self.handle.queue.put(job);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Batches that wait for a thread: at most one of each task, so the tasks bound it.
struct Queue {
    threads: usize,
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Threads that work for a stream.
    working: BTreeMap<Arc<str>, usize>,
    is_closed: bool,
}

impl Queue {
    fn put(&self, job: Job) {
        self.lock().waiting.push_back(job);
        self.changed.notify_all();
    }

    fn close(&self) {
        let waiting = {
            let mut jobs = self.lock();
            jobs.is_closed = true;
            std::mem::take(&mut jobs.waiting)
        };
        self.changed.notify_all();
        drop(waiting);
    }

    /// The next batch, of a stream that leaves a thread to the others; none when there will be no more.
    fn take(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if jobs.is_closed {
                return None;
            }
            let working = |job: &Job| jobs.working.get(&job.plan.name).copied().unwrap_or(0);
            if let Some(next) = jobs.waiting.iter().position(|job| working(job) + 1 < self.threads) {
                let job = jobs.waiting.remove(next).expect("its position was just found");
                *jobs.working.entry(job.plan.name.clone()).or_default() += 1;
                return Some(job);
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, stream: &Arc<str>) {
        let mut jobs = self.lock();
        if let Some(working) = jobs.working.get_mut(stream) {
            *working -= 1;
        }
        jobs.working.retain(|_, working| *working > 0);
        drop(jobs);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instances of one thread, by plan.
#[derive(Default)]
struct Chains(Vec<(Weak<StreamPlan>, Chain)>);

impl Chains {
    fn run(mut self, queue: &Queue) {
        while let Some(job) = queue.take() {
            let stream = job.plan.name.clone();
            let Job { plan, mut passage, taps, reply } = job;
            let recovered = self.of(&plan).recover(&plan, &mut passage, &taps);
            // Before the answer, so that the plan can end with the task that hears of it.
            drop(plan);
            reply.answer(match recovered {
                Ok(None) => Answer::Through(passage),
                Ok(Some(open)) => Answer::Open(open),
                Err(error) => Answer::Routes(error),
            });
            queue.done(&stream);
        }
    }

    fn of(&mut self, plan: &Arc<StreamPlan>) -> &mut Chain {
        self.0.retain(|(plan, _)| plan.strong_count() > 0);
        let known = self.0.iter().position(|(known, _)| Weak::as_ptr(known) == Arc::as_ptr(plan));
        let index = known.unwrap_or_else(|| {
            self.0.push((Arc::downgrade(plan), Chain::new(plan)));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}
