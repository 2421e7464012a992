//! Whole streams out of versions of their steps: what is to run, planned and checked, before anybody is asked
//! to run it.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_engine::Plugin;
use millstream_model::entry::{ChangeCause, PluginChange, PluginName, PluginUse, Sequence};

use crate::config::StreamConfig;
use crate::plan::{PlanError, StreamPlan};

/// What a step is to run.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) plugin: Plugin,
    pub(super) config: serde_json::Value,
}

/// Plans `stream` with these versions of its steps, in their order.
pub(super) fn plan_stream(stream: &StreamConfig, versions: &[Version]) -> Result<Arc<StreamPlan>, PlanError> {
    let mut stream = stream.clone();
    for (step, version) in stream.steps.iter_mut().zip(versions) {
        step.config = version.config.clone();
    }
    let plugins: Vec<_> = versions.iter().map(|version| version.plugin.clone()).collect();
    StreamPlan::new(&stream, &plugins).map(Arc::new)
}

/// The plugins of all steps, as the log desires them.
pub(super) fn uses<'a>(plans: impl IntoIterator<Item = &'a Arc<StreamPlan>>) -> Vec<PluginUse> {
    let mut uses: Vec<_> = plans.into_iter().flat_map(|plan| plan.plugins()).collect();
    uses.sort();
    uses
}

/// What an entry that lets the log desire these streams says beside the digests.
pub(crate) fn change<'a>(
    cause: ChangeCause,
    parent: Option<Sequence>,
    plans: impl IntoIterator<Item = &'a Arc<StreamPlan>>,
) -> PluginChange {
    let mut change = PluginChange { cause, parent, topics: BTreeMap::new(), names: BTreeMap::new() };
    for plan in plans.into_iter().filter(|plan| !plan.steps.is_empty()) {
        change.topics.insert(plan.name.to_string(), plan.topic.to_string());
        for plugin in plan.steps.iter().map(|step| step.step.plugin()) {
            let about = plugin.about();
            let name = PluginName { name: about.name.clone(), version: about.version.clone() };
            change.names.insert(plugin.digest(), name);
        }
    }
    change
}
