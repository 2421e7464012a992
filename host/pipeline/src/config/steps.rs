//! The steps of a stream, with what stands beside their plugins.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use millstream_engine::Limits;

use super::check::is_name;
use super::circuit::circuit;
use super::document::Document;
use super::error::ConfigError;
use super::{OnDropIn, StepConfig, routes, typed};

/// Shortest deadline of a call: the engine looks at the clock every 10 ms.
const DEADLINE_MIN: Duration = Duration::from_millis(10);
/// Smallest memory of a plugin: a Rust guest begins with 1 MiB of stack.
const MEMORY_MIN: usize = 1 << 20;

/// Checks the steps of `stream`.
pub(super) fn steps(
    document: &Document,
    stream: &str,
    typed: Vec<typed::Step>,
    plugins_dir: &Path,
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
        let wasm = plugins_dir.join(format!("{}.wasm", step.plugin));
        if !wasm.is_file() {
            let message = format!("no plugin `{}`: {} does not exist", step.plugin, wasm.display());
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
        let beside = plugin_file(&plugins_dir.join(format!("{}.toml", step.plugin)))?;
        let mut config = beside.config;
        config.extend(step.config);
        steps.push(StepConfig {
            name,
            plugin: step.plugin,
            config: serde_json::to_value(config)
                .map_err(|error| document.error(&at("config"), error.to_string()))?,
            outputs: step.outputs,
            limits: limits(document, &at("plugin"), &beside.limits)?,
            on_drop_in: match step.on_drop_in {
                typed::OnDropIn::Swap => OnDropIn::Swap,
                typed::OnDropIn::ShadowThenSwap => OnDropIn::ShadowThenSwap,
                typed::OnDropIn::Hold => OnDropIn::Hold,
            },
            circuit: circuit(document, &at("plugin")[..4], step.on_circuit, step.error_budget.as_ref())?,
            place: document.place_of(&at("plugin")),
        });
    }
    Ok(steps)
}

/// The file beside a plugin; absent means default limits and no parameters.
fn plugin_file(path: &Path) -> Result<typed::PluginFile, ConfigError> {
    if path.is_file() { Document::read(path, [])?.deserialize() } else { Ok(typed::PluginFile::default()) }
}

fn limits(document: &Document, step: &[&str], typed: &typed::Limits) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(deadline) = typed.deadline {
        limits.deadline = deadline.0;
    }
    if let Some(memory) = typed.memory {
        limits.memory_bytes = memory.0;
    }
    if let Some(output) = typed.output {
        limits.output_bytes = output.0;
    }
    if limits.deadline < DEADLINE_MIN {
        return Err(document.error(step, "limits.deadline beside the plugin is shorter than 10ms"));
    }
    if limits.memory_bytes < MEMORY_MIN {
        return Err(document.error(step, "limits.memory beside the plugin is smaller than 1MiB"));
    }
    Ok(limits)
}
