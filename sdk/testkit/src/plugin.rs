//! A plugin under test: loaded as a worker loads it, configured for a case, given its rows.

use std::path::Path;
use std::time::Instant;

use millstream_engine::{
    CircuitOpened, ConfigureError, Engine, Grants, Limits, Metrics, Plugin as Loaded, Timer,
};
use millstream_settings::plugin_file::{PluginFile, plugin_file};

use crate::case::Case;
use crate::cuts::{Cut, Cuts, try_cuts};
use crate::difference::{Difference, differences};
use crate::error::CaseError;
use crate::expected::Expected;
use crate::folder::CaseFolder;
use crate::instance::{Configured, Ended};
use crate::logs::{LogLine, captured};
use crate::messages::{Prepared, prepare};
use crate::offline::engine;
use crate::outcome::{Fate, Outcome, Row};
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

/// What became of a case without any cut.
#[derive(Clone, Debug)]
pub struct Run {
    ended: Ended,
    logs: Vec<LogLine>,
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

    /// Runs a case in one batch, or in as few as its inputs and moves of the watermark allow, whatever it expects.
    ///
    /// # Errors
    /// If the case or the plugin's configuration is wrong, or the plugin keeps state and says that it cannot go on.
    pub fn run(&self, case: &Case) -> Result<Run, CaseError> {
        let prepared = prepare(case, self.loaded.keeps_state())?;
        let configured = self.configure(case, &prepared).map_err(|source| CaseError::Configure { source })?;
        let (ended, logs) = captured(|| whole(&configured, &prepared));
        let ended = ended.map_err(|stopped| CaseError::Stopped(stopped.reason.to_string()))?;
        Ok(Run { ended, logs })
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
        let prepared = prepare(case, self.loaded.keeps_state())?;
        let mut verdict = Verdict::new(case, &prepared);
        let configured = match (self.configure(case, &prepared), &case.expected) {
            (Ok(configured), _) => configured,
            (Err(error), Some(Expected::Rows(_))) => return Err(CaseError::Configure { source: error }),
            (Err(error), expected) => {
                verdict.failed_with(self.anonymous(&error.to_string()), expected.as_ref());
                return Ok(verdict);
            }
        };
        let began = Instant::now();
        let (ended, logs) = captured(|| whole(&configured, &prepared));
        verdict.logs = logs;
        match (ended, &case.expected) {
            (Err(stopped), expected) => {
                if matches!(expected, Some(Expected::Rows(_))) {
                    verdict.differences = vec![Difference::stopped(&stopped.reason)];
                }
                verdict.failed_with(self.anonymous(&stopped.reason), expected.as_ref());
            }
            (Ok(ended), expected) => {
                match expected {
                    Some(Expected::Rows(rows)) => verdict.differences = differences(rows, &ended.outcomes),
                    Some(Expected::Error(text)) => verdict.expects_error(text),
                    None => {}
                }
                let tried = try_cuts(&configured, &prepared, (&ended, began), (cuts, case.name()));
                verdict.cut = tried.difference;
                verdict.cuts_left_out = tried.left_out;
                verdict.found = Found::Rows(ended.outcomes);
            }
        }
        Ok(verdict)
    }

    /// Configures the plugin for what a case gives.
    fn configure(&self, case: &Case, prepared: &Prepared) -> Result<Configured, ConfigureError> {
        let limits = case.limits.as_ref().unwrap_or(&self.beside.limits);
        let limits =
            Limits { log_lines_per_second: LOG_LINES, log_bytes_per_second: LOG_BYTES, ..limits.clone() };
        let grants = case.grants.as_ref().unwrap_or(&self.beside.grants);
        let tables = grants.tables.iter().chain(case.tables.keys()).cloned().collect();
        let grants = Grants { tables, ..grants.clone() };
        let (config, inputs) = (self.parameters(case), prepared.specs());
        if self.loaded.keeps_state() {
            let step = self.loaded.configure_keyed(&config, &inputs, limits, &grants, &case.tables);
            return step.map(Configured::Keyed);
        }
        let step = self.loaded.configure_with_tables(&config, &inputs[0], limits, &grants, &case.tables);
        step.map(Configured::Stateless)
    }

    /// Parameters: those beside the plugin with those of the case over them, or the plugin's own example.
    pub(crate) fn parameters(&self, case: &Case) -> serde_json::Value {
        let beside = serde_json::to_value(&self.beside.config).ok();
        let mut parameters = match beside {
            Some(serde_json::Value::Object(parameters)) => parameters,
            _ => serde_json::Map::new(),
        };
        match &case.config {
            serde_json::Value::Object(own) => parameters.extend(own.clone()),
            serde_json::Value::Null => {}
            other => return other.clone(),
        }
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
    /// Everything that became of the messages, in their order; what became of timers stands where the watermark moved.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.ended.outcomes
    }

    /// Rows that continue in the stream.
    pub fn passed(&self) -> Vec<&Row> {
        let rows = self.ended.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Passed(row) => Some(row),
            _ => None,
        });
        rows.collect()
    }

    /// Rows for the output of this name.
    pub fn emitted(&self, name: &str) -> Vec<&Row> {
        let rows = self.ended.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Emitted { output, row } if output == name => Some(row),
            _ => None,
        });
        rows.collect()
    }

    /// Lines and reasons of dead letters.
    pub fn rejected(&self) -> Vec<(u64, &str)> {
        let reasons = self.ended.outcomes.iter().filter_map(|outcome| match &outcome.fate {
            Fate::Rejected(reason) if outcome.timer.is_none() => Some((outcome.line, reason.as_str())),
            _ => None,
        });
        reasons.collect()
    }

    /// Timers that could not be fired, and the reasons.
    pub fn dead_timers(&self) -> Vec<(&Timer, &str)> {
        let reasons =
            self.ended.outcomes.iter().filter_map(|outcome| match (&outcome.timer, &outcome.fate) {
                (Some(timer), Fate::Rejected(reason)) => Some((timer, reason.as_str())),
                _ => None,
            });
        reasons.collect()
    }

    /// Keys and values that a store has at the end, by key; none if the plugin has no such store.
    pub fn state(&self, store: &str) -> &[(Vec<u8>, Vec<u8>)] {
        self.ended.state.stores.get(store).map_or(&[], Vec::as_slice)
    }

    /// Timers that are set at the end, by time, then key.
    pub fn timers(&self) -> &[Timer] {
        &self.ended.state.timers
    }

    /// What the plugin logged.
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// Metrics that it reported.
    pub fn metrics(&self) -> &Metrics {
        &self.ended.metrics
    }
}

fn whole(configured: &Configured, prepared: &Prepared) -> Result<Ended, CircuitOpened> {
    configured.run(&mut configured.instance(), prepared, &Cut::whole(prepared))
}
