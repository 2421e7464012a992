//! Where a plugin is looked at closely: on a stream of the configuration, behind the steps before its own, or on its
//! cases, with the configuration, limits and grants that it has there. What is done with it there is for the verbs.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use millstream_engine::{Engine, Grants, InputSpec, Limits, Plugin};
use millstream_pipeline::config::{Config, StreamConfig};
use millstream_pipeline::decode::Decoder;
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::source::Visitor;
use millstream_pipeline::start;
use millstream_settings::plugin_file::plugin_file;
use millstream_testkit::{CaseFolder, Material, case_folders};
use serde_json::Value;

use crate::exit::{self, Usage};

/// A place for a plugin.
pub(super) struct Place {
    /// What it is, for people: ``stream `vehicle`, step `cleanse` ``.
    pub(super) what: String,
    /// The rows it gets.
    pub(super) input: InputSpec,
    /// Its configuration.
    pub(super) config: Value,
    /// What it may use.
    pub(super) limits: Limits,
    /// What it may touch.
    pub(super) grants: Grants,
    /// True if it could run there with those grants alone; a case only shows what they would have to be.
    pub(super) is_held_to_grants: bool,
}

/// A place on a stream, and the stream up to there.
pub(super) struct OnStream {
    pub(super) place: Place,
    before: Arc<StreamPlan>,
}

/// The place of `plugin`, which lies in `file`, on the stream `name`: its own step's, else in front of the first
/// step, with what stands in the file beside it.
pub(super) fn on_stream(
    config: &Config,
    engine: &Engine,
    (plugin, file): (&Plugin, &Path),
    name: &str,
) -> anyhow::Result<OnStream> {
    let stream = stream(config, name)?;
    let index = stream.steps.iter().position(|step| step.plugin == plugin.name());
    let steps = stream.steps[..index.unwrap_or(0)].to_vec();
    let before = StreamConfig { steps, routes: Vec::new(), watermark: None, ..stream.clone() };
    let only = Config { streams: vec![before], ..config.clone() };
    let before = start::plan(&only, engine)?.remove(0);
    let input = InputSpec::new(name, rows_behind(&before)?);
    let beside = plugin_file(&file.with_extension("toml"), &Limits::default(), &|_| true)?;
    let place = match index.map(|index| &stream.steps[index]) {
        Some(step) => Place {
            what: format!("stream `{name}`, step `{}`", step.name),
            input,
            config: step.config.clone(),
            limits: step.limits.clone(),
            grants: step.grants.clone(),
            is_held_to_grants: true,
        },
        None => Place {
            what: format!("stream `{name}`, whose steps do not run it, in front of the first of them"),
            input,
            config: if beside.config.is_empty() {
                example(plugin)
            } else {
                serde_json::to_value(beside.config)?
            },
            limits: beside.limits,
            grants: beside.grants,
            is_held_to_grants: true,
        },
    };
    Ok(OnStream { place, before })
}

/// The places that the cases in the folder `cases` are, with their rows. A case that cannot be read is left out,
/// which is said on standard error.
pub(super) fn of_cases(
    engine: &Engine,
    file: &Path,
    cases: &Path,
) -> anyhow::Result<Vec<(Place, RecordBatch)>> {
    let plugin = millstream_testkit::Plugin::load_in(engine, file, &file.with_extension("toml"))?;
    let of_case = |folder: &CaseFolder| -> anyhow::Result<(Place, RecordBatch)> {
        let Material { input, rows, config, limits, grants } =
            plugin.material(&folder.read(plugin.limits())?)?;
        let what = format!("case `{}`", folder.name());
        Ok((Place { what, input, config, limits, grants, is_held_to_grants: false }, rows))
    };
    let readable = |folder: &CaseFolder| match of_case(folder) {
        Ok(case) => Some(case),
        Err(error) => {
            // Closed, nobody reads it.
            let _ = writeln!(
                std::io::stderr(),
                "note: case `{}` is left out: {}",
                folder.name(),
                exit::text(&error)
            );
            None
        }
    };
    Ok(case_folders(cases)?.iter().filter_map(readable).collect())
}

/// The stream of this name.
pub(super) fn stream<'a>(config: &'a Config, name: &str) -> Result<&'a StreamConfig, Usage> {
    let known = || config.streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = config.streams.iter().find(|stream| stream.name == name);
    found.ok_or_else(|| Usage(format!("the configuration has no stream `{name}`; it has: {}", known())))
}

/// The configuration that a plugin gives as an example; an empty one if it gives none.
pub(super) fn example(plugin: &Plugin) -> Value {
    serde_json::from_str(&plugin.about().example_config).unwrap_or_else(|_| Value::Object(Default::default()))
}

fn rows_behind(plan: &StreamPlan) -> anyhow::Result<SchemaRef> {
    match plan.steps.last() {
        Some(step) => Ok(step.step.output_schema()),
        None => Ok(Decoder::new(plan.schema.clone())?.row_schema()),
    }
}

impl OnStream {
    /// The last `messages` of the stream, as they come to the place: decoded, and through the steps before it.
    pub(super) fn last_rows(&self, config: &Config, messages: u64) -> anyhow::Result<Vec<RecordBatch>> {
        let plan = &self.before;
        let mut decoder = Decoder::new(plan.schema.clone())?;
        let mut steps: Vec<_> = plan.steps.iter().map(|step| step.step.apart().instance()).collect();
        let visitor = Visitor::connect(&config.source, &plan.topic)?;
        let mut batches = Vec::new();
        for (partition, range) in visitor.newest(messages)? {
            visitor
                .read(&partition, range, &mut |messages| {
                    let decoded = decoder.decode(messages).rows;
                    let rows = steps.iter_mut().fold(decoded, |rows, step| step.process(&rows).passed);
                    batches.extend(Some(rows).filter(|rows| rows.num_rows() > 0));
                    ControlFlow::Continue(())
                })
                .with_context(|| format!("cannot read {partition} again"))?;
        }
        Ok(batches)
    }
}
