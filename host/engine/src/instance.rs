//! One running instance of a plugin: its store, the calls into it, and what a failed call means. A failed
//! instance is thrown away by its owner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::allowance::Allowance;
use crate::bindings::types::Error as GuestError;
use crate::bindings::{Transform, TransformPre, guest};
use crate::calls::{Calls, LogGate, Staged, bounded};
use crate::engine::Shared;
use crate::fault::{Fault, starved};
use crate::limits::Limits;
use crate::outbound::Outbound;
use crate::output::{Cause, Metrics};
use crate::plan::StepPlan;
use crate::symbols::Symbols;

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
    /// The machine did not let it finish, which is no fault of the plugin.
    Starved(String),
    /// Some row is at fault.
    Guilty(Fault),
}

/// What instances of a plugin are made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) name: Arc<str>,
    pub(crate) transform: TransformPre<Calls>,
    pub(crate) symbols: Arc<Symbols>,
}

/// An instance and its store.
pub(crate) struct Running {
    store: Store<Calls>,
    transform: Transform,
    program: Program,
    stack_bytes: usize,
}

impl Running {
    /// Makes an instance; its start function runs.
    pub(crate) fn start(
        shared: &Shared,
        program: &Program,
        limits: &Limits,
        logs: &Arc<LogGate>,
        allowance: Allowance,
    ) -> Result<Self, StartError> {
        let Program { name, transform, symbols } = program;
        let mut store = Store::new(transform.engine(), Calls::new(name, limits, logs));
        store.limiter(|calls| &mut calls.limiter);
        store.set_hostcall_fuel(limits.output_bytes);
        store.epoch_deadline_callback(|store| store.data().watch().look().map_err(wasmtime::Error::new));
        begin(&mut store, shared, allowance);
        let stack_bytes = limits.stack_given();
        let transform = transform.instantiate(&mut store).map_err(|error| StartError {
            plugin: name.to_string(),
            phase: "its start function",
            reason: Fault::of_call(&error, stack_bytes, store.data().last_words()).what(Some(symbols)),
        })?;
        Ok(Self { store, transform, program: program.clone(), stack_bytes })
    }

    /// Lets the plugin's requests out.
    pub(crate) fn connect(&mut self, outbound: Arc<dyn Outbound>) {
        self.store.data_mut().outbound = Some(outbound);
    }

    /// Makes an instance for one question only: what the plugin is.
    pub(crate) fn describe(
        shared: &Shared,
        program: &Program,
        limits: &Limits,
    ) -> Result<guest::About, StartError> {
        let logs = Arc::new(LogGate::new(limits));
        let allowance = Allowance::Cpu(shared.settings.start_deadline);
        let mut running = Self::start(shared, program, limits, &logs, allowance)?;
        begin(&mut running.store, shared, allowance);
        let about = running.transform.millstream_plugin_plugin().call_describe(&mut running.store);
        about.map_err(|error| running.start_error("describe", &error))
    }

    /// Configures the plugin for its input.
    pub(crate) fn configure(
        &mut self,
        shared: &Shared,
        config: &str,
        input: &guest::Input,
        allowance: Allowance,
    ) -> Result<Result<guest::Plan, Vec<guest::ConfigProblem>>, StartError> {
        begin(&mut self.store, shared, allowance);
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_configure(&mut self.store, config, std::slice::from_ref(input));
        answer.map_err(|error| self.start_error("configure", &error))
    }

    /// Gives the plugin a batch. What it staged is handed out only if it returned ok; after a failure the
    /// instance must not be used again.
    pub(crate) fn process(
        &mut self,
        shared: &Shared,
        plan: &Arc<StepPlan>,
        batch: &RecordBatch,
        allowance: Allowance,
    ) -> Result<Staged, Failure> {
        begin(&mut self.store, shared, allowance);
        self.store.data_mut().begin(plan, batch, Instant::now() + waiting(allowance.time()));
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_process(&mut self.store, 0, Resource::new_borrow(0));
        let staged = self.store.data_mut().end();
        match answer {
            Ok(Ok(())) => Ok(staged),
            Ok(Err(GuestError::Retry(reason))) => Err(Failure::Retry(bounded(&reason).to_owned())),
            Ok(Err(GuestError::Fatal(reason))) => Err(Failure::Fatal(bounded(&reason).to_owned())),
            Ok(Err(GuestError::BadBatch(reason))) => {
                Err(Failure::Guilty(Fault::stated(Cause::BadBatch, bounded(&reason).to_owned())))
            }
            Err(error) => Err(match starved(&error) {
                Some(how) => Failure::Starved(format!("plugin `{}` {how}", self.program.name)),
                None => Failure::Guilty(self.fault(&error)),
            }),
        }
    }

    /// Linear memory that the instance has, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().limiter.used()
    }

    /// How often the last call called the host.
    pub(crate) fn host_calls(&self) -> u64 {
        self.store.data().host_calls()
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

    fn fault(&self, error: &wasmtime::Error) -> Fault {
        Fault::of_call(error, self.stack_bytes, self.store.data().last_words())
    }

    fn start_error(&self, phase: &'static str, error: &wasmtime::Error) -> StartError {
        let reason = self.fault(error).what(Some(&self.program.symbols));
        StartError { plugin: self.program.name.to_string(), phase, reason }
    }
}

/// How long the requests of a call may be waited for: the last tenth of its time is left to the plugin, so that it
/// can say what to do without the answers rather than overrun its deadline with them.
fn waiting(deadline: Duration) -> Duration {
    deadline - deadline / 10
}

/// Lets a call go on for so long.
fn begin(store: &mut Store<Calls>, shared: &Shared, allowance: Allowance) {
    store.set_epoch_deadline(shared.ticks(allowance.time()));
    store.data_mut().allow(allowance);
}
