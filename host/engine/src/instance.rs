//! One running instance of a plugin: its store, the calls into it, and what a failed call means. A failed
//! instance is thrown away by its owner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use wasmtime::component::{Instance, Resource, TypedFunc};
use wasmtime::{AsContextMut, Store};

use crate::allowance::Allowance;
use crate::bindings::types::{Bytes, Error as GuestError};
use crate::bindings::{Transform, TransformPre, guest};
use crate::calls::{Calls, LogGate, Staged, Task, Work, bounded};
use crate::column::pack;
use crate::engine::Shared;
use crate::fault::{Fault, starved};
use crate::limits::Limits;
use crate::load::{PACKAGE, VERSION};
use crate::outbound::Outbound;
use crate::output::Metrics;
use crate::plan::StepPlan;
use crate::state::{StateError, Timer};
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
    /// It exports `timed`.
    pub(crate) is_timed: bool,
}

type Fire = TypedFunc<(Bytes, Vec<i64>), (Result<(), GuestError>,)>;
type Migrate = TypedFunc<(String, u32, Bytes, Bytes), (Result<Bytes, String>,)>;

/// An instance and its store.
pub(crate) struct Running {
    store: Store<Calls>,
    transform: Transform,
    instance: Instance,
    /// What fires timers, in plugins that have them.
    fire: Option<Fire>,
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
        let Program { name, transform, symbols, is_timed } = program;
        let mut store = Store::new(transform.engine(), Calls::new(name, limits, logs));
        store.limiter(|calls| &mut calls.limiter);
        store.set_hostcall_fuel(limits.output_bytes);
        store.epoch_deadline_callback(|store| store.data().watch().look().map_err(wasmtime::Error::new));
        begin(&mut store, shared, allowance);
        let stack_bytes = limits.stack_given();
        let fail = |phase, reason| StartError { plugin: name.to_string(), phase, reason };
        let instance = transform.instance_pre().instantiate(&mut store).map_err(|error| {
            let fault = Fault::of_call(&error, stack_bytes, store.data());
            fail("its start function", fault.what(Some(symbols)))
        })?;
        let unfit = |error: wasmtime::Error| fail("its exports", format!("does not fit: {error:#}"));
        let transform = Transform::new(&mut store, &instance).map_err(unfit)?;
        let fire = is_timed.then(|| exported(&mut store, &instance, "timed", "fire")).transpose();
        let fire = fire.map_err(unfit)?;
        Ok(Self { store, transform, instance, fire, program: program.clone(), stack_bytes })
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

    /// Configures the plugin for its inputs.
    pub(crate) fn configure(
        &mut self,
        shared: &Shared,
        config: &str,
        inputs: &[guest::Input],
        allowance: Allowance,
    ) -> Result<Result<guest::Plan, Vec<guest::ConfigProblem>>, StartError> {
        begin(&mut self.store, shared, allowance);
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_configure(&mut self.store, config, inputs);
        answer.map_err(|error| self.start_error("configure", &error))
    }

    /// Gives the plugin a batch of input `input`. What it staged is handed out only if it returned ok; after a
    /// failure the instance must not be used again.
    pub(crate) fn process(
        &mut self,
        shared: &Shared,
        plan: &Arc<StepPlan>,
        (input, batch): (u32, &RecordBatch),
        allowance: Allowance,
    ) -> Result<Staged, Failure> {
        begin(&mut self.store, shared, allowance);
        let until = Instant::now() + waiting(allowance.time());
        self.store.data_mut().begin(plan, Work::Rows(batch.clone()), until);
        let plugin = self.transform.millstream_plugin_plugin();
        let answer = plugin.call_process(&mut self.store, input, Resource::new_borrow(0));
        self.end(answer)
    }

    /// Gives the plugin timers of one move; as [`Running::process`].
    pub(crate) fn fire(
        &mut self,
        shared: &Shared,
        plan: &Arc<StepPlan>,
        timers: &[Timer],
        allowance: Allowance,
    ) -> Result<Staged, Failure> {
        begin(&mut self.store, shared, allowance);
        self.store.data_mut().begin(plan, Work::Timers(timers.len()), Instant::now());
        let keys: Vec<Option<&[u8]>> = timers.iter().map(|timer| Some(timer.key.as_slice())).collect();
        let micros = timers.iter().map(|timer| timer.micros).collect();
        let answer = match self.fire {
            Some(fire) => fire.call(&mut self.store, (pack(&keys), micros)).map(|(answer,)| answer),
            None => Ok(Err(GuestError::Fatal("has timers, but does not export `timed`".to_owned()))),
        };
        self.end(answer)
    }

    /// Has the plugin bring values of a store from `from_version` to its own. The inner error is the plugin's.
    pub(crate) fn migrate(
        &mut self,
        shared: &Shared,
        (store, from_version): (&str, u32),
        (keys, values): (Bytes, Bytes),
        allowance: Allowance,
    ) -> Result<Result<Bytes, String>, String> {
        let migrate: Migrate = exported(&mut self.store, &self.instance, "migration", "migrate")
            .map_err(|error| format!("cannot migrate: {error:#}"))?;
        begin(&mut self.store, shared, allowance);
        let answer = migrate.call(&mut self.store, (store.to_owned(), from_version, keys, values));
        answer.map(|(answer,)| answer).map_err(|error| self.fault(&error).what(Some(&self.program.symbols)))
    }

    /// Puts the state of a task under the plugin's hands.
    pub(crate) fn enter(&mut self, task: Task) {
        self.store.data_mut().task = Some(task);
    }

    /// Takes it away again.
    pub(crate) fn leave(&mut self) -> Option<Task> {
        self.store.data_mut().task.take()
    }

    /// What came of a call.
    fn end(&mut self, answer: wasmtime::Result<Result<(), GuestError>>) -> Result<Staged, Failure> {
        let staged = self.store.data_mut().end();
        match answer {
            Ok(Ok(())) => Ok(staged),
            Ok(Err(GuestError::Retry(reason))) => Err(Failure::Retry(bounded(&reason).to_owned())),
            Ok(Err(GuestError::Fatal(reason))) => Err(Failure::Fatal(bounded(&reason).to_owned())),
            Ok(Err(GuestError::BadBatch(reason))) => {
                Err(Failure::Guilty(Fault::of_bad_batch(&reason, self.store.data())))
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        if let Some(state) = error.downcast_ref::<StateError>() {
            return Failure::Fatal(state.to_string());
        }
        match starved(error) {
            Some(how) => Failure::Starved(format!("plugin `{}` {how}", self.program.name)),
            None => Failure::Guilty(self.fault(error)),
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
        Fault::of_call(error, self.stack_bytes, self.store.data())
    }

    fn start_error(&self, phase: &'static str, error: &wasmtime::Error) -> StartError {
        let reason = self.fault(error).what(Some(&self.program.symbols));
        StartError { plugin: self.program.name.to_string(), phase, reason }
    }
}

/// A function that only some worlds export.
fn exported<Arguments, Answer>(
    store: &mut Store<Calls>,
    instance: &Instance,
    interface: &str,
    function: &str,
) -> wasmtime::Result<TypedFunc<Arguments, Answer>>
where
    Arguments: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    Answer: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    let name = format!("{PACKAGE}{interface}@{VERSION}");
    let found = instance.get_export_index(store.as_context_mut(), None, &name);
    let found =
        found.and_then(|found| instance.get_export_index(store.as_context_mut(), Some(&found), function));
    let found =
        found.ok_or_else(|| wasmtime::Error::msg(format!("it does not export `{function}` of `{name}`")))?;
    instance.get_typed_func(store, found)
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
