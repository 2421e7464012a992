//! What happens once, before any message flows: plugins are loaded and checked, the lake is probed,
//! the log is read to its head, a session is opened, the source is bound and the plugins are written
//! to the log. After this, what the log says is what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use millstream_engine::{Engine, Plugin};
use millstream_model::entry::{Body, Control, DataFile, PluginUse, SessionId};
use millstream_model::{Clock, Digest};
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode, PutPayload};

use crate::checkpoint::CheckpointLog;
use crate::config::{Config, StepConfig, StreamConfig};
use crate::error::RunError;
use crate::identity;
use crate::lake::Lake;
use crate::plan::{StreamPlan, check_tables};
use crate::signed;
use crate::sink::read;
use crate::store::{RetryPolicy, fetch};

/// Folder of the checkpoint log in a lake.
pub const LOG_FOLDER: &str = "_millstream/log";
/// Folder of plugin bytes, by digest, in a lake.
pub const PLUGIN_FOLDER: &str = "_millstream/plugins";

/// What start-up made ready.
pub struct Started {
    /// The log, at its head, with a session of ours open.
    pub log: CheckpointLog,
    /// Our session.
    pub session: SessionId,
    /// Streams by topic.
    pub plans: BTreeMap<Arc<str>, Arc<StreamPlan>>,
}

/// Loads the plugins of all streams from the plugin folder and plans the streams: everything that can
/// be checked without a broker and a lake.
pub fn plan(config: &Config, engine: &Engine) -> Result<Vec<Arc<StreamPlan>>, RunError> {
    let mut loaded = Loaded::new(engine);
    let plans = config.streams.iter().map(|stream| {
        let folder_plugin = |step: &StepConfig| loaded.folder_plugin(config, step);
        let plugins = stream.steps.iter().map(folder_plugin).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StreamPlan::new(stream, &plugins)?))
    });
    let plans = plans.collect::<Result<Vec<_>, RunError>>()?;
    check_tables(&plans)?;
    Ok(plans)
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
    let plans = plan_with_log(config, engine, lake, &log).await?;
    same_columns(lake, &log, &plans).await?;
    let session = log.open_session(&config.worker.name).await?;
    clean(&mut log, &plans, config.log.keep_replaced).await?;
    let unbound = identity::unbound(log.state(), topics, lake.url())?;
    if log.state().source().is_none() || !unbound.is_empty() {
        append(&mut log, Control::SourceBound { source: source.to_owned(), topics: unbound }).await?;
    }
    let mut desired: Vec<_> = plans.iter().flat_map(|plan| plan.plugins()).collect();
    desired.sort();
    if log.state().plugins() != desired {
        append(&mut log, Control::Plugins { desired, change: None }).await?;
    }
    let plans = plans.into_iter().map(|plan| (plan.topic.clone(), plan)).collect();
    Ok(Started { log, session, plans })
}

/// As [`plan`], but where the log and the folder differ on a step's plugin, the log wins, unless the
/// folder holds a plugin that the log has never seen: that is a new one, dropped in.
async fn plan_with_log(
    config: &Config,
    engine: &Engine,
    lake: &Lake,
    log: &CheckpointLog,
) -> Result<Vec<Arc<StreamPlan>>, RunError> {
    let mut loaded = Loaded::new(engine);
    let mut plans = Vec::new();
    for stream in &config.streams {
        let mut plugins = Vec::new();
        for step in &stream.steps {
            let dropped_in = loaded.folder_plugin(config, step)?;
            let is_step = |used: &&PluginUse| used.stream == stream.name && used.step == step.name;
            let desired = log.state().plugins().iter().find(is_step);
            let plugin = match desired.map(|used| used.plugin) {
                Some(digest)
                    if digest != dropped_in.digest() && log.state().has_retired(dropped_in.digest()) =>
                {
                    tracing::warn!(
                        stream = stream.name,
                        step = step.name,
                        folder = dropped_in.digest().short(),
                        log = digest.short(),
                        "the plugin folder holds a version that was replaced; running the one in the log"
                    );
                    loaded.lake_plugin(config, lake, &step.plugin, digest).await?
                }
                _ => {
                    let file = config.plugins_dir.join(format!("{}.wasm", step.plugin));
                    keep_in_lake(lake, &dropped_in, &file).await?;
                    signed::keep_in_lake(lake, &config.signatures, &dropped_in, &file).await?;
                    dropped_in
                }
            };
            plugins.push(plugin);
        }
        plans.push(Arc::new(StreamPlan::new(stream, &plugins)?));
    }
    check_tables(&plans)?;
    Ok(plans)
}

/// Plans a stream with the plugins that the log desires for its steps, whatever the folder holds.
pub(crate) async fn plan_of_log(
    config: &Config,
    stream: &StreamConfig,
    engine: &Engine,
    lake: &Lake,
    desired: &[PluginUse],
) -> Result<Arc<StreamPlan>, RunError> {
    let mut loaded = Loaded::new(engine);
    let mut plugins = Vec::new();
    for used in desired {
        let step = stream.steps.iter().find(|step| step.name == used.step);
        let step = step.expect("what is desired was chosen by the steps' names");
        let plugin = match loaded.folder_plugin(config, step) {
            Ok(plugin) if plugin.digest() == used.plugin => plugin,
            in_folder => {
                let folder =
                    in_folder.map_or("nothing that loads".to_owned(), |plugin| plugin.digest().short());
                tracing::warn!(
                    stream = stream.name,
                    step = step.name,
                    folder,
                    log = used.plugin.short(),
                    "the plugin folder holds another version than the log desires; using the one in the log"
                );
                loaded.lake_plugin(config, lake, &step.plugin, used.plugin).await?
            }
        };
        plugins.push(plugin);
    }
    Ok(Arc::new(StreamPlan::new(stream, &plugins)?))
}

/// Refuses a column whose type is not that of the rows a table has already: no reader could open such a
/// table. Columns may be added and left out.
pub(crate) async fn same_columns(
    lake: &Lake,
    log: &CheckpointLog,
    plans: &[Arc<StreamPlan>],
) -> Result<(), RunError> {
    for plan in plans {
        for (name, table) in plan.tables() {
            let files = log.state().files().get(name).into_iter().flat_map(BTreeMap::values);
            let Some(before) = columns_before(lake, files.collect()).await? else { continue };
            for field in table.schema.fields() {
                let known = before.field_with_name(field.name()).ok();
                if let Some(known) = known.filter(|known| known.data_type() != field.data_type()) {
                    return Err(RunError::ColumnType {
                        table: name.to_owned(),
                        column: field.name().clone(),
                        now: field.data_type().to_string(),
                        before: known.data_type().to_string(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Columns of any of the files; none if there is no file. The latest session's come first. A file that is
/// gone is no reason to stop: what it held is not made whole by that.
async fn columns_before(lake: &Lake, mut files: Vec<&DataFile>) -> Result<Option<SchemaRef>, RunError> {
    files.sort_by_key(|file| std::cmp::Reverse(&file.session));
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

/// Plugins by file, and by name and digest: a signature is for a name.
struct Loaded<'a> {
    engine: &'a Engine,
    by_name: BTreeMap<String, Plugin>,
    by_digest: BTreeMap<(String, Digest), Plugin>,
}

impl<'a> Loaded<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self { engine, by_name: BTreeMap::new(), by_digest: BTreeMap::new() }
    }

    fn folder_plugin(&mut self, config: &Config, step: &StepConfig) -> Result<Plugin, RunError> {
        if let Some(plugin) = self.by_name.get(&step.plugin) {
            return Ok(plugin.clone());
        }
        let file = config.plugins_dir.join(format!("{}.wasm", step.plugin));
        let plugin = signed::load(self.engine, &config.signatures, &file)?;
        self.by_name.insert(step.plugin.clone(), plugin.clone());
        Ok(plugin)
    }

    async fn lake_plugin(
        &mut self,
        config: &Config,
        lake: &Lake,
        name: &str,
        digest: Digest,
    ) -> Result<Plugin, RunError> {
        if let Some(plugin) = self.by_digest.get(&(name.to_owned(), digest)) {
            return Ok(plugin.clone());
        }
        let path = plugin_path(digest);
        let bytes = fetch(&lake.store(), &path, RetryPolicy::default())
            .await
            .and_then(|bytes| check_digest(digest, bytes))
            .map_err(|source| RunError::PluginBytes { path: lake.display_path(path.as_ref()), source })?;
        signed::check_in_lake(lake, &config.signatures, name, digest, &bytes).await?;
        let failed = |source| RunError::Plugin { place: lake.display_path(path.as_ref()), source };
        let plugin = self.engine.load_bytes(name, &bytes).map_err(failed)?;
        self.by_digest.insert((name.to_owned(), digest), plugin.clone());
        Ok(plugin)
    }
}

/// A file may have been replaced since it was loaded, or damaged since it was stored.
fn check_digest<B: AsRef<[u8]>>(digest: Digest, bytes: B) -> object_store::Result<B> {
    let found = Digest::of(bytes.as_ref());
    if found == digest {
        return Ok(bytes);
    }
    let source = format!("its bytes are those of {}, not of {}", found.short(), digest.short()).into();
    Err(object_store::Error::Generic { store: "plugins", source })
}

fn plugin_path(digest: Digest) -> Path {
    Path::from(format!("{PLUGIN_FOLDER}/{digest}.wasm"))
}

/// Stores the plugin's bytes under their digest, so that every worker and every restart can run what
/// the log names.
async fn keep_in_lake(lake: &Lake, plugin: &Plugin, file: &std::path::Path) -> Result<(), RunError> {
    let path = plugin_path(plugin.digest());
    let failed = |source| RunError::PluginBytes { path: lake.display_path(path.as_ref()), source };
    let bytes = std::fs::read(file)
        .map_err(|source| object_store::Error::Generic { store: "plugin folder", source: Box::new(source) })
        .and_then(|bytes| check_digest(plugin.digest(), bytes))
        .map_err(failed)?;
    let payload = PutPayload::from(bytes);
    let mut attempts = RetryPolicy::default().begin();
    loop {
        match lake.store().put_opts(&path, payload.clone(), PutMode::Create.into()).await {
            // The digest is the name, so whatever is there is this.
            Ok(_)
            | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(());
            }
            Err(error) if attempts.go_on(&format!("create `{path}`"), &error).await => {}
            Err(source) => return Err(failed(source)),
        }
    }
}
