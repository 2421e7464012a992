//! `millstream plugin repro`: takes the record of a dead letter out of the lake and runs it again, alone: decoded
//! by the schema of today, through the steps before the one that failed, and through that one. Nothing is
//! written anywhere; what happens is shown.

mod find;
mod run;
mod text;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use millstream_engine::{Engine, Plugin};
use millstream_pipeline::RunError;
use millstream_pipeline::config::{Config, StreamConfig};
use millstream_pipeline::dead_letter::{DECODE, WATERMARK};
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::start;

use super::{place, workbench};
use crate::exit::{Told, Usage};
use crate::{args, out};
use find::Record;

/// Runs the record and shows what happened; fails if it fails again.
pub async fn repro(args: args::Repro) -> anyhow::Result<()> {
    let config = crate::verbs::read_config(&args.lake.config)?;
    let record = find::find(&args.id, args.step.as_deref(), &args.lake).await?;
    let network = Some(&config).filter(|_| args.network);
    let engine = workbench::engine_for_trials(network, config.cache_dir.clone())?;
    let plan = plan(&config, &engine, &record, args.wasm.as_deref())?;
    let ran = run::run(&plan, &record)?;
    match args.lake.json {
        true => out::line(serde_json::to_string(&ran)?)?,
        false => out::text(text::text(&record, &ran))?,
    }
    if ran.outcome.is_failure() { Err(Told::Failing.into()) } else { Ok(()) }
}

/// The stream up to the step that failed, or with all its steps if the record came to none. What plugins log is
/// not held back.
fn plan(
    config: &Config,
    engine: &Engine,
    record: &Record,
    wasm: Option<&Path>,
) -> anyhow::Result<Arc<StreamPlan>> {
    let mut stream = place::stream(config, &record.stream)?.clone();
    let came_to_none = matches!(record.step.as_str(), DECODE | WATERMARK);
    if came_to_none && wasm.is_some() {
        let step = &record.step;
        return Err(Usage(format!(
            "the record failed in {step}, before any plugin: --wasm replaces nothing"
        ))
        .into());
    }
    if !came_to_none {
        stream.steps.truncate(position(&stream, &record.step)? + 1);
    }
    stream.routes.clear();
    stream.watermark = None;
    for step in &mut stream.steps {
        step.limits.log_lines_per_second = u32::MAX;
        step.limits.log_bytes_per_second = usize::MAX;
    }
    let plan = start::plan(&Config { streams: vec![stream.clone()], ..config.clone() }, engine)?.remove(0);
    let Some(file) = wasm else { return Ok(plan) };
    let mut plugins: Vec<Plugin> = plan.steps.iter().map(|step| step.step.plugin().clone()).collect();
    if let (Some(last), Some(step)) = (plugins.last_mut(), stream.steps.last()) {
        *last = engine.load_bytes(&step.plugin, &engine.read(file)?)?;
    }
    let planned = StreamPlan::new(&stream, &plugins).map_err(RunError::from);
    planned.map(Arc::new).with_context(|| format!("{} does not fit", file.display()))
}

fn position(stream: &StreamConfig, step: &str) -> Result<usize, Usage> {
    let names = || stream.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ");
    stream.steps.iter().position(|known| known.name == step).ok_or_else(|| {
        Usage(format!("stream `{}` has no step `{step}` any more; it has: {}", stream.name, names()))
    })
}
