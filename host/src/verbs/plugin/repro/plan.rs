//! Which plugins a record runs through again: those that processed it, as the lake keeps them, unless the command
//! line asks for others. Configuration, grants and schema are those of today.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use millstream_engine::{Engine, Plugin};
use millstream_model::Digest;
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::config::{Config, StreamConfig};
use millstream_pipeline::dead_letter::{DECODE, WATERMARK};
use millstream_pipeline::lake::Lake;
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::{RunError, start};
use serde::Serialize;

use super::find::Record;
use crate::args;
use crate::exit::Usage;
use crate::verbs::plugin::place;

/// Which version of a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Runs {
    /// The one that made the dead letter.
    Then,
    /// The one in the plugin folder.
    Current,
    /// A file that the command line names.
    File,
}

/// What the record runs through.
pub(super) struct Planned {
    pub(super) plan: Arc<StreamPlan>,
    pub(super) runs: Runs,
    /// What the plugin folder has for the step that failed, if that is not what runs.
    pub(super) in_folder: Option<Digest>,
}

/// The lake that the record was found in, and what plugins are looked up by there.
pub(super) struct Shelf<'a> {
    pub(super) config: &'a Config,
    pub(super) engine: &'a Engine,
    pub(super) lake: &'a Lake,
    pub(super) log: &'a CheckpointLog,
}

impl Shelf<'_> {
    /// The stream up to the step that failed, or with all its steps if the record came to none. What plugins log is
    /// not held back.
    pub(super) async fn plan(&self, record: &Record, args: &args::Repro) -> anyhow::Result<Planned> {
        let stream = shortened(self.config, record, args.wasm.as_deref())?;
        let runs = match &args.wasm {
            Some(_) => Runs::File,
            None if args.current || record.plugin.is_none() => Runs::Current,
            None => Runs::Then,
        };
        let mut plugins = Vec::with_capacity(stream.steps.len());
        for number in 0..stream.steps.len() {
            plugins.push(self.plugin(&stream, number, record, args).await?);
        }
        let in_folder = match (plugins.last(), stream.steps.last(), &record.plugin) {
            (Some(last), Some(step), Some(_)) => self.in_folder(&step.plugin, last.digest()),
            _ => None,
        };
        let planned = StreamPlan::new(&stream, &plugins).map_err(RunError::from);
        let plan = planned.map(Arc::new).with_context(|| match (&args.wasm, runs) {
            (Some(file), _) => format!("{} does not fit", file.display()),
            (None, Runs::Then) => {
                "the plugins that ran then do not fit the configuration of today; --current runs those in the plugin \
                 folder"
                    .to_owned()
            }
            (None, _) => "the plugins in the plugin folder do not fit the configuration".to_owned(),
        })?;
        Ok(Planned { plan, runs, in_folder })
    }

    async fn plugin(
        &self,
        stream: &StreamConfig,
        number: usize,
        record: &Record,
        args: &args::Repro,
    ) -> anyhow::Result<Plugin> {
        let step = &stream.steps[number];
        let is_last = number + 1 == stream.steps.len();
        if let Some(file) = args.wasm.as_ref().filter(|_| is_last) {
            return Ok(self.engine.load_bytes(&step.plugin, &self.engine.read(file)?)?);
        }
        let then = match is_last {
            true => record.plugin,
            false => self.before(stream, &step.name, record),
        };
        let Some(digest) = then.filter(|_| !args.current) else {
            return Ok(start::plugin(self.config, self.engine, stream, number)?);
        };
        let kept = start::kept_plugin(self.config, self.engine, self.lake, (&step.plugin, digest)).await;
        kept.with_context(|| {
            let (step, digest) = (&step.name, digest.short());
            format!(
                "version {digest} of step {step}, which ran then, cannot be run; --current runs what lies in the plugin \
                 folder, --wasm FILE a build of your own"
            )
        })
    }

    /// The version of a step that the record went through before it came to the one that failed.
    fn before(&self, stream: &StreamConfig, step: &str, record: &Record) -> Option<Digest> {
        record.plugin?;
        let version = self.log.state().version_at(&stream.name, step, record.partition, record.offset);
        version.map(|version| version.plugin)
    }

    /// The digest of the plugin in the plugin folder, if there is one and it is another.
    fn in_folder(&self, plugin: &str, runs: Digest) -> Option<Digest> {
        let bytes = self.engine.read(&self.config.plugin_file(plugin)).ok()?;
        Some(Digest::of(&bytes)).filter(|digest| *digest != runs)
    }
}

fn shortened(config: &Config, record: &Record, wasm: Option<&Path>) -> Result<StreamConfig, Usage> {
    let mut stream = place::stream(config, &record.stream)?.clone();
    let came_to_none = matches!(record.step.as_str(), DECODE | WATERMARK);
    if came_to_none && wasm.is_some() {
        let step = &record.step;
        return Err(Usage(format!(
            "the record failed in {step}, before any plugin: --wasm replaces nothing"
        )));
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
    Ok(stream)
}

fn position(stream: &StreamConfig, step: &str) -> Result<usize, Usage> {
    let names = || stream.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ");
    stream.steps.iter().position(|known| known.name == step).ok_or_else(|| {
        Usage(format!("stream `{}` has no step `{step}` any more; it has: {}", stream.name, names()))
    })
}
