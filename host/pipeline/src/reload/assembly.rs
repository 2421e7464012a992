//! Puts streams together: for each step the version that is wished for, else the one that the log desires.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::entry::ChangeCause;

use super::Plans;
use super::View;
use super::target::{Version, plan_stream};
use super::thread::{Stopped, Work};
use super::wish::Wish;
use crate::admin::StepId;
use crate::config::{Config, StepConfig, StreamConfig};
use crate::error::RunError;
use crate::library::{Library, config_digest};
use crate::plan::{PlanError, StreamPlan, check_tables};

/// Streams that are planned.
pub(super) struct Assembly {
    /// All that can run, by topic.
    pub(super) plans: Plans,
    /// Those among them that are not as they run now.
    pub(super) changed: Vec<Arc<StreamPlan>>,
    /// Streams that cannot run here, and why.
    pub(super) waiting: BTreeMap<Arc<str>, String>,
}

/// What stands in the way of a wish.
pub(super) struct Obstacle {
    /// The stream it is about, if about one.
    pub(super) stream: Option<String>,
    /// The step, if about one.
    pub(super) step: Option<String>,
    pub(super) error: RunError,
}

impl Assembly {
    /// Has the configurations of the steps in the lake; their plugins are there.
    pub(super) async fn store(&self, library: &Library) -> Result<(), RunError> {
        for step in self.changed.iter().flat_map(|plan| &plan.steps) {
            library.store_config(&step.settings).await?;
        }
        Ok(())
    }
}

impl Work {
    /// Plans all streams with what is wished for. A stream that the wish is not about, and that cannot run here
    /// as the log has it, waits.
    pub(super) fn assemble(
        &mut self,
        wish: &Wish,
        view: &View,
    ) -> Result<Result<Assembly, Obstacle>, Stopped> {
        let config = wish.config.clone().unwrap_or_else(|| self.config.clone());
        let mut assembly = Assembly { plans: Plans::new(), changed: Vec::new(), waiting: BTreeMap::new() };
        for stream in &config.streams {
            let name: Arc<str> = stream.name.as_str().into();
            if let Some(reason) = self.differs(stream, wish, view) {
                assembly.waiting.insert(name, reason);
                continue;
            }
            match self.plan_for(stream, wish, view)? {
                Ok(plan) => {
                    if !self.plans.get(&plan.topic).is_some_and(|running| Arc::ptr_eq(running, &plan)) {
                        assembly.changed.push(plan.clone());
                    }
                    assembly.plans.insert(plan.topic.clone(), plan);
                }
                Err(Obstacle { error: error @ RunError::Plan(_), .. }) if !wish.concerns(&stream.name) => {
                    let reason =
                        format!("what the log desires does not run with this configuration: {error}");
                    assembly.waiting.insert(name, reason);
                }
                Err(obstacle) => return Ok(Err(obstacle)),
            }
        }
        let plans: Vec<_> = assembly.plans.values().cloned().collect();
        Ok(check_tables(&plans).map(|()| assembly).map_err(Obstacle::from))
    }

    /// How the steps of a stream differ from those that the log desires, unless it is the wish to change them.
    fn differs(&self, stream: &StreamConfig, wish: &Wish, view: &View) -> Option<String> {
        let known = view.steps(&stream.name);
        let has = |name: &str| stream.steps.iter().any(|step| step.name == name);
        let running = self.config.streams.iter().find(|running| running.name == stream.name);
        let names = |stream: &StreamConfig| -> Vec<String> {
            stream.steps.iter().map(|step| step.name.clone()).collect()
        };
        if wish.config.is_some() && running.is_none_or(|running| names(running) != names(stream)) {
            return None;
        }
        if let Some(other) = known.iter().find(|name| !has(name)) {
            return Some(format!(
                "the log desires a step `{other}` that the configuration of this worker does not have; add it"
            ));
        }
        let step = stream.steps.iter().find(|step| !known.contains(step.name.as_str()))?;
        Some(format!(
            "the log desires no step `{}`, which the configuration of this worker has; take it out, or start the \
             worker again to put it back",
            step.name
        ))
    }

    /// Plans a stream as the log has it and this worker is configured; none if it does not run so.
    pub(super) fn plan_of_log(
        &mut self,
        stream: &str,
        view: &View,
    ) -> Result<Option<Arc<StreamPlan>>, Stopped> {
        let nothing = Wish::new(ChangeCause::Started);
        let Some(stream) = find(&self.config, stream).cloned() else { return Ok(None) };
        if self.differs(&stream, &nothing, view).is_some() {
            return Ok(None);
        }
        Ok(self.plan_for(&stream, &nothing, view)?.ok())
    }

    /// Plans one stream; gives the plan that runs if it would be the same.
    pub(super) fn plan_for(
        &mut self,
        stream: &StreamConfig,
        wish: &Wish,
        view: &View,
    ) -> Result<Result<Arc<StreamPlan>, Obstacle>, Stopped> {
        let mut versions = Vec::new();
        for step in &stream.steps {
            let id = StepId::new(stream.name.as_str(), step.name.as_str());
            match self.version_for(step, &id, wish, view)? {
                Ok(version) => versions.push(version),
                Err(error) => {
                    let (stream, step) = (Some(id.stream), Some(id.step));
                    return Ok(Err(Obstacle { stream, step, error }));
                }
            }
        }
        let running = self.plans.get(stream.topic.as_str());
        let is_running = |plan: &&Arc<StreamPlan>| {
            let same = |(step, version): (&crate::plan::PlannedStep, &Version)| {
                step.step.plugin().digest() == version.plugin.digest() && step.settings == version.config
            };
            plan.steps.len() == versions.len() && plan.steps.iter().zip(&versions).all(same)
        };
        let is_configured = find(&self.config, &stream.name).is_some_and(|known| known.is_same(stream));
        if let Some(plan) = running.filter(is_running)
            && is_configured
        {
            return Ok(Ok(plan.clone()));
        }
        Ok(plan_stream(stream, &versions).map_err(Obstacle::from))
    }

    /// The version that a step is to run.
    fn version_for(
        &mut self,
        step: &StepConfig,
        id: &StepId,
        wish: &Wish,
        view: &View,
    ) -> Result<Result<Version, RunError>, Stopped> {
        if let Some(wanted) = wish.steps.get(id) {
            return Ok(Ok(wanted.version.clone()));
        }
        let before = find(&self.config, &id.stream);
        let before = before.and_then(|stream| stream.steps.iter().find(|before| before.name == step.name));
        let is_edited = before.is_none_or(|before| before.config != step.config);
        let is_renamed = before.is_some_and(|before| before.plugin != step.plugin);
        let Some(used) = view.desired(id).filter(|_| !is_renamed) else {
            let plugin = self.library.in_folder(&step.plugin, &self.config.plugin_file(&step.plugin));
            let (plugin, bytes) = match plugin {
                Ok(loaded) => loaded,
                Err(error) => return Ok(Err(error)),
            };
            let stored = self.line.wait(self.library.store(bytes))?;
            return Ok(stored.map(|()| Version { plugin, config: step.config.clone() }));
        };
        let plugin = match self.line.wait(self.library.in_lake(&step.plugin, used.plugin))? {
            Ok(plugin) => plugin,
            Err(error) => return Ok(Err(error)),
        };
        let config = match is_edited || used.config == config_digest(&step.config) {
            true => Ok(step.config.clone()),
            false => self.line.wait(self.library.config(used.config))?,
        };
        Ok(config.map(|config| Version { plugin, config }))
    }
}

impl From<PlanError> for Obstacle {
    fn from(error: PlanError) -> Self {
        let (stream, step) = match &error {
            PlanError::Step { stream, step, .. }
            | PlanError::UnroutedOutput { stream, step, .. }
            | PlanError::TableTaken { stream, step, .. }
            | PlanError::FedTwice { stream, step, .. }
            | PlanError::UnknownOutput { stream, step, .. } => (Some(stream.clone()), Some(step.clone())),
            PlanError::Schema { stream, .. } | PlanError::NoLateTable { stream, .. } => {
                (Some(stream.clone()), None)
            }
            PlanError::Route { .. } => (None, None),
        };
        Self { stream, step, error: RunError::Plan(error) }
    }
}

fn find<'a>(config: &'a Config, stream: &str) -> Option<&'a StreamConfig> {
    config.streams.iter().find(|known| known.name == stream)
}
