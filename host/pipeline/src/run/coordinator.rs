//! The coordinator: one loop that hears of assignments, of the CPU threads' troubles, of time and of the
//! wish to stop, and does one thing after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_model::{Clock, Digest, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::swap::Standing;
use super::upkeep::Upkeep;
use super::{EVENTS_MAX, Progress, Until, requests};
use crate::admin::Request;
use crate::aside::Recovery;
use crate::checkpoint::CheckpointLog;
use crate::config::Config;
use crate::error::RunError;
use crate::lake::Lake;
use crate::merge::{MergeContext, MergeRequest, Merger};
use crate::plan::StreamPlan;
use crate::projection::Projector;
use crate::reload::{Ask, ConfigSource, Order, ReloadContext, Reloader};
use crate::sink::FileNames;
use crate::source::{Departure, Opened, Remedy, Source, SourceError, SourceEvent};
use crate::start::Started;
use crate::task::TaskError;
use crate::telemetry::{Phase, TaskGauge, Telemetry};
use crate::uploads::Uploads;
use crate::worker::{Command, Event, Quota, WorkerThread};

/// Shortest time between two looks at the clock.
const TICK: Duration = Duration::from_millis(20);

/// A partition that could not be opened.
pub(super) struct Unopened {
    /// Since when.
    pub(super) since: Instant,
    /// Why, as of the last attempt.
    pub(super) reason: String,
}

/// What a run knows, and its only hold on the log.
pub(super) struct Coordinator<'a> {
    pub(super) config: &'a Config,
    pub(super) source: Arc<dyn Source>,
    pub(super) log: CheckpointLog,
    pub(super) plans: BTreeMap<Arc<str>, Arc<StreamPlan>>,
    pub(super) names: FileNames,
    pub(super) threads: Vec<WorkerThread>,
    events: mpsc::Receiver<Event>,
    pub(super) telemetry: Arc<Telemetry>,
    /// Partitions that are read, with what their tasks say of themselves.
    pub(super) assigned: BTreeMap<TopicPartition, Arc<TaskGauge>>,
    /// Partitions that are ours and could not be opened.
    pub(super) unopened: BTreeMap<TopicPartition, Unopened>,
    /// When they are tried again.
    pub(super) open_again: Instant,
    /// A partition that the source is opening. Whoever waited for it may have given up since, and then it would take
    /// the partition from its next reader: that one waits for it, too.
    pub(super) opening: Option<JoinHandle<Result<Opened, SourceError>>>,
    /// False until the source has said which partitions are ours, and in the middle of a rebalance.
    pub(super) assignment_known: bool,
    pub(super) last_checkpoint: Instant,
    /// Topics that do not exist; none until the source has said so.
    missing: Option<Vec<String>>,
    /// When the log was last looked at for what others wrote.
    pub(super) looked: Instant,
    /// Streams whose batches wait for another version of a step, and why.
    pub(super) held: BTreeMap<Arc<str>, String>,
    upkeep: Upkeep,
    /// Publishes dead letters, if they are to be.
    projector: Option<Projector>,
    /// Merges small files, if they are to be.
    merger: Option<Merger>,
    /// Changes the streams while they run; none once the run ends.
    pub(super) reloader: Option<Reloader>,
    pub(super) standing: Standing,
}

impl<'a> Coordinator<'a> {
    /// Starts the CPU threads.
    pub(super) fn new(
        config: &'a Config,
        lake: &Lake,
        source: Arc<dyn Source>,
        started: Started,
        configuration: Option<ConfigSource>,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RunError> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        telemetry.begin(started.plans.values());
        let uploads =
            Uploads::new(lake.store(), tokio::runtime::Handle::current(), telemetry.uploads.clone());
        let threads = config.worker.threads;
        let quota = Quota {
            rows_max: config.checkpoint.rows_max.div_ceil(threads as u64),
            bytes_max: config.checkpoint.bytes_max.div_ceil(threads),
        };
        let not_started = |error: std::io::Error| RunError::Thread { what: error.to_string() };
        let recovery = Recovery::start(threads).map_err(not_started)?;
        let start = |index| {
            let (uploads, recovery) = (uploads.clone(), recovery.clone());
            WorkerThread::start(index, &config.worker, quota, uploads, recovery, sender.clone())
                .map_err(not_started)
        };
        let threads = (0..threads).map(start).collect::<Result<_, _>>()?;
        let projector = config.dead_letter_topic.as_ref();
        let projector = projector.map(|topic| Projector::start(topic, lake, clock, telemetry.clone()));
        let reloader = ReloadContext {
            config: config.clone(),
            source: configuration,
            plans: started.plans.clone(),
            library: started.library,
            lake: lake.clone(),
            threads: config.worker.threads,
            telemetry: telemetry.clone(),
        };
        let reloader = Reloader::start(reloader, tokio::runtime::Handle::current())
            .map_err(|error| RunError::Thread { what: error.to_string() })?;
        let names = FileNames::new(started.session);
        let merger = config.merge.clone().map(|settings| {
            let context = MergeContext {
                settings,
                once: false,
                store: lake.store(),
                sink: config.sink.clone(),
                names: names.clone(),
                figures: telemetry.merges.clone(),
            };
            Merger::start(context, tokio::runtime::Handle::current()).map_err(not_started)
        });
        let mut this = Self {
            config,
            source,
            standing: Standing::new(&started.log),
            reloader: Some(reloader),
            log: started.log,
            plans: started.plans,
            names,
            threads,
            events,
            telemetry,
            assigned: BTreeMap::new(),
            unopened: BTreeMap::new(),
            open_again: Instant::now(),
            opening: None,
            assignment_known: false,
            last_checkpoint: Instant::now(),
            missing: None,
            looked: Instant::now(),
            held: BTreeMap::new(),
            upkeep: Upkeep::new(config.log),
            projector: projector.transpose()?,
            merger: merger.transpose()?,
        };
        this.note_log();
        Ok(this)
    }

    /// Runs until it is over; what was read is committed by then. Gives how the worker leaves.
    pub(super) async fn run(
        mut self,
        mut source_events: mpsc::Receiver<SourceEvent>,
        mut admin_requests: mpsc::Receiver<Request>,
        until: Until,
        stop: impl Future<Output = Departure>,
        mut observe: impl FnMut(Progress<'_>),
    ) -> Result<Departure, RunError> {
        let start = Instant::now();
        let mut observed = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        self.telemetry.enter(Phase::Running);
        self.tell_standing();
        observe(self.progress(start, false));
        let departure = loop {
            tokio::select! {
                departure = &mut stop => break departure,
                Some(event) = source_events.recv() => self.on_source(event).await?,
                Some(event) = self.events.recv() => self.on_worker(event).await?,
                request = requests::next(&mut admin_requests) => self.on_request(request).await?,
                Some(request) = next_merge(&mut self.merger) => self.on_merge(request).await?,
                ask = next_ask(&mut self.reloader) => self.on_ask(ask?).await?,
                _ = ticks.tick() => self.on_tick().await?,
            }
            if observed.elapsed() >= Duration::from_secs(1) {
                observed = Instant::now();
                observe(self.progress(start, false));
            }
            if self.is_over(until, start).await? {
                break Departure::ForGood;
            }
        };
        self.telemetry.enter(Phase::Ending);
        self.merger = None;
        self.reloader = None;
        self.checkpoint(Command::Drain).await?;
        self.unheard_failure()?;
        self.tell_projector();
        if let Some(projector) = self.projector.take() {
            projector.finish().await;
        }
        observe(self.progress(start, true));
        Ok(departure)
    }

    /// Dead letters are published by the worker that has the first partition of the first stream. For a
    /// moment two may think that they have it, and then both publish.
    fn tell_projector(&self) {
        let (Some(projector), Some(stream)) = (&self.projector, self.config.streams.first()) else { return };
        let first = TopicPartition::new(stream.topic.as_str(), 0);
        projector.tell(self.assigned.contains_key(&first), self.log.state().sequence());
    }

    async fn on_tick(&mut self) -> Result<(), RunError> {
        self.tell_projector();
        if self.last_checkpoint.elapsed() >= self.config.checkpoint.interval {
            self.checkpoint_if_due().await?;
        }
        self.keep_in_line();
        self.pause_broken().await?;
        self.upkeep.turn(&mut self.log).await;
        if !self.unopened.is_empty() && Instant::now() >= self.open_again {
            self.open(self.unopened.keys().cloned().collect()).await?;
        }
        self.look_at_log().await
    }

    /// The error of a task that failed while it was asked to finish: what it did is not committed.
    fn unheard_failure(&mut self) -> Result<(), RunError> {
        while let Ok(event) = self.events.try_recv() {
            if let Event::Failed(
                task,
                error @ (TaskError::Sink(_) | TaskError::Routes(_) | TaskError::DeadLetters(_)),
            ) = event
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
        self.lag_of(|_| true)
    }

    fn lag_of(&self, is_meant: impl Fn(&Arc<str>) -> bool) -> Option<u64> {
        let known = self.assignment_known && self.unopened.is_empty();
        let gauges = || self.assigned.values().filter(|gauge| is_meant(&gauge.partition.topic));
        known.then(|| gauges().map(|gauge| gauge.lag()).sum::<Option<u64>>()).flatten()
    }

    /// Topics of streams that are not read though they are there, with the stream and the reason.
    fn not_read(&self) -> BTreeMap<Arc<str>, (Arc<str>, String)> {
        let reason = |stream: &Arc<str>| {
            let paused =
                self.log.state().paused().get(&**stream).map(|pause| format!("paused: {}", pause.reason));
            paused.or_else(|| self.held.get(stream).cloned())
        };
        let standing =
            |plan: &Arc<StreamPlan>| Some((plan.topic.clone(), (plan.name.clone(), reason(&plan.name)?)));
        self.plans.values().filter_map(standing).collect()
    }

    /// Tells telemetry which streams are not read, and why.
    pub(super) fn tell_standing(&self) {
        let standing = self.not_read().into_iter();
        self.telemetry.note_standing(standing.map(|(topic, (_, reason))| (topic, reason)).collect());
    }

    async fn on_source(&mut self, event: SourceEvent) -> Result<(), RunError> {
        match event {
            SourceEvent::Assigned(partitions) => {
                tracing::info!(partitions = ?names(&partitions), "partitions assigned");
                self.assignment_known = true;
                self.telemetry.count_assignment();
                self.recognise().await?;
                self.open(partitions).await
            }
            SourceEvent::Revoked { partitions, lost, until, done } => {
                tracing::info!(partitions = ?names(&partitions), lost, "partitions revoked");
                self.telemetry.count_revocation();
                self.give_away(&partitions, (!lost).then_some(until), done).await
            }
            SourceEvent::Missing(topics) => {
                self.telemetry.note_missing(&topics);
                self.missing = Some(topics);
                Ok(())
            }
            SourceEvent::Reachable(answers) => {
                self.telemetry.note_reachable(answers);
                Ok(())
            }
            SourceEvent::Failed(error) => Err(error.into()),
        }
    }

    async fn on_worker(&mut self, event: Event) -> Result<(), RunError> {
        let (task, error) = match event {
            Event::Pressure => return self.checkpoint_if_due().await,
            Event::CircuitOpened { stream, step, plugin, reason } => {
                if !self.is_open_now(&stream, &step, plugin) {
                    // It was replaced or closed while this was on its way.
                    return Ok(());
                }
                let version = plugin.short();
                tracing::error!(%stream, %step, plugin = version, %reason, "the circuit of a step opened; its stream is held");
                self.held.insert(stream.clone(), format!("the circuit of step `{step}` is open: {reason}"));
                self.tell_standing();
                self.order(Order::CircuitOpened { stream, step, plugin, reason });
                return Ok(());
            }
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

    async fn is_over(&mut self, until: Until, start: Instant) -> Result<bool, RunError> {
        let time = until.elapsed.is_none_or(|limit| start.elapsed() >= limit);
        match until {
            Until { elapsed: None, caught_up: false } => Ok(false),
            Until { caught_up: true, .. } if time => self.is_caught_up().await,
            _ => Ok(time && !until.caught_up),
        }
    }

    /// True if this version of the step runs, and its circuit is open.
    fn is_open_now(&self, stream: &str, step: &str, plugin: Digest) -> bool {
        let plan = self.plans.values().find(|plan| *plan.name == *stream);
        let planned = plan.and_then(|plan| plan.steps.iter().find(|planned| *planned.name == *step));
        planned.is_some_and(|planned| {
            planned.step.plugin().digest() == plugin && planned.step.circuit().is_some()
        })
    }

    /// True once everything that the partitions hold has been read; commits it first.
    async fn is_caught_up(&mut self) -> Result<bool, RunError> {
        if let Some(waits) = self.standing.waits() {
            return Err(waits);
        }
        let standing = self.not_read();
        let is_read = |topic: &Arc<str>| !standing.contains_key(topic);
        if self.lag_of(is_read) != Some(0) || !self.standing.is_in_line(&self.log) {
            return Ok(false);
        }
        self.checkpoint(Command::Barrier).await?;
        if self.lag_of(is_read) != Some(0) || !self.standing.is_in_line(&self.log) {
            return Ok(false);
        }
        if let Some((stream, pause)) = self.log.state().paused().first_key_value() {
            let reason = format!("paused: {}", pause.reason);
            return Err(RunError::NotRead { stream: stream.clone(), reason });
        }
        if !self.held.is_empty() {
            // Another version is on its way, or a pause.
            return Ok(false);
        }
        match self.missing.as_deref() {
            // Whether there are some is about to be said.
            None => Ok(false),
            Some([]) => Ok(true),
            Some(topics) => Err(RunError::MissingTopics {
                place: self.config.source.to_string(),
                topics: topics.join("`, `"),
            }),
        }
    }
}

async fn next_ask(reloader: &mut Option<Reloader>) -> Result<Ask, RunError> {
    let Some(reloader) = reloader else { return std::future::pending().await };
    let ended = || RunError::Thread { what: "the reloading thread has ended".to_owned() };
    reloader.next().await.ok_or_else(ended)
}

async fn next_merge(merger: &mut Option<Merger>) -> Option<MergeRequest> {
    merger.as_mut()?.next().await
}

fn names(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(TopicPartition::to_string).collect()
}
