//! Wires the data path: source → tasks on CPU threads → uploads → one entry of the log. `coordinator` is
//! the loop that hears of everything, `partitions` opens and closes tasks where the log says, `revocation`
//! gives them away in time, `identity` makes sure whose offsets they are of, `commit` makes what they
//! did true, `swap` exchanges steps while they run, `merging` appends what the merging thread did, `upkeep` keeps the log short beside that. The
//! coordinator alone talks to the log.

mod commit;
mod coordinator;
mod identity;
mod merging;
mod partitions;
mod requests;
mod revocation;
mod swap;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Engine;
use millstream_log::LogState;
use millstream_model::Clock;
use tokio::sync::mpsc;

use crate::admin::Request;
use crate::config::Config;
use crate::error::RunError;
use crate::lake::Lake;
use crate::reload::ConfigSource;
use crate::source::{Departure, Source, SourceError};
use crate::telemetry::{Phase, Telemetry};
use crate::{source, start};
use coordinator::Coordinator;

/// Events of the source, and of the threads, that may wait for the coordinator.
const EVENTS_MAX: usize = 64;

/// Requests for the topics' ids at the start, where a busy broker is no reason to give up; each waits about a
/// second.
const TOPIC_IDS_ATTEMPTS: u32 = 10;

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

/// Runs the streams of `config` until it is told to stop (`stop` resolves, and says whether the worker will be
/// back) or `until` is reached, after which it will not. What was read is committed before it returns, unless it
/// returns an error. `telemetry` is told how it goes; `requests` are answered while it runs. With a
/// `configuration`, this and the plugin folder are watched, and the streams change as they do.
#[expect(clippy::too_many_arguments, reason = "each is another party to the run")]
pub async fn run(
    config: &Config,
    configuration: Option<ConfigSource>,
    engine: &Engine,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    requests: mpsc::Receiver<Request>,
    until: Until,
    stop: impl Future<Output = Departure>,
    observe: impl FnMut(Progress<'_>),
) -> Result<(), RunError> {
    let lake = Lake::open(&config.lake_url)?;
    telemetry.watch(lake.figures());
    let (source_events, inbox) = mpsc::channel(EVENTS_MAX);
    let topics: Vec<_> = config.streams.iter().map(|stream| stream.topic.clone()).collect();
    let settings = config.source.clone();
    let connect = move || {
        let source = source::connect(&settings, &topics, source_events)?;
        let ids = first_topic_ids(&*source)?;
        Ok::<_, RunError>((source, ids))
    };
    let (source, ids) = tokio::task::spawn_blocking(connect)
        .await
        .map_err(|error| RunError::Thread { what: error.to_string() })??;
    telemetry.enter(Phase::Opening);
    let started = start::start(config, engine, &lake, source.identity(), &ids, clock.clone()).await;
    let result = match started {
        Ok(started) => {
            let coordinator =
                Coordinator::new(config, &lake, source.clone(), started, configuration, telemetry, clock)?;
            coordinator.run(inbox, requests, until, stop, observe).await
        }
        Err(error) => {
            drop(inbox);
            Err(error)
        }
    };
    let departure = match &result {
        Ok(departure) => *departure,
        // Starting again does not help, and whoever starts after an `adopt` is not to wait for this one's name.
        Err(error) if error.is_of_another_source() => Departure::ForGood,
        // It is for a person or a supervisor to start the worker again.
        Err(_) => Departure::Restart,
    };
    // Leaving the group waits for the broker, which is nothing for an async thread. The receiver of
    // its last events is gone by now, so nobody has to acknowledge them.
    let stopped = tokio::task::spawn_blocking(move || source.stop(departure)).await;
    let result = result.map(drop).map_err(|error| error.at_lake(&lake));
    result.and(stopped.map_err(|error| RunError::Thread { what: error.to_string() }))
}

/// The topics' ids; the error of the last attempt if no broker gives them.
fn first_topic_ids(source: &dyn Source) -> Result<BTreeMap<String, String>, SourceError> {
    for _ in 1..TOPIC_IDS_ATTEMPTS {
        if let Ok(ids) = source.topic_ids() {
            return Ok(ids);
        }
    }
    source.topic_ids()
}
