//! Wires the data path: source → tasks on CPU threads → uploads → one entry of the log. The
//! coordinator below is the only one that talks to the log, and it takes every position from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::Engine;
use millstream_log::{LogState, Rejection};
use millstream_model::entry::{Body, ConsumedRange, Counters, Data, Position, Sequence, SessionId};
use millstream_model::{Clock, Offset, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::{AppendError, CheckpointLog};
use crate::config::Config;
use crate::error::RunError;
use crate::lake::Lake;
use crate::plan::StreamPlan;
use crate::sink::FileNames;
use crate::source::{self, Remedy, Source, SourceError, SourceEvent};
use crate::start;
use crate::task::{TaskError, TaskReport, TaskStart};
use crate::telemetry::{TaskGauge, Telemetry};
use crate::uploads::Uploads;
use crate::worker::{Command, Event, Quota, WorkerThread};

/// Events of the source, and of the threads, that may wait for the coordinator.
const EVENTS_MAX: usize = 64;
/// Shortest time between two looks at the clock.
const TICK: Duration = Duration::from_millis(20);
/// Time between two attempts to open a partition that the source does not give now.
const OPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long a partition may stay unopened before the run gives up.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);

/// When a run ends by itself: as soon as all that is set here holds. With nothing set, it does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// This long after the start.
    pub elapsed: Option<Duration>,
    /// When every message that is there has been committed.
    pub caught_up: bool,
}

/// What the run is like at a moment; given to the observer at the start, about once a
/// second and at the end.
pub struct Progress<'a> {
    /// Time since the start.
    pub elapsed: Duration,
    /// Live figures.
    pub telemetry: &'a Telemetry,
    /// Messages between the tasks and the ends of their partitions; none as long as it is not known
    /// which partitions are ours, or where one of them ends.
    pub lag: Option<u64>,
    /// What is committed.
    pub log: &'a LogState,
    /// True at the last call.
    pub last: bool,
}

/// Runs the streams of `config` until it is told to stop (`stop` resolves) or `until` is reached. What
/// was read is committed before it returns, unless it returns an error.
pub async fn run(
    config: &Config,
    engine: &Engine,
    clock: Arc<dyn Clock>,
    until: Until,
    stop: impl Future<Output = ()>,
    observe: impl FnMut(Progress<'_>),
) -> Result<(), RunError> {
    let lake = Lake::open(&config.lake_url)?;
    let (source_events, inbox) = mpsc::channel(EVENTS_MAX);
    let topics: Vec<_> = config.streams.iter().map(|stream| stream.topic.clone()).collect();
    let settings = config.source.clone();
    let source = tokio::task::spawn_blocking(move || source::connect(&settings, &topics, source_events))
        .await
        .map_err(|error| RunError::Thread { what: error.to_string() })??;
    let started = start::start(config, engine, &lake, source.identity(), clock).await;
    let result = match started {
        Ok(started) => {
            let coordinator = Coordinator::new(config, &lake, source.clone(), started)?;
            coordinator.run(inbox, until, stop, observe).await
        }
        Err(error) => {
            drop(inbox);
            Err(error)
        }
    };
    // Leaving the group waits for the broker, which is nothing for an async thread. The receiver of
    // its last events is gone by now, so nobody has to acknowledge them.
    let stopped = tokio::task::spawn_blocking(move || source.stop()).await;
    result.and(stopped.map_err(|error| RunError::Thread { what: error.to_string() }))
}

/// What start-up made ready.
pub struct Started {
    /// The log, at its head, with a session of ours open.
    pub log: CheckpointLog,
    /// Our session.
    pub session: SessionId,
    /// Streams by topic.
    pub plans: BTreeMap<Arc<str>, Arc<StreamPlan>>,
}

struct Coordinator<'a> {
    config: &'a Config,
    source: Arc<dyn Source>,
    log: CheckpointLog,
    plans: BTreeMap<Arc<str>, Arc<StreamPlan>>,
    names: FileNames,
    threads: Vec<WorkerThread>,
    events: mpsc::Receiver<Event>,
    telemetry: Arc<Telemetry>,
    assigned: BTreeMap<TopicPartition, Arc<TaskGauge>>,
    /// Partitions that are ours and could not be opened, since when.
    unopened: BTreeMap<TopicPartition, Instant>,
    /// When they are tried again.
    open_again: Instant,
    /// False until the source has said which partitions are ours, and in the middle of a rebalance.
    assignment_known: bool,
    last_checkpoint: Instant,
}

impl<'a> Coordinator<'a> {
    fn new(
        config: &'a Config,
        lake: &Lake,
        source: Arc<dyn Source>,
        started: Started,
    ) -> Result<Self, RunError> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let telemetry = Arc::new(Telemetry::default());
        let uploads = Uploads::new(lake.store(), tokio::runtime::Handle::current());
        let threads = config.worker.threads;
        let quota = Quota {
            rows_max: config.checkpoint.rows_max.div_ceil(threads as u64),
            bytes_max: config.checkpoint.bytes_max.div_ceil(threads),
        };
        let start = |index| {
            let (uploads, telemetry) = (uploads.clone(), telemetry.clone());
            WorkerThread::start(index, &config.worker, quota, uploads, telemetry, sender.clone())
                .map_err(|error| RunError::Thread { what: error.to_string() })
        };
        let threads = (0..threads).map(start).collect::<Result<_, _>>()?;
        Ok(Self {
            config,
            source,
            log: started.log,
            plans: started.plans,
            names: FileNames::new(started.session),
            threads,
            events,
            telemetry,
            assigned: BTreeMap::new(),
            unopened: BTreeMap::new(),
            open_again: Instant::now(),
            assignment_known: false,
            last_checkpoint: Instant::now(),
        })
    }

    async fn run(
        mut self,
        mut source_events: mpsc::Receiver<SourceEvent>,
        until: Until,
        stop: impl Future<Output = ()>,
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<(), RunError> {
        let start = Instant::now();
        let mut observed = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        observe(self.progress(start, false));
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(event) = source_events.recv() => self.on_source(event).await?,
                Some(event) = self.events.recv() => self.on_worker(event).await?,
                _ = ticks.tick() => self.on_tick().await?,
            }
            if observed.elapsed() >= Duration::from_secs(1) {
                observed = Instant::now();
                observe(self.progress(start, false));
            }
            if self.is_over(until, start).await? {
                break;
            }
        }
        self.checkpoint(Command::Drain).await?;
        self.unheard_failure()?;
        observe(self.progress(start, true));
        Ok(())
    }

    async fn on_tick(&mut self) -> Result<(), RunError> {
        if self.last_checkpoint.elapsed() >= self.config.checkpoint.interval {
            self.checkpoint(Command::Barrier).await?;
        }
        if !self.unopened.is_empty() && Instant::now() >= self.open_again {
            self.open(self.unopened.keys().cloned().collect()).await?;
        }
        Ok(())
    }

    /// The error of a task that failed while it was asked to finish: what it did is not committed.
    fn unheard_failure(&mut self) -> Result<(), RunError> {
        while let Ok(event) = self.events.try_recv() {
            if let Event::Failed(task, error @ (TaskError::Sink(_) | TaskError::DeadLetters(_))) = event
                && self.is_current(&task)
            {
                return Err(RunError::Task { partition: task.partition.clone(), error });
            }
        }
        Ok(())
    }

    /// True if `task` is the one that reads its partition now, not an earlier one.
    fn is_current(&self, task: &Arc<TaskGauge>) -> bool {
        self.assigned.get(&task.partition).is_some_and(|current| Arc::ptr_eq(current, task))
    }

    fn progress(&self, start: Instant, last: bool) -> Progress<'_> {
        Progress {
            elapsed: start.elapsed(),
            telemetry: &self.telemetry,
            lag: self.lag(),
            log: self.log.state(),
            last,
        }
    }

    fn lag(&self) -> Option<u64> {
        let known = self.assignment_known && self.unopened.is_empty();
        let lags = || self.assigned.values().map(|gauge| gauge.lag());
        known.then(|| lags().sum::<Option<u64>>()).flatten()
    }

    async fn on_source(&mut self, event: SourceEvent) -> Result<(), RunError> {
        match event {
            SourceEvent::Assigned(partitions) => {
                tracing::info!(partitions = ?names(&partitions), "partitions assigned");
                self.assignment_known = true;
                self.open(partitions).await
            }
            SourceEvent::Revoked { partitions, lost, done } => {
                tracing::info!(partitions = ?names(&partitions), lost, "partitions revoked");
                if !lost {
                    self.checkpoint(Command::Barrier).await?;
                }
                self.forget(&partitions);
                done.done();
                Ok(())
            }
            SourceEvent::Failed(error) => Err(error.into()),
        }
    }

    async fn on_worker(&mut self, event: Event) -> Result<(), RunError> {
        let (task, error) = match event {
            Event::Pressure => return self.checkpoint(Command::Barrier).await,
            // What an earlier task of a partition says does not concern the one that reads it now.
            Event::Failed(task, _) if !self.is_current(&task) => return Ok(()),
            Event::Failed(task, error) => (task, error),
        };
        let partition = task.partition.clone();
        match error {
            TaskError::Source(error) if error.remedy() == Remedy::Reopen => {
                tracing::warn!(%partition, %error, "reading again from the last checkpoint");
                self.close(std::slice::from_ref(&partition));
                self.open(vec![partition]).await
            }
            TaskError::Source(error) if error.remedy() == Remedy::Forget => {
                tracing::info!(%partition, %error, "the partition is not ours any more");
                self.forget(&[partition]);
                Ok(())
            }
            error => {
                // What the other tasks did is good: it is committed before the process gives up.
                self.close(std::slice::from_ref(&partition));
                self.checkpoint(Command::Drain).await?;
                Err(RunError::Task { partition, error })
            }
        }
    }

    /// Opens partitions where the log says, and hands them to their threads. Those that the source does
    /// not give now are tried again later.
    async fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<(), RunError> {
        self.log.refresh().await?;
        let mut starts: BTreeMap<usize, Vec<TaskStart>> = BTreeMap::new();
        let mut answers = true;
        for partition in partitions {
            if !answers {
                // Each would cost the source's time-out.
                self.unopened.entry(partition).or_insert_with(Instant::now);
                continue;
            }
            let Some(plan) = self.plans.get(&partition.topic).cloned() else { continue };
            let (reader, position) = match self.open_reader(&partition).await {
                Ok(opened) => opened,
                Err(RunError::Source(error)) => {
                    answers = error.remedy() != Remedy::Retry;
                    self.not_opened(partition, error)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.unopened.remove(&partition);
            let gauge = Arc::new(TaskGauge::new(partition.clone(), position.offset));
            self.assigned.insert(partition.clone(), gauge.clone());
            // Co-numbered partitions of several topics meet on one thread.
            let thread = partition.partition.unsigned_abs() as usize % self.threads.len();
            let (sink, names) = (self.config.sink.clone(), self.names.clone());
            starts.entry(thread).or_default().push(TaskStart {
                plan,
                reader,
                partition,
                position,
                sink,
                names,
                gauge,
            });
        }
        for (thread, starts) in starts {
            self.send(thread, Command::Open(starts))?;
        }
        Ok(())
    }

    /// Notes a partition to be opened later, if that may help.
    fn not_opened(&mut self, partition: TopicPartition, error: SourceError) -> Result<(), RunError> {
        match error.remedy() {
            Remedy::Retry | Remedy::Reopen => {
                let since = *self.unopened.entry(partition.clone()).or_insert_with(Instant::now);
                if since.elapsed() >= OPEN_PATIENCE {
                    return Err(RunError::Source(error));
                }
                tracing::warn!(%partition, %error, "the partition cannot be opened; trying again");
                self.open_again = Instant::now() + OPEN_INTERVAL;
                Ok(())
            }
            Remedy::Forget => {
                tracing::info!(%partition, %error, "the partition is not ours any more");
                self.unopened.remove(&partition);
                Ok(())
            }
            Remedy::FixConfiguration | Remedy::FixData => Err(RunError::Source(error)),
        }
    }

    /// A reader at the partition's position in the log. What the source no longer has is written to
    /// the log as skipped first.
    async fn open_reader(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<(Box<dyn source::PartitionReader>, Position), RunError> {
        loop {
            let position = self.log.state().positions().get(partition).cloned();
            let (source, at) = (self.source.clone(), (partition.clone(), position.clone()));
            let opened = tokio::task::spawn_blocking(move || source.open(&at.0, at.1.as_ref()))
                .await
                .map_err(|error| RunError::Thread { what: error.to_string() })??;
            let Some(skipped) = opened.skipped else {
                return Ok((opened.reader, position.unwrap_or(Position { offset: 0, cursor: None })));
            };
            tracing::warn!(%partition, range = %skipped.range, reason = skipped.reason, "messages skipped");
            let range = ConsumedRange {
                partition: partition.clone(),
                range: skipped.range,
                cursor: None,
                skipped: Some(skipped.reason),
            };
            let data =
                Data { source: self.source.identity().to_owned(), ranges: vec![range], ..Data::default() };
            match self.log.append(Body::Data(data)).await {
                // Whoever wrote in between has moved the position: look again.
                Err(AppendError::Rejected(rejection)) if begins_again(&rejection) => {
                    self.log.refresh().await?
                }
                Ok(_) | Err(AppendError::Fenced) => self.log.refresh().await?,
                Err(error) => return Err(RunError::Refused(error)),
            }
        }
    }

    /// Closes partitions that are not ours any more.
    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.close(partitions);
        // Whoever lost all its partitions is in the middle of a rebalance, not at the end of its work.
        self.assignment_known &= !(self.assigned.is_empty() && self.unopened.is_empty());
    }

    fn close(&mut self, partitions: &[TopicPartition]) {
        self.assigned.retain(|partition, _| !partitions.contains(partition));
        self.unopened.retain(|partition, _| !partitions.contains(partition));
        for thread in &self.threads {
            thread.send(Command::Close(Some(partitions.to_vec())));
        }
    }

    fn send(&self, thread: usize, command: Command) -> Result<(), RunError> {
        let sent = self.threads[thread].send(command);
        if sent {
            Ok(())
        } else {
            Err(RunError::Thread { what: format!("worker thread {thread} has ended") })
        }
    }

    /// Makes all that was done since the last checkpoint true with one entry, or finds that another
    /// worker was faster, throws it away and begins again at the log.
    async fn checkpoint(
        &mut self,
        barrier: fn(oneshot::Sender<Vec<TaskReport>>) -> Command,
    ) -> Result<(), RunError> {
        self.last_checkpoint = Instant::now();
        let mut replies = Vec::new();
        for thread in 0..self.threads.len() {
            let (reply, reports) = oneshot::channel();
            self.send(thread, barrier(reply))?;
            replies.push(reports);
        }
        let mut reports = Vec::new();
        for reply in replies {
            let ended = |_| RunError::Thread { what: "a worker thread ended at a checkpoint".to_owned() };
            reports.extend(reply.await.map_err(ended)?);
        }
        reports.retain(|report| !report.range.is_empty() && self.assigned.contains_key(&report.partition));
        if reports.is_empty() {
            return Ok(());
        }
        let data = self.entry(reports).await?;
        let positions = positions(&data);
        match self.log.append(Body::Data(data)).await {
            Ok(sequence) => self.committed(sequence, &positions),
            Err(AppendError::Rejected(rejection)) if begins_again(&rejection) => {
                tracing::warn!(%rejection, "another worker was faster; beginning again at the log");
                self.begin_again().await
            }
            Err(AppendError::Fenced) => {
                tracing::warn!("this worker fell behind the log's retention; beginning again at the log");
                self.begin_again().await
            }
            Err(AppendError::Rejected(Rejection::WriterNotOpen { .. })) => {
                Err(RunError::TakenOver { worker: self.config.worker.name.clone() })
            }
            Err(error) => Err(RunError::Refused(error)),
        }
    }

    async fn entry(&self, reports: Vec<TaskReport>) -> Result<Data, RunError> {
        let mut data = Data { source: self.source.identity().to_owned(), ..Data::default() };
        for report in reports {
            for file in report.files {
                data.files.push(file.finish().await?);
            }
            let plan = &self.plans[&report.partition.topic];
            data.plugins.extend(plan.plugins());
            merge(data.counters.entry(report.stream.to_string()).or_default(), report.counters);
            data.ranges.push(ConsumedRange {
                partition: report.partition,
                range: report.range,
                cursor: report.cursor,
                skipped: None,
            });
        }
        data.plugins.sort();
        data.plugins.dedup();
        Ok(data)
    }

    fn committed(&self, sequence: Sequence, positions: &[(TopicPartition, Offset)]) -> Result<(), RunError> {
        tracing::debug!(sequence, "checkpoint");
        // Kafka's committed offsets are a hint for tools that show lag; the log is what counts.
        if let Err(error) = self.source.commit(positions) {
            tracing::warn!(%error, "the source did not take the committed positions");
        }
        Ok(())
    }

    async fn begin_again(&mut self) -> Result<(), RunError> {
        let partitions: Vec<_> = self.assigned.keys().cloned().collect();
        self.close(&partitions);
        self.open(partitions).await
    }

    async fn is_over(&mut self, until: Until, start: Instant) -> Result<bool, RunError> {
        let time = until.elapsed.is_none_or(|limit| start.elapsed() >= limit);
        match until {
            Until { elapsed: None, caught_up: false } => Ok(false),
            Until { caught_up: true, .. } if time => self.is_caught_up().await,
            _ => Ok(time && !until.caught_up),
        }
    }

    /// True once everything that the partitions hold has been read; commits it first.
    async fn is_caught_up(&mut self) -> Result<bool, RunError> {
        if self.lag() != Some(0) {
            return Ok(false);
        }
        self.checkpoint(Command::Barrier).await?;
        Ok(self.lag() == Some(0))
    }
}

/// True if what was rejected can be done again from the log's new state. Plugins that another worker
/// changed are loaded at start only, and a session that another process of this name closed is gone.
fn begins_again(rejection: &Rejection) -> bool {
    rejection.remedy() == millstream_log::Remedy::Reload
        && !matches!(rejection, Rejection::PluginNotDesired { .. })
}

fn names(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(TopicPartition::to_string).collect()
}

fn positions(data: &Data) -> Vec<(TopicPartition, Offset)> {
    data.ranges.iter().map(|range| (range.partition.clone(), range.range.end)).collect()
}

fn merge(into: &mut Counters, from: Counters) {
    into.r#in += from.r#in;
    into.out += from.out;
    for (to, from) in
        [(&mut into.dropped, from.dropped), (&mut into.dead, from.dead), (&mut into.rows, from.rows)]
    {
        for (key, count) in from {
            *to.entry(key).or_default() += count;
        }
    }
}
