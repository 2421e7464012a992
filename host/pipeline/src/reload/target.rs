//! Whole streams out of versions of their steps: what is to run, planned and checked, before anybody is asked
//! to run it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_engine::{Plugin, Step};
use millstream_model::entry::{ChangeCause, PluginChange, PluginName, PluginUse};

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
    plans: impl IntoIterator<Item = &'a Arc<StreamPlan>>,
) -> PluginChange {
    let mut change = PluginChange { cause, topics: BTreeMap::new(), names: BTreeMap::new() };
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

/// What `candidate` does with the stream that `live` does not, in words for whoever approves it.
pub(super) fn widened(candidate: &Step, live: &Step) -> Vec<String> {
    let names = |fields: &[arrow::datatypes::Field]| -> BTreeSet<String> {
        fields.iter().map(|field| field.name().clone()).collect()
    };
    let (new, old) = (candidate.plan(), live.plan());
    let of = |step: &Step| -> BTreeSet<String> {
        step.outputs().iter().map(|output| output.name.clone()).collect()
    };
    let drops = |names: &[String]| -> BTreeSet<String> { names.iter().cloned().collect() };
    let kinds = [
        ("reads column", names(&new.reads), names(&old.reads)),
        ("writes column", names(&new.writes), names(&old.writes)),
        ("drops column", drops(&new.drops), drops(&old.drops)),
        ("has output", of(candidate), of(live)),
    ];
    let texts = kinds
        .iter()
        .flat_map(|(what, new, old)| new.difference(old).map(move |name| format!("newly {what} `{name}`")));
    texts.collect()
}
