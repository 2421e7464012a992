//! Processes messages again that were processed before: ranges of a stream, or dead letters. A [`Replayer`] is
//! told which, says what that would change ([`Survey`]), and on demand replaces the rows of these messages in
//! all tables but the raw one with what the plugins of today make of them, in one entry of the log. It runs
//! beside live workers, in a session of its own; of whoever changes the same files or messages at the same time
//! one is faster, and a replay that was not does it all again.

mod error;
mod offsets;
mod raw;
mod rebuilt;
mod remake;
mod scope;
mod survey;

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use millstream_engine::Engine;
use millstream_log::{LogState, Rejection, Remedy};
use millstream_model::Clock;
use millstream_model::OffsetRange;
use millstream_model::entry::{Body, Control, PluginUse, Replay, Sequence};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

pub use error::ReplayError;
pub use survey::{PartitionSurvey, Survey, TableSurvey};

use crate::checkpoint::{AppendError, CheckpointLog};
use crate::config::{Config, StreamConfig};
use crate::dead_letter::Letter;
use crate::error::RunError;
use crate::identity;
use crate::lake::Lake;
use crate::plan::StreamPlan;
use crate::sink::FileNames;
use crate::source::Visitor;
use crate::start;
use crate::telemetry::UploadFigures;
use crate::uploads::Uploads;
use remake::{Remade, Remake};

/// How often a replay is done again because others were faster.
const ATTEMPTS_MAX: u32 = 8;

/// Says whether a dead letter is processed again.
pub type LetterChoice = Arc<dyn Fn(&Letter<'_>) -> bool + Send + Sync>;

/// Hears how far a replay is, on the thread that does it.
pub type Watch = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many messages have passed the steps.
    Processed {
        /// Messages so far.
        messages: u64,
        /// All messages.
        of: u64,
    },
    /// The files of a table that held former rows have been written again without these.
    Rewritten {
        /// The table.
        table: &'a str,
        /// Its files.
        files: usize,
    },
    /// All files are durable; next comes the entry.
    Made,
}

/// Which messages are processed again.
#[derive(Clone)]
pub enum Wanted {
    /// Positions of partitions; cut to what the log has accepted.
    Offsets(Vec<(i32, OffsetRange)>),
    /// In each partition (or in one), from the first message that was sent in `[from_us, to_us)` to the last, in
    /// microseconds since the epoch. Where the source gives no times, event times count.
    Times {
        /// First moment; none: from the first message on.
        from_us: Option<i64>,
        /// First moment after; none: to the last message.
        to_us: Option<i64>,
        /// The partition; none: all.
        partition: Option<i32>,
    },
    /// Messages that are dead letters now.
    Letters(LetterChoice),
}

/// Where messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The source; none other will do.
    Source,
    /// The raw table.
    Raw,
}

/// What is to be done again.
#[derive(Clone)]
pub struct Request {
    /// The stream.
    pub stream: String,
    /// Its messages.
    pub wanted: Wanted,
    /// Where they come from; none: the source as far as it has them, else the raw table. Dead letters always come
    /// from their table.
    pub origin: Option<Origin>,
}

/// A replay that stands.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The entry.
    pub sequence: Sequence,
    /// What it says.
    pub replay: Replay,
}

/// Replays one stream.
pub struct Replayer {
    config: Config,
    lake: Lake,
    log: CheckpointLog,
    plan: Arc<StreamPlan>,
    request: Request,
    visitor: Option<Arc<Visitor>>,
    watch: Watch,
}

impl Replayer {
    /// Reads the log and plans the stream with the plugins that the log desires. A stream whose steps keep state
    /// is refused with its plan: what they made of a message depends on those before it.
    pub async fn open(
        config: &Config,
        engine: &Engine,
        clock: Arc<dyn Clock>,
        request: Request,
        watch: Watch,
    ) -> Result<Self, ReplayError> {
        let lake = Lake::open_existing(&config.lake_url)?;
        lake.look().await?;
        let log = start::open_log(&lake, clock).await?;
        let stream = stream(config, &request.stream)?;
        let desired = desired(stream, log.state())?;
        let plan = start::plan_of_log(config, stream, engine, &lake, &desired).await?;
        if plan.plugins().iter().any(|used| !desired.contains(used)) {
            let other = plan.plugins().into_iter().find(|used| !desired.contains(used));
            let step = other.map_or_else(String::new, |used| used.step);
            return Err(ReplayError::OtherConfiguration { stream: request.stream, step });
        }
        let files = start::newest_files(log.state());
        start::same_columns(&lake, &files, std::slice::from_ref(&plan)).await?;
        let config = config.clone();
        Ok(Self { config, lake, log, plan, request, visitor: None, watch })
    }

    /// What would be done, as the log stands now. Changes nothing.
    pub async fn survey(&mut self) -> Result<Survey, ReplayError> {
        self.log.refresh().await?;
        let Request { wanted, origin, .. } = &self.request;
        let (wanted, origin) = (wanted.clone(), *origin);
        let mut survey = Survey::make(&self.plan, &wanted, self.log.state(), &self.lake.store()).await?;
        let is_from_source = origin != Some(Origin::Raw) && !matches!(wanted, Wanted::Letters(_));
        if is_from_source && survey.messages() > 0 {
            self.ask_source(&mut survey, origin).await?;
        }
        Ok(survey)
    }

    /// Does it; none if there was nothing to do. When it returns, the entry stands and the session is closed.
    pub async fn run(&mut self) -> Result<Option<Replayed>, ReplayError> {
        let worker = format!("{}-replay", self.config.worker.name);
        let session = self.log.open_session(&worker).await?;
        start::clean(&mut self.log, std::slice::from_ref(&self.plan), self.config.log.keep_replaced).await?;
        let outcome = self.attempts(&FileNames::new(session.clone()), &worker).await;
        let closed = Body::Control(Control::SessionClosed { session });
        if let Err(error) = self.log.append(closed).await {
            tracing::debug!(%error, "the session of the replay stays open");
        }
        outcome
    }

    async fn attempts(&mut self, names: &FileNames, worker: &str) -> Result<Option<Replayed>, ReplayError> {
        for attempt in 1..=ATTEMPTS_MAX {
            let survey = self.survey().await?;
            if survey.is_empty() {
                return Ok(None);
            }
            let replay = self.remake(survey, names).await?;
            (self.watch)(Progress::Made);
            match self.log.append(Body::Replay(replay.clone())).await {
                Ok(sequence) => return Ok(Some(Replayed { sequence, replay })),
                Err(AppendError::Rejected(rejection)) => {
                    self.check_again(&rejection, worker)?;
                    tracing::warn!(%rejection, attempt, "others were faster; doing the replay again");
                    self.discard(&replay).await;
                }
                Err(AppendError::Fenced) => {
                    self.log.refresh().await?;
                    if let Some(sequence) = self.stands(&replay) {
                        return Ok(Some(Replayed { sequence, replay }));
                    }
                }
                Err(error) => return Err(RunError::Refused(error).into()),
            }
        }
        Err(ReplayError::Outrun { attempts: ATTEMPTS_MAX })
    }

    /// Asks the source which messages it still has.
    async fn ask_source(&mut self, survey: &mut Survey, origin: Option<Origin>) -> Result<(), ReplayError> {
        let visitor = match &self.visitor {
            Some(visitor) => visitor.clone(),
            None => {
                let (settings, topic) = (self.config.source.clone(), self.plan.topic.clone());
                let visitor = blocking(move || Ok(Visitor::connect(&settings, &topic)?)).await?;
                self.visitor.insert(Arc::new(visitor)).clone()
            }
        };
        let found = visitor.identity();
        if let Some(bound) = self.log.state().source().filter(|bound| bound.source != found) {
            let (place, lake) = (self.config.source.to_string(), self.lake.url().to_owned());
            let (bound, found) = (bound.source.clone(), found.to_owned());
            return Err(RunError::AnotherSource { place, lake, bound, found }.into());
        }
        self.same_topic(&visitor).await?;
        for partition in &mut survey.partitions {
            let (place, at) = (visitor.clone(), partition.partition.clone());
            let there = blocking(move || Ok(place.range(&at)?)).await?;
            let range = partition.range;
            let low =
                if there.end < range.end { range.end } else { there.start.clamp(range.start, range.end) };
            if origin == Some(Origin::Source) && low > range.start {
                let (place, partition) = (self.config.source.to_string(), partition.partition.clone());
                return Err(ReplayError::Expired { place, partition, low, start: range.start });
            }
            partition.from_lake = OffsetRange::new(range.start, low);
        }
        Ok(())
    }

    /// An error if the topic at hand is not the one that the log's offsets are of: it may have as many messages.
    async fn same_topic(&self, visitor: &Arc<Visitor>) -> Result<(), ReplayError> {
        let place = visitor.clone();
        let ids = blocking(move || Ok(place.topic_ids()?)).await?;
        identity::unbound(self.log.state(), &ids, self.lake.url())?;
        Ok(())
    }

    /// Makes the rows anew; what the entry says of it.
    async fn remake(&self, survey: Survey, names: &FileNames) -> Result<Replay, ReplayError> {
        let runtime = tokio::runtime::Handle::current();
        let raw_files = self.log.state().files().get(&self.plan.raw.name);
        let survey = Arc::new(survey);
        let remake = Remake {
            plan: self.plan.clone(),
            survey: survey.clone(),
            raw_files: raw_files.into_iter().flat_map(|files| files.values()).cloned().collect(),
            visitor: self.visitor.clone(),
            place: self.config.source.to_string(),
            store: self.lake.store(),
            uploads: Uploads::new(self.lake.store(), runtime.clone(), Arc::new(UploadFigures::default())),
            runtime,
            sink: self.config.sink.clone(),
            names: names.clone(),
            buffered_bytes_max: self.config.checkpoint.bytes_max,
            watch: self.watch.clone(),
        };
        let Remade { removed, added: pending, counters } = blocking(move || remake.run()).await?;
        // Behind what was read: a topic that still has its id is the one that was read.
        if let Some(visitor) = &self.visitor {
            self.same_topic(visitor).await?;
        }
        let mut added = Vec::new();
        for file in pending {
            added.push(file.finish().await?);
        }
        Ok(Replay {
            stream: survey.stream.clone(),
            selection: survey.scope.selection(),
            ranges: survey.scope.replayed(|partition| self.log.state().last_replay(partition)),
            tables: remake::exchanges(removed, added),
            counters,
            plugins: survey.plugins.clone(),
        })
    }

    /// An error unless doing it again from the log's new state may help.
    fn check_again(&self, rejection: &Rejection, worker: &str) -> Result<(), ReplayError> {
        match rejection {
            Rejection::PluginNotDesired { stream, .. } => {
                Err(ReplayError::PluginsSwapped { stream: stream.clone() })
            }
            Rejection::WriterNotOpen { .. } | Rejection::FileSessionNotOpen { .. } => {
                Err(RunError::TakenOver { worker: worker.to_owned() }.into())
            }
            rejection if rejection.remedy() == Remedy::Reload => Ok(()),
            rejection => Err(RunError::Refused(rejection.clone().into()).into()),
        }
    }

    /// Deletes the files of an entry that will never stand. What cannot be deleted is left to the cleaner.
    async fn discard(&self, replay: &Replay) {
        let files = replay.tables.iter().flat_map(|table| &table.added);
        let paths: Vec<_> = files.map(|file| Path::from(file.path.as_str())).collect();
        let store = self.lake.store();
        stream::iter(paths)
            .for_each_concurrent(8, |path| {
                let store = store.clone();
                async move {
                    if let Err(error) = store.delete(&path).await {
                        tracing::debug!(%path, %error, "a file of no use is left to the cleaner");
                    }
                }
            })
            .await;
    }

    /// The entry of `replay`, if it is in the log: nobody else's names its files.
    fn stands(&self, replay: &Replay) -> Option<Sequence> {
        let state = self.log.state();
        let mut added = replay.tables.iter().flat_map(|table| &table.added);
        let is_live = added.any(|file| state.is_live(&file.path));
        let partition = replay.ranges.first().filter(|_| is_live)?;
        state.last_replay(&partition.partition)
    }
}

fn stream<'a>(config: &'a Config, name: &str) -> Result<&'a StreamConfig, ReplayError> {
    config.streams.iter().find(|stream| stream.name == name).ok_or_else(|| {
        let known: Vec<_> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
        ReplayError::NoStream { stream: name.to_owned(), known: known.join(", ") }
    })
}

/// The plugins that the log desires for the steps of `stream`, in the order of the steps.
fn desired(stream: &StreamConfig, state: &LogState) -> Result<Vec<PluginUse>, ReplayError> {
    let desired = stream.steps.iter().map(|step| {
        let is_step = |used: &&PluginUse| used.stream == stream.name && used.step == step.name;
        state
            .plugins()
            .iter()
            .find(is_step)
            .cloned()
            .ok_or_else(|| ReplayError::NewStep { stream: stream.name.clone(), step: step.name.clone() })
    });
    desired.collect()
}

/// Runs what blocks, or takes long, beside the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReplayError> + Send + 'static,
) -> Result<T, ReplayError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| RunError::Thread { what: error.to_string() })?
}
