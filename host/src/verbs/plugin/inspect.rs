//! `millstream plugin inspect`: what a plugin is, what it does on a stream, and what it must be granted for that.
//! It is loaded, and asked for its plan; no row is near.

mod grants;
mod plan;
mod text;

use std::path::Path;

use millstream_engine::{Anatomy, Engine, Plugin};
use millstream_model::Digest;
use serde::Serialize;
use serde_json::Value;

use super::place::{self, Place};
use super::signature::Signature;
use super::workbench::{self, Loaded};
use crate::exit::Usage;
use crate::{args, out};
use plan::Found;

/// What there is to say about a plugin.
#[derive(Serialize)]
struct Inspection {
    /// The file, as it was named.
    file: String,
    /// The name that steps call it by: the file's.
    plugin: String,
    /// What it calls itself.
    name: String,
    version: String,
    digest: Digest,
    size_bytes: usize,
    is_component: bool,
    language: Option<&'static str>,
    tools: Vec<String>,
    world: String,
    abi: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    memory_bytes: u64,
    memory_pages: u64,
    has_lines: bool,
    /// How long it took to load, and whether it lay compiled in the cache.
    load_ms: f64,
    was_compiled: bool,
    signature: Signature,
    /// JSON schema of its configuration.
    config_schema: Option<Value>,
    example_config: Value,
    /// What it does on a stream; none if there is no stream to ask it for.
    plan: Option<Found>,
}

/// Looks at a plugin and prints what was found. A plan that does not fit is printed with the rest, and is an error.
pub async fn inspect(args: &args::Inspect) -> anyhow::Result<()> {
    let file = workbench::wasm_file(&args.plugin).await?;
    let config = match &args.stream {
        Some(_) => Some(crate::verbs::read_config(&args.config)?),
        None => workbench::config_if_any(&args.config)?,
    };
    let engine = workbench::engine(config.as_ref())?;
    let loaded = workbench::load(&engine, &file)?;
    let place = match (&args.stream, &config) {
        (Some(stream), Some(config)) => {
            Some(place::on_stream(config, &engine, (&loaded.plugin, &file), stream)?.place)
        }
        _ => of_case(&engine, &file, &loaded.plugin)?,
    };
    let signatures = config.map(|config| config.signatures).unwrap_or_default();
    let signature = Signature::of(&signatures, loaded.plugin.name(), &file, &loaded.bytes)?;
    let found = inspection(&file.display().to_string(), &loaded, signature, place.as_ref())?;
    match args.json {
        true => out::line(serde_json::to_string(&found)?)?,
        false => out::text(text::text(&found))?,
    }
    match found.plan.and_then(|plan| plan.problem) {
        Some(problem) => Err(Usage(problem).into()),
        None => Ok(()),
    }
}

/// The first case beside the plugin that it can be configured for, else the first; none if there are no cases.
fn of_case(engine: &Engine, file: &Path, plugin: &Plugin) -> anyhow::Result<Option<Place>> {
    let cases = file.with_file_name("cases");
    if !cases.is_dir() {
        return Ok(None);
    }
    let places = place::of_cases(engine, file, &cases)?;
    let fits = |(place, _): &(Place, _)| {
        plugin.configure(&place.config, &place.input, place.limits.clone(), &place.grants).is_ok()
    };
    let index = places.iter().position(fits).unwrap_or(0);
    Ok(places.into_iter().nth(index).map(|(place, _)| place))
}

fn inspection(
    file: &str,
    loaded: &Loaded,
    signature: Signature,
    place: Option<&Place>,
) -> anyhow::Result<Inspection> {
    let plugin = &loaded.plugin;
    let anatomy = Anatomy::of(&loaded.bytes)?;
    let about = plugin.about().clone();
    Ok(Inspection {
        file: file.to_owned(),
        plugin: plugin.name().to_owned(),
        name: about.name,
        version: about.version,
        digest: plugin.digest(),
        size_bytes: plugin.size(),
        is_component: anatomy.is_component,
        language: anatomy.language,
        world: anatomy.world(),
        abi: anatomy.abi().map(str::to_owned),
        memory_bytes: anatomy.memory_bytes,
        memory_pages: anatomy.memory_pages(),
        has_lines: anatomy.has_lines,
        tools: anatomy.tools.into_iter().collect(),
        imports: anatomy.imports.into_iter().collect(),
        exports: anatomy.exports.into_iter().collect(),
        load_ms: loaded.time.as_secs_f64() * 1e3,
        was_compiled: loaded.was_compiled,
        signature,
        config_schema: about.config_schema.and_then(|schema| serde_json::from_str(&schema).ok()),
        example_config: place::example(plugin),
        plan: place.map(|place| plan::find(plugin, place)),
    })
}
