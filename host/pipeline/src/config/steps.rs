//! The steps of a stream, with what stands beside their plugins.

use std::collections::HashSet;
use std::path::Path;

use millstream_engine::Limits;
use millstream_settings::limits::laid_over;
use millstream_settings::plugin_file::plugin_file;

use super::check::is_name;
use super::circuit::circuit;
use super::secrets::Secrets;
use super::shadow::shadow;
use super::{OnDropIn, StepConfig, routes, typed};
use millstream_settings::{ConfigError, Document};

/// Checks the steps of `stream`; `limits` are those that its document states for all.
pub(super) fn steps(
    document: &Document,
    stream: &str,
    typed: Vec<typed::Step>,
    plugins_dir: &Path,
    limits: &Limits,
    secrets: &Secrets,
) -> Result<Vec<StepConfig>, ConfigError> {
    let mut names = HashSet::new();
    let mut steps = Vec::new();
    for (index, step) in typed.into_iter().enumerate() {
        let index = index.to_string();
        let at = |key| ["streams", stream, "steps", &index, key];
        if !is_name(&step.plugin) {
            let message = "expected the name of a plugin: its file without `.wasm`, in the plugin folder";
            return Err(document.error(&at("plugin"), message));
        }
        let name = step.name.unwrap_or_else(|| step.plugin.clone());
        if !names.insert(name.clone()) {
            let message = format!("a second step `{name}` in this stream; give it another `name`");
            return Err(document.error(&at("name"), message));
        }
        if let Some(table) = step.outputs.values().find(|table| !routes::is_table(table)) {
            return Err(document.error(&at("outputs"), format!("`{table}` is not a table's name")));
        }
        let beside = plugin_file(&plugins_dir.join(format!("{}.toml", step.plugin)), limits, &|name| {
            secrets.contains_key(name)
        })?;
        let mut config = beside.config;
        config.extend(step.config);
        steps.push(StepConfig {
            name,
            plugin: step.plugin,
            config: serde_json::to_value(config)
                .map_err(|error| document.error(&at("config"), error.to_string()))?,
            outputs: step.outputs,
            grants: beside.grants,
            limits: laid_over(&beside.limits, &step.limits, document, &at("limits"))?,
            on_drop_in: match step.on_drop_in {
                typed::OnDropIn::Swap => OnDropIn::Swap,
                typed::OnDropIn::ShadowThenSwap => OnDropIn::ShadowThenSwap,
                typed::OnDropIn::Hold => OnDropIn::Hold,
            },
            shadow: shadow(document, &at("plugin")[..4], step.on_drop_in, step.shadow.as_ref())?,
            circuit: circuit(document, &at("plugin")[..4], step.on_circuit, step.error_budget.as_ref())?,
            place: document.place_of(&at("plugin")),
        });
    }
    Ok(steps)
}
