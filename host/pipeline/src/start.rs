//! What happens once, before any message flows: plugins are loaded and checked, the lake is probed,
//! the log is read to its head, a session is opened, the source is bound and the plugins are written
//! to the log. After this, what the log says is what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use millstream_engine::{Engine, Plugin};
use millstream_log::LogState;
use millstream_model::entry::{Body, ChangeCause, Control, DataFile, PluginUse, Sequence, SessionId};
use millstream_model::schema::type_name;
use millstream_model::{Clock, Digest};
use object_store::path::Path;

use crate::checkpoint::{AppendError, CheckpointLog, Remedy as LogRemedy};
use crate::config::{Config, StreamConfig};
use crate::error::RunError;
use crate::lake::Lake;
use crate::library::Library;
use crate::plan::{StreamPlan, check_tables};
use crate::signed;
use crate::sink::read;
use crate::{identity, reload};

/// How often the plugins of a start are decided anew because other workers changed them meanwhile.
const DESIRE_ATTEMPTS: u32 = 10;

/// Folder of the checkpoint log in a lake.
pub const LOG_FOLDER: &str = "_millstream/log";

/// What start-up made ready.
pub struct Started {
    /// The log, at its head, with a session of ours open.
    pub log: CheckpointLog,
    /// Our session.
    pub session: SessionId,
    /// Streams by topic.
    pub plans: BTreeMap<Arc<str>, Arc<StreamPlan>>,
    /// Where their plugins came from.
    pub(crate) library: Library,
}

/// Loads the plugins of all streams from the plugin folder and plans the streams: everything that can
/// be checked without a broker and a lake.
pub fn plan(config: &Config, engine: &Engine) -> Result<Vec<Arc<StreamPlan>>, RunError> {
    let mut by_name: BTreeMap<&str, Plugin> = BTreeMap::new();
    let steps = |stream: &StreamConfig| stream.steps.len();
    let numbered = config.streams.iter().flat_map(|stream| (0..steps(stream)).map(move |n| (stream, n)));
    for (stream, number) in numbered {
        let step = &stream.steps[number];
        if !by_name.contains_key(step.plugin.as_str()) {
            by_name.insert(&step.plugin, plugin(config, engine, stream, number)?);
        }
    }
    let plan = |stream: &StreamConfig| {
        let plugins = stream.steps.iter().map(|step| by_name[step.plugin.as_str()].clone());
        StreamPlan::new(stream, &plugins.collect::<Vec<_>>()).map(Arc::new)
    };
    let plans = config.streams.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    check_tables(&plans)?;
    Ok(plans)
}

/// The plugin of the stream's step of this number, as it lies in the plugin folder, if it is signed as it must be.
pub fn plugin(
    config: &Config,
    engine: &Engine,
    stream: &StreamConfig,
    number: usize,
) -> Result<Plugin, RunError> {
    let step = &stream.steps[number];
    let file = config.plugin_file(&step.plugin);
    if !file.is_file() {
        return Err(RunError::NoPlugin {
            place: step.place.clone(),
            key: format!("streams.{}.steps.{number}.plugin", stream.name),
            plugin: step.plugin.clone(),
            file: file.display().to_string(),
        });
    }
    signed::load(engine, &config.signatures, &file)
}

/// The plugin `name` of this digest as the lake keeps it, if it is signed as it must be today: what ran, for those who
/// look at it again.
pub async fn kept_plugin(
    config: &Config,
    engine: &Engine,
    lake: &Lake,
    (name, digest): (&str, Digest),
) -> Result<Plugin, RunError> {
    Library::new(engine.clone(), lake.clone(), config.signatures.clone()).in_lake(name, digest).await
}

/// Opens the log at `lake` for reading and writing.
pub async fn open_log(lake: &Lake, clock: Arc<dyn Clock>) -> Result<CheckpointLog, RunError> {
    Ok(CheckpointLog::open(lake.store(), Path::from(LOG_FOLDER), clock).await?)
}

/// Makes everything ready for a run over the source of the identity `source`, whose topics have these ids.
pub async fn start(
    config: &Config,
    engine: &Engine,
    lake: &Lake,
    source: &str,
    topics: &BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
) -> Result<Started, RunError> {
    lake.probe().await?;
    let mut log = open_log(lake, clock).await?;
    log.check_format()?;
    if let Some(bound) = log.state().source().filter(|bound| bound.source != source) {
        let bound = bound.source.clone();
        return Err(RunError::AnotherSource {
            place: config.source.to_string(),
            lake: lake.url().to_owned(),
            bound,
            found: source.to_owned(),
        });
    }
    identity::unbound(log.state(), topics, lake.url())?;
    let mut library = Library::new(engine.clone(), lake.clone(), config.signatures.clone());
    let decided_after = log.state().plugins_changed();
    let plans = reload::plan_at_start(config, &mut library, log.state()).await?;
    same_columns(lake, &newest_files(log.state()), &plans).await?;
    let session = log.open_session(&config.worker.name).await?;
    clean(&mut log, &plans, config.log.keep_replaced).await?;
    let unbound = identity::unbound(log.state(), topics, lake.url())?;
    if log.state().source().is_none() || !unbound.is_empty() {
        append(&mut log, Control::SourceBound { source: source.to_owned(), topics: unbound }).await?;
    }
    let plans = desire(config, &mut library, &mut log, plans, decided_after).await?;
    let plans = plans.into_iter().map(|plan| (plan.topic.clone(), plan)).collect();
    Ok(Started { log, session, plans, library })
}

/// Lets the log desire what `plans` run, which were made when its last change of plugins was `decided_after`. If
/// another worker has changed that since then, or does so at the same moment, they are made anew.
async fn desire(
    config: &Config,
    library: &mut Library,
    log: &mut CheckpointLog,
    mut plans: Vec<Arc<StreamPlan>>,
    mut decided_after: Option<Sequence>,
) -> Result<Vec<Arc<StreamPlan>>, RunError> {
    let mut attempts = 0;
    loop {
        // The log may have been read further since the plans were made.
        if log.state().plugins_changed() != decided_after {
            decided_after = log.state().plugins_changed();
            plans = reload::plan_at_start(config, library, log.state()).await?;
        }
        attempts += 1;
        let elsewhere = elsewhere(config, log.state());
        let mut desired: Vec<_> = plans.iter().flat_map(|plan| plan.plugins()).collect();
        let of_others = log.state().plugins().iter().filter(|used| elsewhere.contains_key(&used.stream));
        desired.extend(of_others.cloned());
        desired.sort();
        if log.state().plugins() == desired {
            return Ok(plans);
        }
        let mut change = reload::change(ChangeCause::Started, decided_after, &plans);
        change.topics.extend(elsewhere);
        match log.append(Body::Control(Control::Plugins { desired, change: Some(change) })).await {
            Ok(_) => return Ok(plans),
            Err(AppendError::Rejected(rejection))
                if rejection.remedy() == LogRemedy::Reload && attempts < DESIRE_ATTEMPTS => {}
            Err(error) => return Err(RunError::Refused(error)),
        }
    }
}

/// Streams that the log desires and this configuration does not have, with their topics: other workers may run
/// them. A stream whose topic is now another one's is none: it was renamed.
fn elsewhere(config: &Config, log: &LogState) -> BTreeMap<String, String> {
    let is_ours = |stream: &str, topic: &str| {
        config.streams.iter().any(|known| known.name == stream || known.topic == topic)
    };
    let of_topic = |used: &PluginUse| Some((used.stream.clone(), log.topic_of(&used.stream)?.to_owned()));
    let streams = log.plugins().iter().filter_map(of_topic);
    streams.filter(|(stream, topic)| !is_ours(stream, topic)).collect()
}

/// Plans a stream with the plugins that the log desires for its steps, whatever the folder holds.
pub(crate) async fn plan_of_log(
    config: &Config,
    stream: &StreamConfig,
    engine: &Engine,
    lake: &Lake,
    desired: &[PluginUse],
) -> Result<Arc<StreamPlan>, RunError> {
    let mut library = Library::new(engine.clone(), lake.clone(), config.signatures.clone());
    let mut plugins = Vec::new();
    for used in desired {
        let step = stream.steps.iter().find(|step| step.name == used.step);
        let step = step.expect("what is desired was chosen by the steps' names");
        let plugin = match library.in_folder(&step.plugin, &config.plugin_file(&step.plugin)) {
            Ok((plugin, _)) if plugin.digest() == used.plugin => plugin,
            in_folder => {
                let folder =
                    in_folder.map_or("nothing that loads".to_owned(), |(plugin, _)| plugin.digest().short());
                tracing::warn!(
                    stream = stream.name,
                    step = step.name,
                    folder,
                    log = used.plugin.short(),
                    "the plugin folder holds another version than the log desires; using the one in the log"
                );
                library.in_lake(&step.plugin, used.plugin).await?
            }
        };
        plugins.push(plugin);
    }
    Ok(Arc::new(StreamPlan::new(stream, &plugins)?))
}

/// Files of a table that its columns are looked for in; more than one, since files may be gone.
const COLUMN_FILES_MAX: usize = 16;

/// The newest files of each table, the latest session's first.
pub(crate) fn newest_files(log: &LogState) -> BTreeMap<String, Vec<DataFile>> {
    let newest = |files: &BTreeMap<String, DataFile>| {
        let mut files: Vec<_> = files.values().collect();
        files.sort_by_key(|file| std::cmp::Reverse(&file.session));
        files.into_iter().take(COLUMN_FILES_MAX).cloned().collect()
    };
    log.files().iter().map(|(table, files)| (table.clone(), newest(files))).collect()
}

/// Refuses a column whose type is not that of the rows a table has already, in any of these files: no reader
/// could open such a table. Columns may be added and left out.
pub(crate) async fn same_columns(
    lake: &Lake,
    files: &BTreeMap<String, Vec<DataFile>>,
    plans: &[Arc<StreamPlan>],
) -> Result<(), RunError> {
    for plan in plans {
        for (name, table) in plan.tables() {
            let files = files.get(name).map_or(&[][..], Vec::as_slice);
            let Some(before) = columns_before(lake, files).await? else { continue };
            for field in table.schema.fields() {
                let known = before.field_with_name(field.name()).ok();
                if let Some(known) = known.filter(|known| known.data_type() != field.data_type()) {
                    return Err(RunError::ColumnType {
                        table: name.to_owned(),
                        column: field.name().clone(),
                        now: type_name(field.data_type()),
                        before: type_name(known.data_type()),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Columns of the first of the files that is there; none if there is no file. A file that is gone is no reason
/// to stop: what it held is not made whole by that.
async fn columns_before(lake: &Lake, files: &[DataFile]) -> Result<Option<SchemaRef>, RunError> {
    for file in files {
        match read::schema(&lake.store(), file).await {
            Ok(columns) => return Ok(Some(columns)),
            Err(error) if error.is_missing() => {
                tracing::error!(
                    table = file.table, %error,
                    "a live file of the table is gone: its rows are missing for every reader; going on without \
                     them, `millstream log verify` lists what is missing"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Closes what earlier runs of this worker left open, and deletes the files they wrote that no entry
/// names, so that the tables' folders hold what the log says.
pub(crate) async fn clean(
    log: &mut CheckpointLog,
    plans: &[Arc<StreamPlan>],
    replaced_kept: Duration,
) -> Result<(), RunError> {
    let folders =
        plans.iter().flat_map(|plan| plan.tables().into_values().map(|table| Path::from(table.dir())));
    let folders: BTreeSet<_> = folders.collect();
    let folders: Vec<_> = folders.into_iter().collect();
    let cleaned = log.clean_closed_sessions(&folders, replaced_kept).await.map_err(RunError::Refused)?;
    if !cleaned.deleted.is_empty() {
        tracing::info!(
            files = cleaned.deleted.len(),
            "deleted files of earlier runs that no checkpoint names"
        );
    }
    Ok(())
}

async fn append(log: &mut CheckpointLog, control: Control) -> Result<(), RunError> {
    log.append(Body::Control(control)).await.map(|_| ()).map_err(RunError::Refused)
}
