//! Which versions run from the start of a process on: those of the log, but for what the folder and the
//! configuration have that the log has never seen.

use std::sync::Arc;

use millstream_engine::Plugin;
use millstream_log::{LogState, StepVersion};
use millstream_model::Digest;
use millstream_model::entry::{ChangeCause, PluginUse};

use super::View;
use super::decide::{Decision, Facts, decide};
use super::target::{Version, plan_stream};
use crate::admin::StepId;
use crate::config::{Config, StepConfig, StreamConfig};
use crate::error::RunError;
use crate::library::{Library, config_digest};
use crate::plan::{StreamPlan, check_tables};

const REFUSED: &str = "the version in the plugin folder is refused; running the one in the log";

/// Plans all streams, and has their plugins and configurations in the lake before that is over.
pub(crate) async fn plan_at_start(
    config: &Config,
    library: &mut Library,
    log: &LogState,
) -> Result<Vec<Arc<StreamPlan>>, RunError> {
    let mut plans = Vec::new();
    for stream in &config.streams {
        plans.push(plan_one(config, stream, library, log).await?);
    }
    check_tables(&plans)?;
    Ok(plans)
}

async fn plan_one(
    config: &Config,
    stream: &StreamConfig,
    library: &mut Library,
    log: &LogState,
) -> Result<Arc<StreamPlan>, RunError> {
    let (mut wanted, mut present) = (Vec::new(), Vec::new());
    for step in &stream.steps {
        let id = StepId::new(stream.name.as_str(), step.name.as_str());
        let (plugin, bytes) = match library.in_folder(&step.plugin, &config.plugin_file(&step.plugin)) {
            Ok(found) => found,
            Err(error) => {
                let version = instead_of_refused(step, &id, library, log, error).await?;
                wanted.push(version.clone());
                present.push(version);
                continue;
            }
        };
        let view = View::of(log, &[plugin.digest()]);
        let dropped_in = Version { plugin, config: step.config.clone() };
        let version = match view.desired(&id) {
            Some(used) => of_log(step, &view, &id, library, used, Some(&dropped_in.plugin)).await?,
            None => dropped_in.clone(),
        };
        let takes = takes(step, &view, &id, dropped_in.plugin.digest(), &[]);
        if takes {
            library.store(bytes).await?;
        }
        let config = version.config.clone();
        wanted.push(if takes { Version { config, ..dropped_in } } else { version.clone() });
        present.push(version);
    }
    let plan = narrowed(stream, wanted, present, log)?;
    for step in &plan.steps {
        library.store_config(&step.settings).await?;
    }
    Ok(plan)
}

/// Plans the stream with the wanted versions, but for those that ask for more than the present ones had. If the
/// present ones do not fit the stream any more, there is nothing to compare with.
fn narrowed(
    stream: &StreamConfig,
    mut wanted: Vec<Version>,
    present: Vec<Version>,
    log: &LogState,
) -> Result<Arc<StreamPlan>, RunError> {
    let plan = match plan_stream(stream, &wanted) {
        Ok(plan) => plan,
        Err(error) => {
            // Without new versions this fails in the same way.
            let Ok(before) = plan_stream(stream, &present) else { return Err(error.into()) };
            tracing::warn!(stream = stream.name, %error, "{REFUSED}");
            return Ok(before);
        }
    };
    let is_new = |index: usize| wanted[index].plugin.digest() != present[index].plugin.digest();
    let new: Vec<_> = (0..wanted.len()).filter(|index| is_new(*index)).collect();
    if new.is_empty() {
        return Ok(plan);
    }
    let Ok(before) = plan_stream(stream, &present) else { return Ok(plan) };
    let mut is_narrowed = false;
    for index in new {
        let widened = plan.steps[index].step.widened(&before.steps[index].step);
        let step = &stream.steps[index];
        let view = View::of(log, &[wanted[index].plugin.digest()]);
        let id = StepId::new(stream.name.as_str(), step.name.as_str());
        if !takes(step, &view, &id, wanted[index].plugin.digest(), &widened) {
            wanted[index] = present[index].clone();
            is_narrowed = true;
        }
    }
    if is_narrowed { Ok(plan_stream(stream, &wanted)?) } else { Ok(plan) }
}

/// What the log desires for a step whose file is refused, as the file is while a run goes on. If the log does not
/// know the step, there is nothing to run.
async fn instead_of_refused(
    step: &StepConfig,
    id: &StepId,
    library: &mut Library,
    log: &LogState,
    error: RunError,
) -> Result<Version, RunError> {
    let view = View::of(log, &[]);
    let Some(used) = view.desired(id) else { return Err(error) };
    let log = used.plugin.short();
    tracing::warn!(stream = id.stream, step = id.step, log, %error, "{REFUSED}");
    of_log(step, &view, id, library, used, None).await
}

/// What the log desires for the step, which may be the plugin in the folder.
async fn of_log(
    step: &StepConfig,
    view: &View,
    id: &StepId,
    library: &mut Library,
    used: &PluginUse,
    in_folder: Option<&Plugin>,
) -> Result<Version, RunError> {
    let plugin = match in_folder.filter(|plugin| plugin.digest() == used.plugin) {
        Some(plugin) => plugin.clone(),
        None => library.in_lake(&step.plugin, used.plugin).await?,
    };
    let own = config_digest(&step.config);
    let config = match own != used.config && is_left(view.versions(id), own) {
        true => library.config(used.config).await?,
        false => step.config.clone(),
    };
    Ok(Version { plugin, config })
}

/// True if somebody, or a circuit, has led the step away from the configuration `own`: then it stays so.
fn is_left(versions: &[StepVersion], own: Digest) -> bool {
    use ChangeCause::{CircuitOpened, Promoted, RolledBack};
    let Some((present, earlier)) = versions.split_last() else { return false };
    let was_asked_for = matches!(present.cause, Some(RolledBack | CircuitOpened | Promoted));
    was_asked_for && earlier.iter().any(|version| version.config == own)
}

/// True if the plugin in the folder takes over; if not, says why the one in the log runs.
fn takes(step: &StepConfig, view: &View, id: &StepId, file: Digest, widened: &[String]) -> bool {
    let facts = Facts {
        file,
        replaced: None,
        desired: view.desired(id).map(|used| used.plugin),
        retired: view.has_retired(file),
        policy: step.on_drop_in,
        widened,
        approved: false,
        shadowed: false,
    };
    let why = match decide(&facts) {
        Decision::Take => return true,
        Decision::Same => return false,
        Decision::Leave => "the plugin folder holds a version that was replaced; running the one in the log",
        Decision::AwaitApproval => {
            "the version in the plugin folder asks for more than the one in the log had; running the latter until \
             somebody approves"
        }
        Decision::Hold => {
            "the version in the plugin folder is held by the step's policy; running the one in the log"
        }
        Decision::Shadow => {
            "the version in the plugin folder is to run as a shadow first; running the one in the log"
        }
    };
    let log = facts.desired.map(|digest| digest.short());
    tracing::warn!(stream = id.stream, step = id.step, folder = file.short(), log, "{why}");
    false
}
