//! One running instance of a plugin: its store, the calls into it, and what a failed call means. A failed
//! instance is thrown away by its owner.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use wasmtime::component::Resource;
use wasmtime::{Store, Trap};

use crate::bindings::types::Error as GuestError;
use crate::bindings::{Transform, TransformPre, guest};
use crate::calls::{Breach, Calls, LogGate, Staged, bounded};
use crate::engine::Shared;
use crate::limits::{LimitExceeded, Limits, time};
use crate::output::{Cause, Metrics};
use crate::plan::StepPlan;

/// How wasmtime says that one call to the host carried more data than the output cap; its type is private.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// A plugin failed before any row was near: in its start function, `describe` or `configure`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` {reason} in {phase}")]
pub struct StartError {
    /// Name of the plugin.
    pub plugin: String,
    /// `its start function`, `describe` or `configure`.
    pub phase: &'static str,
    /// What it did, as `trapped: unreachable`.
    pub reason: String,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The plugin asks for another try.
    Retry(String),
    /// The plugin cannot go on.
    Fatal(String),
    /// Some row is at fault.
    Guilty(Cause, String),
}

/// An instance and its store.
pub(crate) struct Running {
    store: Store<Calls>,
    transform: Transform,
    plugin: Arc<str>,
}

impl Running {
    /// Makes an instance; its start function runs.
    pub(crate) fn start(
        shared: &Shared,
        plugin: &Arc<str>,
        transform: &TransformPre<Calls>,
        limits: &Limits,
        logs: &Arc<LogGate>,
        deadline: Duration,
    ) -> Result<Self, StartError> {
        let calls = Calls::new(plugin, limits.memory_bytes, limits.output_bytes, Arc::clone(logs));
        let mut store = Store::new(&shared.wasmtime, calls);
        store.limiter(|calls| &mut calls.limiter);
        store.set_hostcall_fuel(limits.output_bytes);
        store.epoch_deadline_trap();
        store.set_epoch_deadline(shared.ticks(deadline));
        let transform = transform.instantiate(&mut store).map_err(|error| StartError {
            plugin: plugin.to_string(),
            phase: "its start function",
            reason: explain(&error, deadline).1,
        })?;
        Ok(Self { store, transform, plugin: Arc::clone(plugin) })
    }

    /// Makes an instance for one question only: what the plugin is.
    pub(crate) fn describe(
        shared: &Shared,
        plugin: &str,
        transform: &TransformPre<Calls>,
        limits: &Limits,
    ) -> Result<guest::About, StartError> {
        let logs = Arc::new(LogGate::new(limits.log_lines_per_second));
        let deadline = shared.settings.start_deadline;
        let mut running = Self::start(shared, &Arc::from(plugin), transform, limits, &logs, deadline)?;
        let about = running.transform.millstream_plugin_plugin().call_describe(&mut running.store);
        about.map_err(|error| running.start_error("describe", &error, deadline))
    }

    /// Configures the plugin for its input.
    pub(crate) fn configure(
        &mut self,
        shared: &Shared,
        config: &str,
        input: &guest::Input,
        deadline: Duration,
    ) -> Result<Result<guest::Plan, Vec<guest::ConfigProblem>>, StartError> {
        self.store.set_epoch_deadline(shared.ticks(deadline));
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_configure(&mut self.store, config, std::slice::from_ref(input));
        answer.map_err(|error| self.start_error("configure", &error, deadline))
    }

    /// Gives the plugin a batch. What it staged is handed out only if it returned ok; after a failure the
    /// instance must not be used again.
    pub(crate) fn process(
        &mut self,
        shared: &Shared,
        plan: &Arc<StepPlan>,
        batch: &RecordBatch,
        deadline: Duration,
    ) -> Result<Staged, Failure> {
        self.store.set_epoch_deadline(shared.ticks(deadline));
        self.store.data_mut().begin(plan, batch);
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_process(&mut self.store, 0, Resource::new_borrow(0));
        let staged = self.store.data_mut().end();
        match answer {
            Ok(Ok(())) => Ok(staged),
            Ok(Err(GuestError::Retry(reason))) => Err(Failure::Retry(bounded(&reason).to_owned())),
            Ok(Err(GuestError::Fatal(reason))) => Err(Failure::Fatal(bounded(&reason).to_owned())),
            Ok(Err(GuestError::BadBatch(reason))) => {
                Err(Failure::Guilty(Cause::BadBatch, bounded(&reason).to_owned()))
            }
            Err(error) => {
                let (cause, reason) = explain(&error, deadline);
                Err(Failure::Guilty(cause, format!("plugin `{}` {reason}", self.plugin)))
            }
        }
    }

    /// The metrics that a call staged, by name.
    pub(crate) fn metrics(&self, staged: &Staged) -> Metrics {
        let name = |number: &u32| self.store.data().metric_name(*number).cloned();
        Metrics {
            counters: staged
                .counters
                .iter()
                .filter_map(|(number, sum)| Some((name(number)?, *sum)))
                .collect(),
            gauges: staged
                .gauges
                .iter()
                .filter_map(|(number, value)| Some((name(number)?, *value)))
                .collect(),
        }
    }

    fn start_error(&self, phase: &'static str, error: &wasmtime::Error, deadline: Duration) -> StartError {
        let (_, reason) = explain(error, deadline);
        StartError { plugin: self.plugin.to_string(), phase, reason }
    }
}

/// What a failed call shows, to follow the plugin's name.
fn explain(error: &wasmtime::Error, deadline: Duration) -> (Cause, String) {
    if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
        return (Cause::Memory, exceeded.to_string());
    }
    match error.downcast_ref::<Breach>() {
        Some(breach @ Breach::OutputCap(_)) => return (Cause::OutputCap, breach.to_string()),
        Some(breach @ Breach::Contract(_)) => return (Cause::Trap, breach.to_string()),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (Cause::Deadline, format!("ran longer than {}", time(deadline))),
        Some(Trap::UnreachableCodeReached) => (Cause::Trap, "trapped: unreachable".to_owned()),
        Some(trap) => {
            (Cause::Trap, format!("trapped: {}", trap.to_string().trim_start_matches("wasm trap: ")))
        }
        None => {
            let root = error.root_cause().to_string();
            match root.contains(TOO_MUCH_DATA) {
                true => (Cause::OutputCap, "passes more than its output cap in one call".to_owned()),
                false => (Cause::Trap, format!("failed: {}", bounded(&root))),
            }
        }
    }
}
