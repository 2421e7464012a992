//! A plugin under test: loaded as a worker loads it, configured for a case, given its rows.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use millstream_engine::{
    ConfigureError, Engine, Grants, InputSpec, Limits, Metrics, Plugin as Loaded, Step, StepOutput,
};
use millstream_model::columns;
use millstream_settings::plugin_file::{PluginFile, plugin_file};

use crate::case::Case;
use crate::cuts::{Cuts, first_difference};
use crate::difference::differences;
use crate::error::CaseError;
use crate::expected::Expected;
use crate::folder::CaseFolder;
use crate::logs::{LogLine, captured};
use crate::messages::{Prepared, line_of, prepare};
use crate::offline::engine;
use crate::outcome::{Fate, Outcome, Row};
use crate::value::value;
use crate::verdict::{Found, Verdict};

/// What a test may log in a second: all that there is room for.
const LOG_LINES: u32 = 10_000;
const LOG_BYTES: usize = 16 << 20;

/// A plugin that is tested.
#[derive(Clone, Debug)]
pub struct Plugin {
    loaded: Loaded,
    beside: PluginFile,
}

/// What became of a case in one batch.
#[derive(Clone, Debug)]
pub struct Run {
    outcomes: Vec<Outcome>,
    logs: Vec<LogLine>,
    metrics: Metrics,
}

impl Plugin {
    /// Loads the plugin in `wasm`, in an engine of its own. What stands beside it in `<plugin>.toml` counts, as it does
    /// for a worker.
    ///
    /// # Errors
    /// Why it is no plugin, or what is wrong in the file beside it.
    pub fn load(wasm: &Path) -> Result<Self, CaseError> {
        Self::load_in(&engine(None)?, wasm, &wasm.with_extension("toml"))
    }

    /// As [`Plugin::load`], in this engine and with this file beside it, whether it is there or not. Secrets that the
    /// file names need not be anywhere.
    ///
    /// # Errors
    /// As [`Plugin::load`].
    pub fn load_in(engine: &Engine, wasm: &Path, beside: &Path) -> Result<Self, CaseError> {
        let mut file = plugin_file(beside, &Limits::default(), &|_| true)?;
        file.grants.file = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { loaded: engine.load(wasm)?, beside: file })
    }

    /// The plugin as the engine knows it.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// What its calls may use, as the file beside it says.
    pub fn limits(&self) -> &Limits {
        &self.beside.limits
    }

    /// What it may touch, as the file beside it says.
    pub(crate) fn grants(&self) -> &Grants {
        &self.beside.grants
    }

    /// Runs a case in one batch, whatever it expects.
    ///
    /// # Errors
    /// If the case or the plugin's configuration is wrong.
    pub fn run(&self, case: &Case) -> Result<Run, CaseError> {
        let prepared = prepare(case)?;
        let step = self.configure(case, &prepared.rows).map_err(|source| CaseError::Configure { source })?;
        Ok(run(&step, &prepared))
    }

    /// Reads the case in a folder and tests it.
    ///
    /// # Errors
    /// As [`Plugin::test`], or if a file of the case is wrong.
    pub fn test_folder(&self, folder: &CaseFolder, cuts: Cuts) -> Result<Verdict, CaseError> {
        self.test(&folder.read(self.limits())?, cuts)
    }

    /// Runs a case, compares, and runs it again in random cuts.
    ///
    /// # Errors
    /// If the case is wrong, or the plugin cannot be configured and the case expects no error.
    pub fn test(&self, case: &Case, cuts: Cuts) -> Result<Verdict, CaseError> {
        let prepared = prepare(case)?;
        let mut verdict = Verdict::new(case, &prepared);
        match (self.configure(case, &prepared.rows), &case.expected) {
            (Err(error), Some(Expected::Rows(_))) => return Err(CaseError::Configure { source: error }),
            (Err(error), expected) => {
                verdict.failed_with(self.anonymous(&error.to_string()), expected.as_ref())
            }
            (Ok(step), expected) => {
                let run = run(&step, &prepared);
                match expected {
                    Some(Expected::Rows(rows)) => verdict.differences = differences(rows, &run.outcomes),
                    Some(Expected::Error(text)) => verdict.expects_error(text),
                    None => {}
                }
                verdict.cut = first_difference(&step, &prepared, &run.outcomes, (cuts, case.name()));
                verdict.logs = run.logs;
                verdict.found = Found::Rows(run.outcomes);
            }
        }
        Ok(verdict)
    }

    /// Configures the plugin for the rows of a case.
    pub(crate) fn configure(&self, case: &Case, rows: &RecordBatch) -> Result<Step, ConfigureError> {
        let input = InputSpec::new(case.input.clone(), rows.schema());
        let limits = case.limits.as_ref().unwrap_or(&self.beside.limits);
        let limits =
            Limits { log_lines_per_second: LOG_LINES, log_bytes_per_second: LOG_BYTES, ..limits.clone() };
        let grants: &Grants = case.grants.as_ref().unwrap_or(&self.beside.grants);
        self.loaded.configure(&self.parameters(case), &input, limits, grants)
    }

    /// Parameters: those beside the plugin with those of the case over them, or the plugin's own example.
    pub(crate) fn parameters(&self, case: &Case) -> serde_json::Value {
        let beside = serde_json::to_value(&self.beside.config).ok();
        let mut parameters = match beside {
            Some(serde_json::Value::Object(parameters)) => parameters,
            _ => serde_json::Map::new(),
        };
        parameters.extend(case.config.clone());
        if parameters.is_empty() {
            return serde_json::from_str(&self.loaded.about().example_config).unwrap_or_default();
        }
        parameters.into()
    }

    /// A message of the engine without the name of the plugin's file: cases are shared by plugins of several names.
    fn anonymous(&self, message: &str) -> String {
        let named = format!("plugin `{}`", self.loaded.name());
        message.replace(&format!("of {named}"), "of the plugin").replace(&named, "the plugin")
    }
}

impl Run {
    /// Everything that became of the messages, in their order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Rows that continue in the stream.
    pub fn passed(&self) -> Vec<&Row> {
        let rows = self.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Passed(row) => Some(row),
            _ => None,
        });
        rows.collect()
    }

    /// Rows for the output of this name.
    pub fn emitted(&self, name: &str) -> Vec<&Row> {
        let rows = self.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Emitted { output, row } if output == name => Some(row),
            _ => None,
        });
        rows.collect()
    }

    /// Lines and reasons of dead letters.
    pub fn rejected(&self) -> Vec<(u64, &str)> {
        let reasons = self.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Rejected(reason) => Some((outcome.line, reason.as_str())),
            _ => None,
        });
        reasons.collect()
    }

    /// What the plugin logged.
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// Metrics that it reported.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

fn run(step: &Step, prepared: &Prepared) -> Run {
    let (output, logs) = captured(|| step.instance().process(&prepared.rows));
    let metrics = output.metrics.clone();
    Run { outcomes: outcomes(step, prepared, &[output]), logs, metrics }
}

/// What became of the messages, given what a step made of all batches of their rows.
pub(crate) fn outcomes(step: &Step, prepared: &Prepared, outputs: &[StepOutput]) -> Vec<Outcome> {
    let named = format!("plugin `{}`", step.plugin().name());
    let undecoded = prepared.undecoded.iter();
    let mut outcomes: Vec<_> = undecoded
        .map(|(line, reason)| Outcome { line: *line, fate: Fate::Undecoded(reason.clone()) })
        .collect();
    for output in outputs {
        outcomes.extend(rows(&output.passed).map(|(line, row)| Outcome { line, fate: Fate::Passed(row) }));
        for (number, emitted) in &output.emitted {
            let name = &step.outputs()[*number].name;
            let fate = |row| Fate::Emitted { output: name.clone(), row };
            outcomes.extend(rows(emitted).map(|(line, row)| Outcome { line, fate: fate(row) }));
        }
        outcomes.extend(output.rejected.iter().map(|rejected| Outcome {
            line: line_of(rejected.offset),
            fate: Fate::Rejected(rejected.reason.replace(&named, "the plugin")),
        }));
    }
    outcomes.sort_by_key(|outcome| outcome.line);
    outcomes
}

/// The rows of a batch, each with the line of its message.
fn rows(batch: &RecordBatch) -> impl Iterator<Item = (u64, Row)> + '_ {
    let offsets = batch.column_by_name(columns::OFFSET).expect("every batch of a step has this column");
    let offsets = offsets.as_primitive::<Int64Type>();
    let schema = batch.schema();
    let declared =
        schema.fields().iter().zip(batch.columns()).filter(|(field, _)| !columns::is_system(field.name()));
    let declared: Vec<_> = declared.map(|(field, column)| (field.name().clone(), column)).collect();
    (0..batch.num_rows()).map(move |row| {
        let values = declared.iter().map(|(name, column)| (name.clone(), value(column, row)));
        (line_of(offsets.value(row)), Row(values.collect()))
    })
}
